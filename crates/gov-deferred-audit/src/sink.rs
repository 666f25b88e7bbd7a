//! Where the drainer puts what was submitted.

use std::fmt;

use async_trait::async_trait;

use crate::record::LogRecord;

/// What became of one record. Either way it is kept, durably.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum AppendOutcome {
    /// It is in the log.
    Appended {
        /// Its sequence number: from 1, without gaps; the tree's index is one less.
        seq: u64,
    },
    /// It cannot enter the log and lies, whole, in the dead-letter table.
    DlqLanded,
}

/// Takes records in batches.
#[async_trait]
pub trait DeferredAuditSink: fmt::Debug + Send {
    /// Keeps every record of the batch and says what became of each, in the batch's order.
    ///
    /// Idempotent by record id: a record that is there already answers with its first `seq`, also
    /// when it comes twice in one batch. What is busy, locked or failing is tried again until it
    /// works, so this may take for ever; it is cancel safe, and a cancelled batch may or may not
    /// have been kept: hand it in again.
    async fn append(&mut self, batch: &[LogRecord]) -> Vec<AppendOutcome>;

    /// Keeps one record, whole, in the dead letters, because `append` panics on it; `None` if this
    /// sink has no dead letters, and then the drainer keeps it in the quarantine directory.
    ///
    /// Idempotent by record id, and a record that the log holds already stays where it is. Busy
    /// and failing stores are tried again, as in `append`.
    async fn dead_letter(&mut self, record: &LogRecord, why: &str) -> Option<AppendOutcome> {
        let _ = (record, why);
        None
    }
}
