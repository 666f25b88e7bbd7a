//! The signed log that a refusal cannot escape.

pub mod entry;
pub mod epoch;
pub mod outside_copy;
pub mod record;
pub mod signer;
pub mod sink;
pub mod store;
pub mod tlog;

pub use crate::{
    record::{LogRecord, TooLarge, Verdict},
    sink::{AppendOutcome, DeferredAuditSink},
};
