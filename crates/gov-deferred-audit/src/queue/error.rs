//! Why a record was not taken, or is not in the log.

use std::io;

use gov_core::{RecordId, payload::SealError};

use crate::record::TooLarge;

/// The record is not in the log now. What requires a record must not go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SubmitError {
    /// The queue is closed, or its drainer has given up: ask its health.
    #[error("the audit queue is closed")]
    Closed,
    /// A bound is reached: try again when the drainer has caught up.
    #[error("the audit queue is full: at most {limit} {what}; try again later")]
    Full {
        /// What is counted: `records in memory`, `bytes in memory` or `bytes in the spool`.
        what: &'static str,
        /// The bound.
        limit: u64,
    },
    /// A part is too large: shorten it.
    #[error("`{what}` must be at most {limit}; received {got}")]
    TooLarge {
        /// Which field.
        what: &'static str,
        /// Its limit.
        limit: u64,
        /// What was received.
        got: u64,
    },
    /// The spool could not be written; nothing of the record remains in it.
    #[error("the spool cannot be written")]
    Spool(#[source] io::Error),
    /// The event could not become a record.
    #[error("the event cannot become a record")]
    Seal(#[from] SealError),
    /// The record was taken, and the log cannot hold it: it lies in the dead letters, whole.
    #[error("`{id}` could not be appended and lies in the dead letters")]
    DeadLettered {
        /// The record.
        id: RecordId,
    },
    /// The record was taken, and the queue ended first: it lies in the spool, fsynced, and is
    /// appended at the next start.
    #[error("`{id}` is in the spool and will be appended at the next start")]
    Deferred {
        /// The record.
        id: RecordId,
    },
    /// The record was taken, and what became of it is unknown.
    #[error("what became of `{id}` is unknown: the queue was dropped")]
    Unknown {
        /// The record.
        id: RecordId,
    },
}

impl From<TooLarge> for SubmitError {
    fn from(TooLarge { what, limit, got }: TooLarge) -> Self {
        Self::TooLarge { what, limit, got }
    }
}

/// The queue cannot be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenQueueError {
    /// Its spool cannot be opened.
    #[error(transparent)]
    Spool(#[from] crate::spool::recover::OpenSpoolError),
    /// The spool is damaged, and the record that says so could not be written.
    #[error("cannot record the damage of the spool")]
    Gap(#[source] SubmitError),
}
