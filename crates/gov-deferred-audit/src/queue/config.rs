//! What a queue is told when it is opened.

use std::path::PathBuf;

use crate::spool::SpoolLimits;

/// What a submit waits for, and so what it promises.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// The log's own commit is what makes it durable: no frame in the spool. Only
    /// [`submit_durable`](crate::DeferredAuditQueue::submit_durable) waits for that commit; a
    /// submit that does not wait promises no more than [`Durability::Memory`] does.
    Durable,
    /// The frame is in the kernel's hands: it survives `kill -9`, and it is fsynced within the
    /// flush interval if it is not in the log by then.
    Spooled,
    /// It is in this process's memory and dies with it.
    Memory,
}

/// Where the queue keeps things and how it is bounded.
#[derive(Clone, Debug)]
pub struct QueueConfig {
    /// The spool's file; its later segments lie beside it with a number at the end.
    pub spool: PathBuf,
    /// Where damaged ranges of the spool, and records that no sink takes, are kept.
    pub quarantine: PathBuf,
    /// What [`submit`](crate::DeferredAuditQueue::submit) promises.
    pub durability: Durability,
    /// The spool's bounds.
    pub limits: SpoolLimits,
    /// At most this many records without a frame wait in memory; then `Full`.
    pub max_memory_records: u64,
    /// At most this many bytes of records without a frame wait in memory; then `Full`.
    pub max_memory_bytes: u64,
    /// At most this many spooled records are also held in memory; beyond, the drainer reads them
    /// back from the spool.
    pub max_cached_records: u64,
    /// At most this many bytes of spooled records are also held in memory.
    pub max_cached_bytes: u64,
    /// At most this many records are handed to the sink at once.
    pub max_batch_records: usize,
    /// A batch that has reached so many bytes takes no further record.
    pub max_batch_bytes: u64,
}

impl QueueConfig {
    /// The usual bounds, with the files in `dir`: `audit-log.spool` and `quarantine/`.
    #[must_use]
    pub fn in_dir(dir: impl Into<PathBuf>) -> Self {
        let dir = dir.into();
        Self {
            spool: dir.join("audit-log.spool"),
            quarantine: dir.join("quarantine"),
            durability: Durability::Spooled,
            limits: SpoolLimits::default(),
            max_memory_records: 100_000,
            max_memory_bytes: 64 * 1024 * 1024,
            max_cached_records: 20_000,
            max_cached_bytes: 16 * 1024 * 1024,
            max_batch_records: 256,
            max_batch_bytes: 8 * 1024 * 1024,
        }
    }
}
