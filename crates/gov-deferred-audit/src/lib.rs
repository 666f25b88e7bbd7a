#![doc = include_str!("../README.md")]

#[cfg(any(feature = "sqlite", feature = "postgres"))]
pub mod dead_letter;
mod drainer;
pub mod entry;
pub mod epoch;
pub mod event;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
pub mod export;
pub mod feed;
#[cfg(feature = "sqlite")]
pub mod install;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
pub mod lookup;
pub mod metrics;
pub mod outside_copy;
pub mod payload_file;
pub mod pruned;
pub mod queue;
#[cfg(feature = "test-util")]
pub mod read_back;
pub mod record;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
pub mod signed_log;
pub mod signer;
pub mod sink;
mod spool;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
pub mod store;
pub mod supervisor;
pub mod tlog;
pub mod verify;

#[cfg(any(feature = "sqlite", feature = "postgres"))]
pub use crate::dead_letter::{DeadLetter, DeadLetterError, DeadLetters};
#[cfg(feature = "sqlite")]
pub use crate::install::{InstallError, InstalledDrainer, install_deferred_audit_drainer};
#[cfg(feature = "sqlite")]
pub use crate::signed_log::LogConfig;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
pub use crate::signed_log::{
    LogHead, LogPlaces, OpenError, SignedEventsSink, SignedLog, SqliteSignedEventsSink,
};
pub use crate::{
    event::{DeferredAuditEvent, GOVERNANCE_REFUSAL_EVENT_TYPE},
    feed::{
        Feed, FeedError, FeedFollower, FeedRow, FollowError, FollowReport, FollowerConfig,
        FollowerHandle,
    },
    metrics::{Balance, DeferredAuditMetrics, drain_pending},
    queue::{
        Committed, DeferredAuditQueue, DeferredAuditReceiver, Durability, OpenQueueError,
        QueueConfig, SubmitError,
    },
    record::{LogRecord, TooLarge, Verdict},
    sink::{AppendOutcome, DeferredAuditSink},
    spool::{SpoolLimits, recover::OpenSpoolError},
    supervisor::{
        DEFAULT_SHUTDOWN_DRAIN_TIMEOUT, Flushed, Supervisor, close_and_flush,
        close_and_flush_within, spawn_drainer_task, spawn_supervised_drainer,
    },
};
