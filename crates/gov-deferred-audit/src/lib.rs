//! The signed log that a refusal cannot escape.

pub mod record;
pub mod sink;

pub use crate::{
    record::{LogRecord, TooLarge, Verdict},
    sink::{AppendOutcome, DeferredAuditSink},
};
