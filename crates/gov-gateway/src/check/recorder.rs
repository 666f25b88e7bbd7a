//! Who keeps the records of blocking answers.

use std::{fmt, time::Duration};

use async_trait::async_trait;
use gov_core::{RecordId, payload::SealError};
use gov_deferred_audit::{
    Committed, DeferredAuditQueue, Durability, LogRecord, SignedLog, SubmitError,
};

use crate::config::RefusalDurability;

/// How long nothing may enter the log before those who wait for it are told so: a moment's lock is
/// no trouble.
const PATIENCE: Duration = Duration::from_secs(1);

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
    /// The log takes nothing at the moment, which its health says too.
    #[error("the signed log cannot be written now: {0}; the record waits for it")]
    Waiting(String),
    /// The queue did not take it.
    #[error(transparent)]
    NotTaken(Box<dyn std::error::Error + Send + Sync>),
}

/// The signed log and the queue before it.
///
/// A durable record waits for the log while that works. While it does not, nobody is held up until
/// their request has timed out: they are told at once, and the record stays in the queue.
#[derive(Debug)]
pub struct LogRecorder {
    queue: DeferredAuditQueue,
    log: SignedLog,
}

impl LogRecorder {
    /// Records into `log`, which is drained from `queue`.
    #[must_use]
    pub fn new(queue: DeferredAuditQueue, log: SignedLog) -> Self {
        Self { queue, log }
    }

    async fn durably(&self, record: LogRecord) -> Result<Recorded, RecorderError> {
        tokio::select! {
            // What is handed over stays so: first, that each record is.
            biased;
            submitted = self.queue.submit_durable(record) => {
                let recorded = submitted.map(|Committed { id, seq }| Recorded::InLog { id, seq });
                recorded.or_else(not_in_log)
            }
            why = self.log.failing_for(PATIENCE) => Err(RecorderError::Waiting(why)),
        }
    }
}

#[async_trait]
impl Recorder for LogRecorder {
    async fn record(
        &self,
        record: LogRecord,
        durability: RefusalDurability,
    ) -> Result<Recorded, RecorderError> {
        match durability {
            RefusalDurability::Durable => self.durably(record).await,
            RefusalDurability::Spooled => {
                let spooled = self.queue.try_submit(record, Durability::Spooled);
                spooled.map(|id| Recorded::Spooled { id }).or_else(not_in_log)
            }
        }
    }
}

fn not_in_log(error: SubmitError) -> Result<Recorded, RecorderError> {
    match error {
        // Both are fsynced, whole; only the log's own commit is missing.
        SubmitError::Deferred { id } => Ok(Recorded::Spooled { id }),
        SubmitError::DeadLettered { id } => Ok(Recorded::DeadLettered { id }),
        other => Err(RecorderError::NotTaken(Box::new(other))),
    }
}
