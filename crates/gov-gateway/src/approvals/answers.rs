//! What people, and who may withdraw a request, say about approvals.

use std::time::Duration;

use gov_core::{ApprovalId, PersonId, Timestamp};
use gov_escalation::{
    approval::{Approval, Decider},
    approvals::Decision,
    store::Applied,
};

use super::{Desk, DeskError, Kept, record_id};
use crate::{check::Recorded, config::ApprovalDurability};

/// How long an answer waits for the log.
const LOG_BOUND: Duration = Duration::from_secs(5);

impl Desk {
    /// Takes a person's answer.
    ///
    /// # Errors
    ///
    /// [`DeskError::Decide`]: it does not count. [`DeskError::NotLogged`]: it counts, and the log
    /// has not got it.
    pub async fn decide(
        &self,
        id: ApprovalId,
        decision: Decision,
        decider: Decider,
    ) -> Result<Kept, DeskError> {
        let (approval, position) = self.commit(id, decision, decider).await?;
        let recorded = self.recorded(position).await?;
        Ok(Kept { approval, recorded })
    }

    /// Takes a person's answers one after the other, each as [`Desk::decide`] alone does; gives what
    /// became of each, in order. All of them together wait for the log no longer than one.
    pub async fn decide_all(
        &self,
        decisions: Vec<(ApprovalId, Decision)>,
        person_id: PersonId,
    ) -> Vec<Result<Kept, DeskError>> {
        let mut committed = Vec::with_capacity(decisions.len());
        for (id, decision) in decisions {
            committed.push(self.commit(id, decision, Decider { person_id }).await);
        }
        let until = self.clock.now() + LOG_BOUND;
        let mut kept = Vec::with_capacity(committed.len());
        for outcome in committed {
            kept.push(match outcome {
                Ok((approval, position)) => {
                    let recorded = self.recorded_by(position, until).await;
                    recorded.map(|recorded| Kept { approval, recorded })
                }
                Err(error) => Err(error),
            });
        }
        kept
    }

    /// Withdraws an open approval for `actor`: a person, an agent, or a token's id. What was asked
    /// for does not happen unless it is asked for again.
    ///
    /// # Errors
    ///
    /// [`DeskError::Withdraw`]: it is over already. [`DeskError::NotLogged`]: it is withdrawn, and
    /// the log has not got it.
    pub async fn withdraw(
        &self,
        id: ApprovalId,
        actor: String,
        reason: String,
    ) -> Result<Kept, DeskError> {
        let applied = self.approvals.cancel(id, actor, reason, None).await;
        self.log.nudge();
        match applied? {
            Applied::Done { approval, position } => {
                let recorded = self.recorded(position).await?;
                Ok(Kept { approval: *approval, recorded })
            }
            Applied::Refused { approval, .. } => Err(DeskError::Withdraw(approval.status)),
        }
    }

    async fn commit(
        &self,
        id: ApprovalId,
        decision: Decision,
        decider: Decider,
    ) -> Result<(Approval, u64), DeskError> {
        let outcome = self.approvals.decide(id, decision, decider).await;
        self.log.nudge();
        let made = outcome?;
        Ok((made.approval, made.position))
    }

    pub(super) async fn recorded(&self, position: u64) -> Result<Recorded, DeskError> {
        self.recorded_by(position, self.clock.now() + LOG_BOUND).await
    }

    async fn recorded_by(&self, position: u64, until: Timestamp) -> Result<Recorded, DeskError> {
        let id = record_id(position);
        if self.config.durability == ApprovalDurability::Spooled {
            return Ok(Recorded::Spooled { id });
        }
        tokio::select! {
            biased;
            () = self.log.logged(position) => Ok(Recorded::Logged { id }),
            () = self.clock.sleep_until(until) => Err(DeskError::NotLogged(LOG_BOUND)),
        }
    }
}
