//! The signed log that a refusal cannot escape.

pub mod entry;
pub mod epoch;
#[cfg(feature = "sqlite")]
pub mod export;
pub mod outside_copy;
pub mod payload_file;
pub mod record;
#[cfg(feature = "sqlite")]
pub mod signed_log;
pub mod signer;
pub mod sink;
pub mod store;
pub mod tlog;
pub mod verify;

#[cfg(feature = "sqlite")]
pub use crate::signed_log::{LogConfig, OpenError, SignedLog, SqliteSignedEventsSink};
pub use crate::{
    record::{LogRecord, TooLarge, Verdict},
    sink::{AppendOutcome, DeferredAuditSink},
};
