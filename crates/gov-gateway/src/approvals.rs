//! Where the requests of agents meet the answers of people.
//!
//! ```text
//! check ─▶ submit ──────────▶ commit + history row ─▶ signed log has the row ─▶ answer
//! person ─▶ decide ─────────▶ …
//! check ─▶ policy ─▶ consume ▶ …                        └─ late: no answer that counts
//! ```
//!
//! Every change is a transaction of its own in the store of gov-escalation; nothing is answered
//! before it is kept as `durability.approval` says.

use std::{collections::BTreeMap, sync::Arc};

use gov_core::{
    ActionDigest, AgentId, ApprovalId, AuditEventKind, Clock, PersonId, RecordId, RuleId, Timestamp,
};
use gov_escalation::{
    Approvals,
    approval::{Approval, ApprovalRequest, HistoryRow, Status},
    approvals::Objection,
    chain::Chain,
    store::{Applied, ApprovalFilter, ApprovalStore, Auditing, History, StoreError},
    transition::Refusal,
};

mod answers;
mod edits;
mod error;
mod feed;
mod grants;
mod log_wait;
mod set_aside;
mod standing;
mod summary;
mod view;

pub(crate) use self::standing::still_needed;
pub use self::{
    error::DeskError,
    feed::ApprovalFeed,
    grants::{Drawing, Drawn, GRANT},
    log_wait::LogWait,
    set_aside::{SetAsideList, SetAsideView},
    view::{
        ApprovalList, ApprovalRow, ApprovalView, Decided, DecidedRow, GrantList, GrantRow,
        GrantView,
    },
};
use tokio_util::sync::CancellationToken;

use crate::{check::Recorded, config::ApprovalDurability};

/// Who acts where a policy overtakes an approval.
const SYSTEM_POLICY: &str = "system:policy";

/// Among how many of an agent's last used approvals a repeated key is looked for.
const REPLAYS: u32 = 20;

/// How many late timers an agent's check fires at most.
const FIRED_AT_ONCE: u32 = 100;

/// Opens, answers and uses approvals, and lets no answer out that is not kept.
#[derive(Clone, Debug)]
pub struct Desk {
    approvals: Approvals,
    store: Arc<dyn ApprovalStore>,
    history: Arc<dyn History>,
    auditing: Arc<dyn Auditing>,
    log: Arc<dyn LogWait>,
    clock: Arc<dyn Clock>,
    closing: CancellationToken,
    config: Arc<DeskConfig>,
}

/// How a [`Desk`] works.
#[derive(Clone, Debug, Default)]
pub struct DeskConfig {
    /// Who can be asked, by name.
    pub chains: BTreeMap<String, Chain>,
    /// What an answer waits for, beside the commit.
    pub durability: ApprovalDurability,
}

/// An approval whose last change is kept, and the record of what it is answered for.
#[derive(Clone, Debug, PartialEq)]
pub struct Kept {
    /// The approval after the change.
    pub approval: Approval,
    /// The record of the change.
    pub recorded: Recorded,
}

/// What became of an approved action.
#[derive(Clone, Debug, PartialEq)]
pub enum Use {
    /// It is released: now, or under the same key before.
    Released(Box<Kept>),
    /// The approval does not release it.
    Refused(Refusal),
}

impl Desk {
    /// A desk in front of a service and the store behind it, whose history `log` follows.
    #[must_use]
    pub fn new<S: ApprovalStore + History + Auditing + 'static>(
        approvals: Approvals,
        store: Arc<S>,
        log: Arc<dyn LogWait>,
        clock: Arc<dyn Clock>,
        config: DeskConfig,
    ) -> Self {
        let (history, auditing) = (Arc::clone(&store) as _, Arc::clone(&store) as _);
        let (closing, config) = (CancellationToken::new(), Arc::new(config));
        Self { approvals, store, history, auditing, log, clock, closing, config }
    }

    /// The chain of this name, if it is configured.
    #[must_use]
    pub fn chain(&self, name: &str) -> Option<&Chain> {
        self.config.chains.get(name)
    }

    /// One approval; `None` where there is none.
    ///
    /// # Errors
    ///
    /// [`DeskError::Store`].
    pub async fn find(&self, id: ApprovalId) -> Result<Option<Approval>, DeskError> {
        found(self.approvals.get(id).await)
    }

    /// The approval of this action that is not over; one is opened where there is none.
    ///
    /// # Errors
    ///
    /// [`DeskError::Store`]: nothing may be taken as asked for.
    pub async fn open(&self, request: ApprovalRequest) -> Result<Approval, DeskError> {
        if let Some(open) = self.approvals.find_open(&request.digest).await? {
            return Ok(open);
        }
        let submitted = self.approvals.submit(request).await;
        self.log.nudge();
        Ok(submitted?.approval)
    }

    /// What happened to an approval, in order.
    ///
    /// # Errors
    ///
    /// [`DeskError::Store`].
    pub async fn history(&self, id: ApprovalId) -> Result<Vec<HistoryRow>, DeskError> {
        Ok(self.history.of_approval(id).await?)
    }

    /// At most `limit` approvals that fit, the newest first, older than `before`.
    ///
    /// # Errors
    ///
    /// [`DeskError::Store`].
    pub async fn list(
        &self,
        filter: &ApprovalFilter,
        before: Option<ApprovalId>,
        limit: u32,
    ) -> Result<Vec<Approval>, DeskError> {
        Ok(self.approvals.list(filter, before, limit).await?)
    }

    /// The approval once it awaits no answer any more, or as it is at `until`; `None` where there
    /// is none.
    ///
    /// # Errors
    ///
    /// [`DeskError::Store`].
    pub async fn wait(
        &self,
        id: ApprovalId,
        until: Timestamp,
    ) -> Result<Option<Approval>, DeskError> {
        tokio::select! {
            approval = self.approvals.wait(id, until) => found(approval),
            () = self.closing.cancelled() => self.find(id).await,
        }
    }

    /// From now on nobody waits for people: the server ends.
    pub fn close(&self) {
        self.closing.cancel();
    }

    /// Why this person may not decide about an approval as it stands; `None` if they may.
    ///
    /// For showing it before they try: [`Desk::decide`] asks again.
    #[must_use]
    pub fn objection(&self, approval: &Approval, person: PersonId) -> Option<Objection> {
        self.approvals.objection(approval, person)
    }

    /// What an agent whose action waits is answered for: the record of its request.
    ///
    /// # Errors
    ///
    /// [`DeskError::NotLogged`] while the log has not got it.
    pub async fn held(&self, approval: Approval) -> Result<Kept, DeskError> {
        self.kept(approval, &AuditEventKind::ApprovalRequested).await
    }

    /// Uses an approval, once, for the action with this digest, which the policy version has let
    /// through again. A repeat of `key` gets what it got before.
    ///
    /// # Errors
    ///
    /// [`DeskError`]: it may be used up, and the action must not happen; only a repeat of `key`
    /// tells.
    pub async fn consume(
        &self,
        id: ApprovalId,
        digest: ActionDigest,
        policy_version: u64,
        key: Option<&str>,
    ) -> Result<Use, DeskError> {
        let key = key.map(str::to_owned);
        let applied = self.approvals.consume(id, digest, policy_version, key).await;
        self.log.nudge();
        let approval = match applied? {
            Applied::Done { approval, .. }
            | Applied::Refused { approval, refusal: Refusal::Replayed } => approval,
            Applied::Refused { refusal, .. } => return Ok(Use::Refused(refusal)),
        };
        let kept = self.kept(*approval, &AuditEventKind::ApprovalConsumed).await?;
        Ok(Use::Released(Box::new(kept)))
    }

    /// The approval that this agent used under `key` for the action with this digest.
    ///
    /// # Errors
    ///
    /// [`DeskError::Store`].
    pub async fn used_under(
        &self,
        key: &str,
        agent_id: &AgentId,
        digest: &ActionDigest,
    ) -> Result<Option<Approval>, DeskError> {
        let filter = ApprovalFilter {
            statuses: vec![Status::Consumed],
            agent_id: Some(agent_id.clone()),
            ..ApprovalFilter::default()
        };
        let used = self.approvals.list(&filter, None, REPLAYS).await?;
        Ok(used.into_iter().find(|it| {
            let used_with = it.consumption.as_ref().and_then(|it| it.idempotency_key.as_deref());
            it.request.digest == *digest && used_with == Some(key)
        }))
    }

    /// Asks again for what was approved, because policy version `policy_version` asks a chain that
    /// the answer does not satisfy; `false` where it does, or where there is nothing to ask again.
    ///
    /// # Errors
    ///
    /// [`DeskError::Store`].
    pub async fn reopen(
        &self,
        id: ApprovalId,
        chain: &Chain,
        policy_version: u64,
    ) -> Result<bool, DeskError> {
        let reopened = self.approvals.reopen(id, chain.clone(), policy_version).await;
        self.log.nudge();
        Ok(matches!(reopened?, Applied::Done { .. }))
    }

    /// Ends an open approval that policy version `policy_version` has overtaken. One that is over
    /// stays as it is.
    ///
    /// # Errors
    ///
    /// [`DeskError::Store`].
    pub async fn supersede(
        &self,
        id: ApprovalId,
        policy_version: u64,
        reason: &str,
    ) -> Result<(), DeskError> {
        let (actor, reason) = (SYSTEM_POLICY.to_owned(), reason.to_owned());
        let cancelled = self.approvals.cancel(id, actor, reason, Some(policy_version)).await;
        self.log.nudge();
        cancelled?;
        Ok(())
    }

    /// As [`Desk::supersede`], for the open approval of an action, if there is one.
    ///
    /// # Errors
    ///
    /// [`DeskError::Store`].
    pub async fn supersede_open(
        &self,
        digest: &ActionDigest,
        policy_version: u64,
        reason: &str,
    ) -> Result<(), DeskError> {
        match self.approvals.find_open(digest).await? {
            Some(open) => self.supersede(open.id, policy_version, reason).await,
            None => Ok(()),
        }
    }

    /// Ends what is over and has not been ended yet, because its timer is late.
    ///
    /// # Errors
    ///
    /// [`DeskError::Store`].
    pub async fn expire(&self) -> Result<(), DeskError> {
        let fired = self.store.fire_due(self.clock.now(), FIRED_AT_ONCE).await;
        self.log.nudge();
        fired?;
        Ok(())
    }

    /// Waits until the log has the approval's row of this kind.
    async fn kept(&self, approval: Approval, kind: &AuditEventKind) -> Result<Kept, DeskError> {
        let rows = self.history.of_approval(approval.id).await?;
        let row = rows.iter().rfind(|it| it.kind == *kind);
        let position = row.map(|it| it.position).ok_or(DeskError::NoHistory(approval.id))?;
        Ok(Kept { approval, recorded: self.recorded(position).await? })
    }
}

fn found(approval: Result<Approval, StoreError>) -> Result<Option<Approval>, DeskError> {
    match approval {
        Ok(approval) => Ok(Some(approval)),
        Err(StoreError::NotFound(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// The rule of a refusal because of an approval: `approval-rejected`, `approval-unknown`, …
#[must_use]
pub fn rule(word: &str) -> RuleId {
    // Every such word is a name.
    format!("approval-{word}").parse().unwrap_or_else(|_| RuleId::policy_error())
}

/// Whether a rule is one of these, so that no policy may be called so.
#[must_use]
pub fn is_rule(id: &RuleId) -> bool {
    id.as_str().strip_prefix("approval-").is_some_and(|word| {
        ["unknown", GRANT].contains(&word) || Status::ALL.iter().any(|it| it.as_str() == word)
    })
}

/// The record that stands for one row of the history in the signed log.
#[must_use]
pub fn record_id(position: u64) -> RecordId {
    RecordId::derived(feed::COMPONENT, &feed::history_key(position))
}
