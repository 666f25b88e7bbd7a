//! Other hands: what a store's own changes never do to its rows.

use std::fmt;

use async_trait::async_trait;
use gov_core::{ApprovalId, Timestamp};

/// Lets a conformance rule damage the rows of a store behind its back.
#[async_trait]
pub trait Damage: fmt::Debug + Send + Sync {
    /// The timer of an approval is gone.
    async fn lose_timer(&self, id: ApprovalId);

    /// The clock of an approval gets another deadline, or is stopped.
    async fn set_due(&self, id: ApprovalId, due_at: Option<Timestamp>);

    /// Nobody can read the chain of an approval any more.
    async fn garble(&self, id: ApprovalId);
}
