//! The service that callers use: who asks, who answers, who uses the answer.

use std::{sync::Arc, time::Duration};

use gov_core::{ActionDigest, ApprovalId, Clock, PersonId, Timestamp};
use tokio::sync::Semaphore;

use crate::{
    alarm::Alarm,
    approval::{Approval, ApprovalRequest, Decider, Verdict},
    chain::Chain,
    directory::Directory,
    meters::Meters,
    store::{Applied, ApprovalFilter, ApprovalStore, StoreError, Submitted},
    transition::{Change, Refusal},
};

mod comment;
mod edits;
mod grants;
mod objection;

pub use self::{
    comment::{CommentProblem, MAX_COMMENT_BYTES},
    objection::Objection,
};

/// How [`Approvals::wait`] looks.
#[derive(Clone, Copy, Debug)]
pub struct ApprovalsConfig {
    /// How often a waiter asks the store whether another process has the answer.
    pub poll_interval: Duration,
    /// How many may wait at a time; one more is answered at once.
    pub max_waiters: usize,
}

impl Default for ApprovalsConfig {
    fn default() -> Self {
        Self { poll_interval: Duration::from_millis(500), max_waiters: 1024 }
    }
}

/// Requests, decisions and uses of approvals. Clones share everything.
#[derive(Clone, Debug)]
pub struct Approvals {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    store: Arc<dyn ApprovalStore>,
    directory: Arc<dyn Directory>,
    clock: Arc<dyn Clock>,
    alarm: Arc<Alarm>,
    waiters: Semaphore,
    config: ApprovalsConfig,
    meters: Meters,
}

/// What a person says about an approval.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Yes or no.
    pub verdict: Verdict,
    /// The digest that the person saw.
    pub digest: ActionDigest,
    /// In their own words, at most [`MAX_COMMENT_BYTES`].
    pub comment: Option<String>,
}

/// A decision that counts.
#[derive(Clone, Debug, PartialEq)]
pub struct Decided {
    /// The approval after it.
    pub approval: Approval,
    /// Where it stands in the history.
    pub position: u64,
}

/// Why a decision does not count.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DecideError {
    /// No such approval.
    #[error("no approval `{0}`")]
    NotFound(ApprovalId),
    /// This person may not decide: somebody else must.
    #[error("{reason}")]
    NotAllowed {
        /// Why not.
        reason: Objection,
    },
    /// The comment cannot be kept: correct it.
    #[error("`comment` {0}")]
    Comment(CommentProblem),
    /// The approval does not take it: look at it again.
    #[error(transparent)]
    Refused(Refusal),
    /// As from [`ApprovalStore::apply`].
    #[error(transparent)]
    Store(StoreError),
}

impl Approvals {
    /// Wires the service.
    #[must_use]
    pub fn new(
        store: Arc<dyn ApprovalStore>,
        directory: Arc<dyn Directory>,
        clock: Arc<dyn Clock>,
        config: ApprovalsConfig,
    ) -> Self {
        let waiters = Semaphore::new(config.max_waiters);
        let (alarm, meters) = (Arc::new(Alarm::new()), Meters::new());
        let inner = Inner { store, directory, clock, alarm, waiters, config, meters };
        Self { inner: Arc::new(inner) }
    }

    /// What the scheduler and the sender of this process listen to.
    #[must_use]
    pub fn alarm(&self) -> Arc<Alarm> {
        Arc::clone(&self.inner.alarm)
    }

    /// Opens an approval, or joins the open one with the same digest.
    ///
    /// # Errors
    ///
    /// As from [`ApprovalStore::submit`].
    pub async fn submit(&self, request: ApprovalRequest) -> Result<Submitted, StoreError> {
        let it = &*self.inner;
        let submitted = it.store.submit(request, it.clock.now()).await?;
        if submitted.position.is_some() {
            it.meters.requested.increment(1);
            it.alarm.armed(submitted.approval.due_at);
            it.alarm.mailed();
        }
        Ok(submitted)
    }

    /// Takes a person's answer.
    ///
    /// It counts if the person, or who named them stand-in, is among those who were asked so far,
    /// if neither owns the agent that asks nor has answered before, and if nobody (and not the
    /// time-out) was faster. One no is enough; the approval still awaits an answer after a yes if
    /// its rung needs more people.
    ///
    /// # Errors
    ///
    /// [`DecideError`]: nothing has changed; [`StoreError::Unknown`] in it: look at the approval.
    pub async fn decide(
        &self,
        id: ApprovalId,
        decision: Decision,
        decider: Decider,
    ) -> Result<Decided, DecideError> {
        let it = &*self.inner;
        if let Some(problem) = decision.comment.as_deref().and_then(comment::problem) {
            return Err(DecideError::Comment(problem));
        }
        let Decision { verdict, digest, comment } = decision;
        let roster = it.directory.roster();
        let change = Change::Decide { verdict, digest, decider, roster, comment };
        match it.store.apply(id, change, it.clock.now()).await? {
            Applied::Done { approval, position } => {
                if approval.status.awaits_answer() {
                    it.meters.voted.increment(1);
                } else {
                    it.meters.decided(verdict);
                    it.alarm.answered();
                }
                it.alarm.armed(approval.due_at);
                Ok(Decided { approval: *approval, position })
            }
            Applied::Refused { approval, refusal } => {
                match objection::of_refusal(refusal, &approval, decider.person_id) {
                    Some(reason) => Err(DecideError::NotAllowed { reason }),
                    None => Err(DecideError::Refused(refusal)),
                }
            }
        }
    }

    /// Takes a person's answers about several approvals, one after the other: each counts, or not,
    /// as it would alone, and is reported in the order of the list.
    pub async fn decide_all(
        &self,
        decisions: Vec<(ApprovalId, Decision)>,
        decider: Decider,
    ) -> Vec<(ApprovalId, Result<Decided, DecideError>)> {
        let mut outcomes = Vec::with_capacity(decisions.len());
        for (id, decision) in decisions {
            outcomes.push((id, self.decide(id, decision, decider).await));
        }
        outcomes
    }

    /// Why this person may not decide about an approval as it stands; `None` if they may.
    ///
    /// For showing it before they try: [`decide`](Self::decide) asks again.
    #[must_use]
    pub fn objection(&self, approval: &Approval, person: PersonId) -> Option<Objection> {
        {
            let roster = self.inner.directory.roster();
            objection::objection(approval, &roster, person, self.inner.clock.now())
        }
    }

    /// Uses an approval for the action with this digest: once, or again under the same key, which
    /// is [`Refusal::Replayed`].
    ///
    /// # Errors
    ///
    /// As from [`ApprovalStore::apply`].
    pub async fn consume(
        &self,
        id: ApprovalId,
        digest: ActionDigest,
        policy_version: u64,
        idempotency_key: Option<String>,
    ) -> Result<Applied, StoreError> {
        let it = &*self.inner;
        let change = Change::Consume { digest, policy_version, idempotency_key };
        let applied = it.store.apply(id, change, it.clock.now()).await?;
        if matches!(applied, Applied::Done { .. }) {
            it.meters.consumed.increment(1);
        }
        Ok(applied)
    }

    /// Asks again for what is approved, because the active policy asks a stricter chain: its rungs
    /// are asked, and the votes that were cast count on them. [`Approval::holds_under`] says
    /// whether that is needed.
    ///
    /// # Errors
    ///
    /// As from [`ApprovalStore::apply`].
    pub async fn reopen(
        &self,
        id: ApprovalId,
        chain: Chain,
        policy_version: u64,
    ) -> Result<Applied, StoreError> {
        let it = &*self.inner;
        let roster = it.directory.roster();
        let change = Change::Reopen { chain, policy_version, roster };
        let applied = it.store.apply(id, change, it.clock.now()).await?;
        if let Applied::Done { approval, .. } = &applied {
            it.meters.reopened.increment(1);
            it.alarm.armed(approval.due_at);
            it.alarm.mailed();
        }
        Ok(applied)
    }

    /// Withdraws an approval: `actor` is a person, the agent, or `system:policy` with the version
    /// that overtook it.
    ///
    /// # Errors
    ///
    /// As from [`ApprovalStore::apply`].
    pub async fn cancel(
        &self,
        id: ApprovalId,
        actor: String,
        reason: String,
        policy_version: Option<u64>,
    ) -> Result<Applied, StoreError> {
        let it = &*self.inner;
        let change = Change::Cancel { actor, reason, policy_version };
        let applied = it.store.apply(id, change, it.clock.now()).await?;
        if matches!(applied, Applied::Done { .. }) {
            it.meters.cancelled.increment(1);
            it.alarm.answered();
        }
        Ok(applied)
    }

    /// One approval as it stands.
    ///
    /// # Errors
    ///
    /// As from [`ApprovalStore::get`].
    pub async fn get(&self, id: ApprovalId) -> Result<Approval, StoreError> {
        self.inner.store.get(id).await
    }

    /// The open approval with this digest, if there is one.
    ///
    /// # Errors
    ///
    /// As from [`ApprovalStore::find_open`].
    pub async fn find_open(&self, digest: &ActionDigest) -> Result<Option<Approval>, StoreError> {
        self.inner.store.find_open(digest).await
    }

    /// At most `limit` approvals that fit, the newest first, older than `before`.
    ///
    /// # Errors
    ///
    /// As from [`ApprovalStore::list`].
    pub async fn list(
        &self,
        filter: &ApprovalFilter,
        before: Option<ApprovalId>,
        limit: u32,
    ) -> Result<Vec<Approval>, StoreError> {
        self.inner.store.list(filter, before, limit).await
    }

    /// The approval once it awaits no answer any more, whoever gave it; or as it is at `until`.
    ///
    /// An answer of this process is seen at once, one of another process within a poll interval.
    /// Cancel safe. Where too many wait already it is answered at once.
    ///
    /// # Errors
    ///
    /// As from [`ApprovalStore::get`].
    pub async fn wait(&self, id: ApprovalId, until: Timestamp) -> Result<Approval, StoreError> {
        let it = &*self.inner;
        let place = it.waiters.try_acquire();
        // Subscribed before the store is read, so that an answer after that is not missed.
        let mut answers = it.alarm.answers();
        loop {
            let approval = it.store.get(id).await?;
            let now = it.clock.now();
            if !approval.status.awaits_answer() || until <= now || place.is_err() {
                return Ok(approval);
            }
            tokio::select! {
                // The sender lives in `self`, so the channel cannot close while we wait.
                _ = answers.changed() => (),
                () = it.clock.sleep_until(until.min(now + it.config.poll_interval)) => (),
            }
        }
    }
}

impl From<StoreError> for DecideError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::NotFound(id) => Self::NotFound(id),
            error => Self::Store(error),
        }
    }
}
