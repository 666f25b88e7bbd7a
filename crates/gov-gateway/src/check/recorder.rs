//! Who keeps the records of blocking answers.

use std::fmt;

use async_trait::async_trait;
use gov_core::{RecordId, payload::SealError};
use gov_deferred_audit::{Committed, DeferredAuditQueue, Durability, LogRecord, SubmitError};

use crate::config::RefusalDurability;

/// Keeps one record, or says why it cannot. The signed log's queue is the one that counts; a test
/// hands in one that fails.
#[async_trait]
pub trait Recorder: fmt::Debug + Send + Sync {
    /// Keeps the record as `durability` says, before it returns.
    async fn record(
        &self,
        record: LogRecord,
        durability: RefusalDurability,
    ) -> Result<Recorded, RecorderError>;
}

/// How a record is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recorded {
    /// Fsynced in the signed log.
    InLog {
        /// The record.
        id: RecordId,
        /// Its sequence number, from 1.
        seq: u64,
    },
    /// Fsynced in the signed log by the follower of a history, which does not say where.
    Logged {
        /// The record.
        id: RecordId,
    },
    /// A killed process does not lose it, and the log has it soon.
    Spooled {
        /// The record.
        id: RecordId,
    },
    /// Fsynced, whole, among the dead letters: the log could not hold it.
    DeadLettered {
        /// The record.
        id: RecordId,
    },
}

/// The record is not kept.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecorderError {
    /// It could not even be written down.
    #[error(transparent)]
    Unsealed(#[from] SealError),
    /// The queue did not take it.
    #[error(transparent)]
    NotTaken(Box<dyn std::error::Error + Send + Sync>),
}

#[async_trait]
impl Recorder for DeferredAuditQueue {
    async fn record(
        &self,
        record: LogRecord,
        durability: RefusalDurability,
    ) -> Result<Recorded, RecorderError> {
        let submitted = match durability {
            RefusalDurability::Durable => self
                .submit_durable(record)
                .await
                .map(|Committed { id, seq }| Recorded::InLog { id, seq }),
            RefusalDurability::Spooled => {
                self.try_submit(record, Durability::Spooled).map(|id| Recorded::Spooled { id })
            }
        };
        submitted.or_else(|error| match error {
            // Both are fsynced, whole; only the log's own commit is missing.
            SubmitError::Deferred { id } => Ok(Recorded::Spooled { id }),
            SubmitError::DeadLettered { id } => Ok(Recorded::DeadLettered { id }),
            other => Err(RecorderError::NotTaken(Box::new(other))),
        })
    }
}
