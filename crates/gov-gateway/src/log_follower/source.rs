//! What is followed.

use std::fmt;

use async_trait::async_trait;
use gov_deferred_audit::{
    SignedLog,
    signed_log::{EpochExtent, ReadLogError, StoredRecord},
};

/// A log of epochs. The signed log is the one that counts; a test hands in one that fails.
#[async_trait]
pub trait RecordSource: fmt::Debug + Send + Sync {
    /// Looks at what other processes appended, who cannot wake this one.
    async fn refresh(&self) -> Result<(), ReadLogError>;

    /// Every epoch there is, the first first; what is written now is the last.
    async fn epochs(&self) -> Result<Vec<EpochExtent>, ReadLogError>;

    /// At most `limit` records of `epoch` after `seq`, in order.
    async fn records_of(
        &self,
        epoch: u64,
        seq: u64,
        limit: u64,
    ) -> Result<Vec<StoredRecord>, ReadLogError>;
}

#[async_trait]
impl RecordSource for SignedLog {
    async fn refresh(&self) -> Result<(), ReadLogError> {
        self.refresh().await.map(drop)
    }

    async fn epochs(&self) -> Result<Vec<EpochExtent>, ReadLogError> {
        self.epochs().await
    }

    async fn records_of(
        &self,
        epoch: u64,
        seq: u64,
        limit: u64,
    ) -> Result<Vec<StoredRecord>, ReadLogError> {
        self.records_of(epoch, seq, limit).await
    }
}
