//! Timers by hand: for a program that keeps no [`Approvals`](crate::Approvals) of its own.

use gov_core::{ApprovalId, Timestamp};

use super::DbEscalationScheduler;
use crate::{
    approval::ApprovalRequest,
    store::{Applied, StoreError},
    transition::Change,
};

/// Who cancels where nobody is named.
pub const SYSTEM_SCHEDULER: &str = "system:scheduler";

/// What [`DbEscalationScheduler::register`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Registered {
    /// The approval that waits for an answer.
    pub approval_id: ApprovalId,
    /// When its clock strikes next; `None` if it is parked.
    pub due_at: Option<Timestamp>,
    /// False if the action was asked for before: then nothing has changed.
    pub is_new: bool,
}

impl DbEscalationScheduler {
    /// Arms the clock of a request.
    ///
    /// Idempotent: while a request with the same digest is open, the first deadline stays, and the
    /// answer says so.
    ///
    /// # Errors
    ///
    /// As from [`ApprovalStore::submit`](crate::store::ApprovalStore::submit).
    pub async fn register(&self, request: ApprovalRequest) -> Result<Registered, StoreError> {
        let submitted = self.store.submit(request, self.clock.now()).await?;
        let (approval, is_new) = (submitted.approval, submitted.position.is_some());
        if is_new {
            self.meters.requested.increment(1);
            self.alarm.armed(approval.due_at);
            self.alarm.mailed();
        }
        Ok(Registered { approval_id: approval.id, due_at: approval.due_at, is_new })
    }

    /// Stops the clock of a request, which is withdrawn in the name of [`SYSTEM_SCHEDULER`]; where
    /// somebody can be named, [`Approvals::cancel`](crate::Approvals::cancel) names them.
    ///
    /// True if this call did it; false if the request is over or unknown.
    ///
    /// # Errors
    ///
    /// As from [`ApprovalStore::apply`](crate::store::ApprovalStore::apply).
    pub async fn cancel(&self, id: ApprovalId) -> Result<bool, StoreError> {
        let change = Change::Cancel {
            actor: SYSTEM_SCHEDULER.to_owned(),
            reason: "its clock was cancelled".to_owned(),
            policy_version: None,
        };
        match self.store.apply(id, change, self.clock.now()).await {
            Ok(Applied::Done { .. }) => {
                self.meters.cancelled.increment(1);
                self.alarm.answered();
                Ok(true)
            }
            Ok(Applied::Refused { .. }) | Err(StoreError::NotFound(_)) => Ok(false),
            Err(error) => Err(error),
        }
    }
}
