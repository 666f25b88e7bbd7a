//! Why an approval could not be asked for, answered or used.

use std::time::Duration;

use gov_core::ApprovalId;
use gov_escalation::{approval::Status, approvals::DecideError, store::StoreError};

/// There is no answer about the approval that could be stood by.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DeskError {
    /// The store does not answer; what was asked for may have happened.
    #[error("the approvals cannot be reached")]
    Store(#[from] StoreError),
    /// A person's answer does not count: the reason is in it.
    #[error(transparent)]
    Decide(#[from] DecideError),
    /// It cannot be withdrawn: it is over already.
    #[error("the approval is `{}` already, so nobody can withdraw it any more", .0.as_str())]
    Withdraw(Status),
    /// The change is committed, and the signed log has not got it: look again.
    #[error("the change is stored, and the signed log has not taken it within {0:?}; look again")]
    NotLogged(Duration),
    /// The approval has no history: the database was changed by other hands.
    #[error("`{0}` has no history")]
    NoHistory(ApprovalId),
    /// Others changed the approvals of this action each time it was looked at.
    #[error("the approvals of this action change too fast; ask again")]
    Busy,
}
