//! Waiting until the signed log has what was written.

use async_trait::async_trait;
use gov_deferred_audit::FollowerHandle;

/// Carries the history of approvals to the signed log. A test hands in one that never does.
#[async_trait]
pub trait LogWait: std::fmt::Debug + Send + Sync {
    /// There are new rows.
    fn nudge(&self);

    /// Waits until the log has every row up to `position`.
    async fn logged(&self, position: u64);
}

#[async_trait]
impl LogWait for FollowerHandle {
    fn nudge(&self) {
        Self::nudge(self);
    }

    async fn logged(&self, position: u64) {
        Self::logged(self, position).await;
    }
}
