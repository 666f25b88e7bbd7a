//! The signed log that a refusal cannot escape.

pub mod entry;
pub mod record;
pub mod sink;
pub mod tlog;

pub use crate::{
    record::{LogRecord, TooLarge, Verdict},
    sink::{AppendOutcome, DeferredAuditSink},
};
