//! Whether a human's answer releases an action that the policy does not refuse.
//!
//! ```text
//! approval named? ─ no ──▶ the open one of the same action, else a grant, else a new one
//!    └─ yes: unknown, or another agent's ──▶ refuse `approval-unknown`
//!            of another action ──▶ as if none was named
//!            over ──▶ refuse `approval-<status>`
//! waiting ──▶ a grant, else held      approved ──▶ used, once      not enough for the chain of now ──▶ asked again
//! ```
//!
//! The policy has been asked by then: an approval never stands against it.

use gov_core::{ActionDigest, Decision, RuleId};
use gov_escalation::{
    approval::{Approval, ApprovalRequest, Status},
    chain::Chain,
    transition::Refusal,
};
use tracing::warn;

use super::{CheckError, CheckRequest, Gate, RecorderError, content, edit::edited_into};
use crate::{
    approvals::{self, DeskError, Drawn, Kept, Use},
    policy::Judgement,
};

/// How often the approvals of an action are looked at before somebody else's changes win.
const ROUNDS: usize = 8;

/// What becomes of an action that the policy does not refuse.
#[derive(Debug)]
pub(super) enum Release {
    /// The policy's answer stands.
    AsJudged(Judgement),
    /// A human must answer first.
    Held(Judgement, Box<Kept>),
    /// A human's answer was used for it.
    Used(Judgement, Box<Kept>),
    /// A grant was drawn on for it.
    Drawn(Judgement, Box<Drawn>),
    /// The approval that was named does not count.
    Refused(Judgement),
}

/// What the policy asks of a human.
pub(super) struct Asked<'a> {
    pub(super) rule_id: RuleId,
    reason: String,
    pub(super) chain: &'a Chain,
    pub(super) digest: ActionDigest,
}

impl Gate {
    pub(super) async fn release(
        &self,
        request: &CheckRequest,
        judgement: Judgement,
    ) -> Result<Release, CheckError> {
        let asked = match &judgement.decision {
            Decision::RequireApproval { rule_id, reason, chain } => {
                let Some(chain) = self.desk.chain(chain) else {
                    let reason = "the policy asks a chain that is not configured";
                    let rule_id = RuleId::policy_error();
                    return Ok(Release::Refused(refused(&judgement, rule_id, reason)));
                };
                let digest = digest(request, chain.bind_session)?;
                let (rule_id, reason) = (rule_id.clone(), reason.clone());
                Some(Asked { rule_id, reason, chain, digest })
            }
            _ => None,
        };
        if let Some(id) = request.approval_id {
            let named = self.desk.find(id).await?;
            let Some(named) = named.filter(|it| it.request.agent_id == request.agent_id) else {
                let reason = "there is no such approval of this agent";
                return Ok(Release::Refused(refused(
                    &judgement,
                    approvals::rule("unknown"),
                    reason,
                )));
            };
            let same = digest(request, named.request.chain.bind_session)? == named.request.digest;
            if same
                && let Some(release) =
                    self.named(request, &judgement, named, asked.as_ref()).await?
            {
                return Ok(release);
            }
        }
        match asked {
            None => Ok(Release::AsJudged(judgement)),
            Some(asked) => self.unnamed(request, judgement, asked).await,
        }
    }

    /// The approval that was named is of this very action; `None` where the policy's own answer,
    /// or a new approval, counts.
    async fn named(
        &self,
        request: &CheckRequest,
        judgement: &Judgement,
        named: Approval,
        asked: Option<&Asked<'_>>,
    ) -> Result<Option<Release>, CheckError> {
        if let Some(asked) = asked
            && let Some(drawn) = self.drawn_before(request, asked).await?
        {
            return Ok(Some(drawn_on(judgement.clone(), drawn)));
        }
        if named.status.awaits_answer() {
            let Some(asked) = asked else { return Ok(None) };
            if let Some(drawn) = self.by_grant(request, judgement, asked).await? {
                self.end_waiting(&named, judgement).await;
                return Ok(Some(drawn_on(judgement.clone(), drawn)));
            }
            let kept = self.desk.held(named).await?;
            return Ok(Some(Release::Held(judgement.clone(), Box::new(kept))));
        }
        if named.status == Status::Approved && self.overtaken(&named, asked, judgement).await? {
            return Ok(None);
        }
        let status = match self.use_up(request, judgement, &named).await? {
            Use::Released(kept) => return Ok(Some(used(judgement.clone(), kept))),
            Use::Refused(Refusal::Status(status)) => status,
            Use::Refused(_) => named.status,
        };
        let reason = match named.edited_into {
            Some(by) => edited_into(by),
            None => format!("the approval is {}", status.as_str().replace('_', " ")),
        };
        let refused = refused(judgement, approvals::rule(status.as_str()), &reason);
        Ok(Some(Release::Refused(refused)))
    }

    /// The same action again, or for the first time.
    async fn unnamed(
        &self,
        request: &CheckRequest,
        judgement: Judgement,
        asked: Asked<'_>,
    ) -> Result<Release, CheckError> {
        if let Some(key) = &request.idempotency_key {
            let before = self.desk.used_under(key, &request.agent_id, &asked.digest).await?;
            if let Some(before) = before
                && let Use::Released(kept) = self.use_up(request, &judgement, &before).await?
            {
                return Ok(used(judgement, kept));
            }
        }
        if let Some(drawn) = self.drawn_before(request, &asked).await? {
            return Ok(drawn_on(judgement, drawn));
        }
        for _ in 0..ROUNDS {
            let open = self.desk.find_open(&asked.digest).await?;
            if open.as_ref().is_none_or(|it| it.status != Status::Approved)
                && let Some(drawn) = self.by_grant(request, &judgement, &asked).await?
            {
                return Ok(drawn_on(judgement, drawn));
            }
            let open = match open {
                Some(open) => open,
                None => self.desk.open(self.question(request, &judgement, &asked)?).await?,
            };
            if open.status.awaits_answer() {
                let kept = self.desk.held(open).await?;
                return Ok(Release::Held(judgement, Box::new(kept)));
            }
            if self.overtaken(&open, Some(&asked), &judgement).await? {
                continue;
            }
            match self.use_up(request, &judgement, &open).await? {
                Use::Released(kept) => return Ok(used(judgement, kept)),
                // Its time is over, and only its timer is late.
                Use::Refused(Refusal::Status(Status::Expired)) => {
                    self.desk.expire().await?;
                }
                // Another check of the same action has used it meanwhile.
                Use::Refused(_) => (),
            }
        }
        Err(DeskError::Busy.into())
    }

    /// Whether the policy asks for more than was answered: then that is asked for, and what was
    /// answered counts.
    async fn overtaken(
        &self,
        approval: &Approval,
        asked: Option<&Asked<'_>>,
        judgement: &Judgement,
    ) -> Result<bool, CheckError> {
        let Some(asked) = asked else { return Ok(false) };
        let version = judgement.policy_version;
        if asked.digest != approval.request.digest {
            // What it was good for is another thing now: in one session, or in all.
            let reason = "the active policy asks another chain";
            self.desk.supersede(approval.id, version, reason).await?;
            return Ok(true);
        }
        if approval.holds_under(asked.chain) {
            return Ok(false);
        }
        Ok(self.desk.reopen(approval.id, asked.chain, version).await?)
    }

    /// What the key of the request was drawn for before.
    async fn drawn_before(
        &self,
        request: &CheckRequest,
        asked: &Asked<'_>,
    ) -> Result<Option<Box<Drawn>>, CheckError> {
        let Some(key) = &request.idempotency_key else { return Ok(None) };
        Ok(self.desk.drawn_under(key, &asked.digest).await?)
    }

    /// Whoever waited for it has been let through, so nobody is asked about it any more. The
    /// release stands, whatever becomes of this.
    async fn end_waiting(&self, named: &Approval, judgement: &Judgement) {
        let (id, version) = (named.id, judgement.policy_version);
        let reason = "a grant released the call that waited for it";
        if let Err(error) = self.desk.supersede(id, version, reason).await {
            let error = &error as &dyn std::error::Error;
            warn!(error, %id, "an approval that nobody waits for any more was not ended");
        }
    }

    async fn use_up(
        &self,
        request: &CheckRequest,
        judgement: &Judgement,
        approval: &Approval,
    ) -> Result<Use, CheckError> {
        let (id, digest) = (approval.id, approval.request.digest);
        let key = request.idempotency_key.as_deref();
        Ok(self.desk.consume(id, digest, judgement.policy_version, key).await?)
    }

    /// After a refusal on record: no human is to be asked, or heard, about the action. The refusal
    /// stands, whatever becomes of this; the next one tries again.
    pub(super) async fn supersede(&self, request: &CheckRequest, judgement: &Judgement) {
        // None of them is the policy's word about the action.
        let other = [RuleId::unknown_agent(), RuleId::state_stale(), RuleId::halted()];
        let by_other = judgement.rule_id.as_ref().is_some_and(|it| other.contains(it));
        if judgement.policy_version == 0 || by_other {
            return;
        }
        let reason = "the active policy refuses the action";
        let sessions = [false, true];
        let digests = sessions.iter().filter(|it| !**it || request.session_id.is_some());
        for digest in digests.filter_map(|it| content::digest(request, *it).ok()) {
            let version = judgement.policy_version;
            if let Err(error) = self.desk.supersede_open(&digest, version, reason).await {
                let error = &error as &dyn std::error::Error;
                warn!(error, agent = %request.agent_id, "an approval was not superseded");
            }
        }
    }

    fn question(
        &self,
        request: &CheckRequest,
        judgement: &Judgement,
        asked: &Asked<'_>,
    ) -> Result<ApprovalRequest, CheckError> {
        Ok(ApprovalRequest {
            digest: asked.digest,
            agent_id: request.agent_id.clone(),
            session_id: request.session_id.clone(),
            team_id: request.team_id.clone(),
            action_kind: request.action.kind().to_owned(),
            content: content::shown(&self.redactor, request).map_err(unsealed)?,
            rule_id: asked.rule_id.clone(),
            reason: asked.reason.clone(),
            risk: judgement.risk.map(|it| it.name().to_owned()),
            policy_version: judgement.policy_version,
            chain: asked.chain.clone(),
            grant: None,
            edited_from: None,
        })
    }
}

/// What a human let happen is allowed, unless the policy allows it itself; the answer is of the
/// version under which the approval was used.
fn used(judgement: Judgement, kept: Box<Kept>) -> Release {
    let decision = match judgement.decision {
        Decision::RequireApproval { .. } => Decision::Allow,
        other => other,
    };
    let used = kept.approval.consumption.as_ref().map(|it| it.policy_version);
    let policy_version = used.unwrap_or(judgement.policy_version);
    Release::Used(Judgement { decision, policy_version, ..judgement }, kept)
}

/// A call that a grant covers is allowed; the answer is of the version under which it was drawn.
fn drawn_on(judgement: Judgement, drawn: Box<Drawn>) -> Release {
    let policy_version = drawn.policy_version;
    Release::Drawn(Judgement { decision: Decision::Allow, policy_version, ..judgement }, drawn)
}

fn refused(judgement: &Judgement, rule_id: RuleId, reason: &str) -> Judgement {
    let decision = Decision::Refuse { rule_id: rule_id.clone(), reason: reason.to_owned() };
    let policy_version = judgement.policy_version;
    Judgement { decision, rule_id: Some(rule_id), policy_version, risk: None }
}

fn digest(request: &CheckRequest, with_session: bool) -> Result<ActionDigest, CheckError> {
    content::digest(request, with_session).map_err(unsealed)
}

pub(super) fn unsealed(error: gov_core::canonical::CanonicalError) -> CheckError {
    CheckError::NotRecorded(RecorderError::Unsealed(error.into()))
}
