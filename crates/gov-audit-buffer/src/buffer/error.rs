//! What can go wrong, by what the caller does next.

use std::{fmt, io, path::PathBuf, sync::Arc};

use gov_store::sqlite::{OpenError, ReadError, WriteError};

use crate::cloud_event::EncodeError;

/// A failure below, shared by everyone whom it met.
pub type Cause = Arc<dyn std::error::Error + Send + Sync>;

/// Why a buffer could not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenBufferError {
    /// Another process has this buffer. Stop it, or name another file.
    #[error("audit buffer `{}` is in use by {holder}; stop it, or name another file", path.display())]
    Held {
        /// The file.
        path: PathBuf,
        /// `process <pid>`, or `another process` while it is not yet written down.
        holder: String,
    },
    /// The lock file beside the buffer cannot be opened, locked or written.
    #[error("cannot lock audit buffer `{}`", path.display())]
    Lock {
        /// The buffer's file.
        path: PathBuf,
        /// What failed.
        source: io::Error,
    },
    /// The file is corrupt, and a fresh one cannot take its place.
    #[error("audit buffer `{}` is corrupt and cannot be put aside", path.display())]
    SetAside {
        /// The file.
        path: PathBuf,
        /// What failed.
        source: Cause,
    },
    /// The file cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// What it says about itself cannot be read.
    #[error("cannot read the state of buffer `{}`", path.display())]
    State {
        /// The file.
        path: PathBuf,
        /// What failed.
        source: Cause,
    },
}

/// What there is not enough of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Space {
    /// As many events wait as may.
    Rows,
    /// As many bytes wait as may.
    Bytes,
    /// The disk is full.
    Disk,
}

/// Why an event is not known to be kept.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AppendError {
    /// There is no room, nor did any come in time. Nothing was kept; a later `audit.gap` says so.
    /// Try again once the sink has caught up.
    #[error("the audit buffer is full: {missing}")]
    Full {
        /// What there is not enough of.
        missing: Space,
    },
    /// The event is too large for any sink. Nothing was kept: shorten it and say so in it.
    #[error("the event must be at most {limit} bytes; received {got}")]
    TooLarge {
        /// The limit in bytes: of the payload, or of the event as it is sent.
        limit: usize,
        /// What it has.
        got: usize,
    },
    /// Events of a source do not come in its order. Nothing was kept.
    #[error("events of source `{source_name}` must rise from above {after}; received {seq}")]
    OutOfOrder {
        /// The source.
        source_name: String,
        /// The number that is not above the one before.
        seq: u64,
        /// The one before.
        after: u64,
    },
    /// It could not even be written down: a mistake of the program.
    #[error("the event has no JSON form")]
    Unencodable(#[source] Arc<EncodeError>),
    /// So many wait to be written already. Nothing was kept; try again later, or refuse.
    #[error("{limit} events wait to be written already; try again later")]
    Busy {
        /// How many may.
        limit: usize,
    },
    /// The buffer was closed; nothing was kept.
    #[error("the audit buffer is closed")]
    Closed,
    /// The file cannot be written; nothing was kept.
    #[error("the audit buffer cannot be written")]
    Unavailable(#[source] Cause),
    /// The file failed while it was written, repeatedly: whether the event is kept is unknown.
    #[error("the audit buffer failed; whether the event is kept is unknown")]
    Unknown(#[source] Cause),
}

/// Why the buffer could not be read or moved on.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BufferError {
    /// Nothing waits under this number, or something waits before it.
    #[error("event {seq} is not the next one that waits")]
    NotNext {
        /// The number.
        seq: u64,
    },
    /// A record of what happened could not be written down: a mistake of the program.
    #[error("the event has no JSON form")]
    Unencodable(#[source] Arc<EncodeError>),
    /// It was closed.
    #[error("the audit buffer is closed")]
    Closed,
    /// The file cannot be read or written; trying again may help.
    #[error("the audit buffer is unavailable")]
    Unavailable(#[source] Cause),
}

/// What makes a job fail on the writer's thread.
#[derive(Debug, thiserror::Error)]
pub(super) enum JobError {
    #[error(transparent)]
    Sqlite(#[from] rusqlite::Error),
    #[error(transparent)]
    Encode(#[from] EncodeError),
    #[error("event {0} is not the next one that waits")]
    NotNext(u64),
    #[error("no room: {0}")]
    Full(Space),
}

impl fmt::Display for Space {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Rows => "as many events wait as may",
            Self::Bytes => "as many bytes wait as may",
            Self::Disk => "the disk has no room",
        })
    }
}

impl From<EncodeError> for AppendError {
    fn from(error: EncodeError) -> Self {
        Self::Unencodable(Arc::new(error))
    }
}

impl From<WriteError<JobError>> for AppendError {
    fn from(error: WriteError<JobError>) -> Self {
        match error {
            WriteError::Closed => Self::Closed,
            WriteError::Full { limit } => Self::Busy { limit },
            WriteError::Job(JobError::Full(missing)) => Self::Full { missing },
            WriteError::Job(JobError::Encode(error)) => error.into(),
            WriteError::Commit(source) => Self::Unknown(source),
            other => Self::Unavailable(Arc::new(other)),
        }
    }
}

impl From<WriteError<JobError>> for BufferError {
    fn from(error: WriteError<JobError>) -> Self {
        match error {
            WriteError::Closed => Self::Closed,
            WriteError::Job(JobError::NotNext(seq)) => Self::NotNext { seq },
            WriteError::Job(JobError::Encode(error)) => Self::Unencodable(Arc::new(error)),
            other => Self::Unavailable(Arc::new(other)),
        }
    }
}

impl From<ReadError<rusqlite::Error>> for BufferError {
    fn from(error: ReadError<rusqlite::Error>) -> Self {
        match error {
            ReadError::Closed => Self::Closed,
            other => Self::Unavailable(Arc::new(other)),
        }
    }
}
