//! The whole in one call, for a program that wants the hook and nothing else.

use std::{path::Path, sync::Arc, time::Duration};

use gov_core::{Clock, SystemClock};
use gov_store::lock::{DataDirLock, LockError};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::{
    dead_letter::{AtStart, DeadLetters},
    queue::{DeferredAuditQueue, OpenQueueError, QueueConfig},
    signed_log::{LogConfig, OpenError, SignedLog},
    supervisor::{Flushed, Supervisor, close_and_flush_within, spawn_supervised_drainer},
};

/// How many panics of the sink in a row end an installed drainer.
const MAX_RESTARTS: u32 = 5;

/// A signed log, the queue before it and the tasks between them.
#[derive(Debug)]
pub struct InstalledDrainer {
    queue: DeferredAuditQueue,
    log: SignedLog,
    letters: DeadLetters,
    supervisor: Supervisor,
    stop: CancellationToken,
    copying: JoinHandle<()>,
    replaying: JoinHandle<AtStart>,
    _lock: DataDirLock,
}

/// The drainer cannot be installed; nothing runs.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InstallError {
    /// Another process uses the directory.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The log cannot be opened.
    #[error(transparent)]
    Log(#[from] OpenError),
    /// The spool cannot be opened.
    #[error(transparent)]
    Queue(#[from] OpenQueueError),
}

/// Opens (or creates) the signed log in the directory `path` and drains a queue into it, on the
/// system's clock. What an earlier process left in the spool is appended first, and what lies in the
/// dead letters is handed in again.
///
/// # Errors
///
/// [`InstallError`]: a second process on the directory, a rollback, a key with wide permissions.
pub async fn install_deferred_audit_drainer(
    path: impl AsRef<Path>,
) -> Result<InstalledDrainer, InstallError> {
    let (dir, clock) = (path.as_ref(), Arc::new(SystemClock) as Arc<dyn Clock>);
    let lock = DataDirLock::acquire(dir)?;
    let log = SignedLog::open(LogConfig::in_dir(dir), clock.clone()).await?;
    let config = QueueConfig::in_dir(dir);
    let letters = DeadLetters::new(log.clone(), &config.quarantine);
    let (queue, receiver) = DeferredAuditQueue::open(config, clock)?;
    let (sinks, metrics) = (log.clone(), queue.metrics());
    let make_sink = move || sinks.sink().counting(metrics.clone());
    let supervisor = spawn_supervised_drainer(receiver, make_sink, &queue.metrics(), MAX_RESTARTS);
    let stop = CancellationToken::new();
    let copying = tokio::spawn(log.clone().copy_outside(stop.clone()));
    let replaying = tokio::spawn(letters.clone().replay_at_start(stop.clone()));
    Ok(InstalledDrainer { queue, log, letters, supervisor, stop, copying, replaying, _lock: lock })
}

impl InstalledDrainer {
    /// What hooks submit to; cheap to clone.
    #[must_use]
    pub fn queue(&self) -> &DeferredAuditQueue {
        &self.queue
    }

    /// The log behind it, to read from.
    #[must_use]
    pub fn log(&self) -> &SignedLog {
        &self.log
    }

    /// What the log did not take.
    #[must_use]
    pub fn dead_letters(&self) -> &DeadLetters {
        &self.letters
    }

    /// Drains for at most `bound`, writes the last checkpoint outside, and ends.
    pub async fn close(self, bound: Duration) -> Flushed {
        let flushed = close_and_flush_within(&self.queue, self.supervisor, bound).await;
        self.stop.cancel();
        if self.copying.await.is_err() {
            tracing::error!("the task that copies checkpoints panicked");
        }
        if self.replaying.await.is_err() {
            tracing::error!("the task that replays the dead letters panicked");
        }
        drop(self.letters);
        self.log.close().await;
        flushed
    }
}
