//! How far the signed log is, for people.

use std::fmt;

use async_trait::async_trait;
use gov_core::Timestamp;
use gov_deferred_audit::{SignedLog, entry::Entry};

/// Tells how far the signed log is; the server has one, whatever database the log lies in.
#[async_trait]
pub trait LogStatus: fmt::Debug + Send + Sync {
    /// The log's name, under which its checkpoints are signed.
    fn origin(&self) -> String;

    /// How many records the last signed checkpoint covers.
    fn size(&self) -> u64;

    /// The time of the last of them; `None` before there is one, or while it cannot be read.
    async fn last_at(&self) -> Option<Timestamp>;
}

#[async_trait]
impl LogStatus for SignedLog {
    fn origin(&self) -> String {
        self.key().name().to_owned()
    }

    fn size(&self) -> u64 {
        self.committed().borrow().size
    }

    async fn last_at(&self) -> Option<Timestamp> {
        let before = LogStatus::size(self).checked_sub(1)?;
        // What is wrong with the log is for its health to say, which stands beside this.
        let records = self.records_after(before, 1).await.ok()?;
        Entry::from_bytes(&records.first()?.entry).ok().map(|it| it.at)
    }
}
