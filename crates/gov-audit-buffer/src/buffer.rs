//! The durable queue between whoever has an event and the sink that will have it.
//!
//! ```text
//! append ─▶ Writer (group commit) ─▶ audit-buffer.db ─▶ waiting ─▶ sink ─▶ acknowledge ─▶ release
//! ```
//! Start reading here, then `buffer/intake.rs` (how events come in), `buffer/outlet.rs` (how they
//! leave) and `buffer/shed.rs` (what happens when there is no room).

mod answer;
mod append;
mod batch;
mod config;
mod dead_letter;
mod disk;
pub(crate) mod drain;
mod error;
mod file;
mod gap;
mod hand;
mod intake;
mod limits;
mod outlet;
mod repair;
pub(crate) mod set_aside;
mod shed;
#[cfg(test)]
mod staged;
mod status;

use std::{
    path::Path,
    sync::{Arc, atomic::AtomicU64},
};

use gov_core::{Clock, SystemClock};
use gov_store::sqlite::{Sync, WriteError};
use parking_lot::{Mutex, RwLock};
use tokio::sync::{oneshot, watch};

pub use self::{
    append::{Appended, MAX_EVENT_BYTES},
    config::{BufferConfig, Durability, Overflow},
    dead_letter::{DeadLetter, Letters},
    drain::MAX_REFUSALS,
    error::{AppendError, BufferError, Cause, OpenBufferError, Space},
    gap::GapReason,
    outlet::{MAX_BATCH, MAX_BATCH_BYTES, Rewound},
    repair::TakeOverError,
    set_aside::CRASH_POINTS,
    status::{BufferCounts, BufferStatus},
};
use self::{
    disk::Disk,
    drain::Drains,
    error::JobError,
    file::{OpenFile, Opened},
    hand::Hand,
    intake::Intake,
    limits::Limits,
    shed::Shed,
    status::Counters,
};
use crate::{
    BufferId,
    store::sqlite::{Books, State},
};

/// Keeps events until a sink has them. Clones share it.
#[derive(Clone, Debug)]
pub struct EventBuffer {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    config: BufferConfig,
    limits: Limits,
    clock: Arc<dyn Clock>,
    disk: Disk,
    /// Exchanged when it turns out corrupt.
    file: RwLock<Arc<OpenFile>>,
    /// Held by who repairs or closes.
    repairs: Arc<tokio::sync::Mutex<()>>,
    /// As of the last commit; only the writer's thread changes it.
    state: watch::Sender<State>,
    intake: Mutex<Intake>,
    hand: Arc<Hand>,
    shed: Mutex<Shed>,
    /// The highest number that was given to an event which goes past the buffer.
    handed_out: AtomicU64,
    counters: Counters,
    drains: Drains,
}

impl EventBuffer {
    /// Opens the buffer in the file `path` for at most `capacity` events, by the system's clock.
    ///
    /// Does blocking I/O.
    ///
    /// # Errors
    ///
    /// As from [`EventBuffer::open`].
    pub fn new(path: impl AsRef<Path>, capacity: u64) -> Result<Self, OpenBufferError> {
        let config = BufferConfig { max_rows: capacity, ..BufferConfig::default() };
        Self::open(path.as_ref(), config, Arc::new(SystemClock))
    }

    /// Opens the buffer in the file `path`, made if it is missing.
    ///
    /// Does blocking I/O, and no more of it for a million events than for none. Install the metrics
    /// recorder before.
    ///
    /// # Errors
    ///
    /// [`OpenBufferError`].
    pub fn open(
        path: &Path,
        config: BufferConfig,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, OpenBufferError> {
        let disk = Disk::open(path, config.ballast_bytes)?;
        let Opened { file, state, attempted } = repair::open(&disk, &config.node, clock.now())?;
        let inner = Inner {
            limits: Limits::of(&config),
            config,
            clock,
            disk,
            file: RwLock::new(Arc::new(file)),
            repairs: Arc::default(),
            state: watch::Sender::new(state),
            intake: Mutex::default(),
            hand: Arc::new(Hand::new(attempted)),
            shed: Mutex::default(),
            handed_out: AtomicU64::new(0),
            counters: Counters::default(),
            drains: Drains::new(),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// How many events wait for the sink.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.inner.state.borrow().waiting()
    }

    /// Whether nothing waits for the sink.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The name of the file, as sinks know it.
    #[must_use]
    pub fn id(&self) -> BufferId {
        self.inner.state.borrow().buffer_id
    }

    /// Takes no more events, waits for those that are being written, and closes the file.
    pub async fn close(&self) {
        if let Err(error) = self.write_gaps().await {
            let error = &error as &dyn std::error::Error;
            tracing::error!(error, "what was refused is not written down");
        }
        // Not while somebody exchanges the file.
        let _turn = self.inner.repairs.lock().await;
        self.inner.close_intake();
        self.inner.file().close().await;
        self.inner.abandon();
        self.inner.disk.unlock();
    }
}

impl Inner {
    fn file(&self) -> Arc<OpenFile> {
        Arc::clone(&self.file.read())
    }

    /// Runs `job` on a connection that cannot write.
    async fn read<T: Send + 'static>(
        &self,
        job: impl FnOnce(&rusqlite::Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, BufferError> {
        let outcome = self.file().readers.read(job).await;
        if let Err(error) = &outcome {
            self.disk.note_damage(error);
        }
        Ok(outcome?)
    }

    /// Runs `job` on the writer's thread, in the next transaction, and makes the state known that
    /// it leaves.
    async fn change<T: Send + 'static>(
        self: &Arc<Self>,
        sync: Sync,
        job: impl FnOnce(&mut Books<'_>) -> Result<T, JobError> + Send + 'static,
    ) -> Result<T, WriteError<JobError>> {
        let (tell, told) = oneshot::channel();
        let inner = Arc::clone(self);
        let run = move |tx: &rusqlite::Transaction<'_>| {
            let mut books = Books::open(tx)?;
            let outcome = job(&mut books)?;
            Ok((outcome, books.close()?))
        };
        // Here and not in the caller: it may have gone away, and commits are told in their order.
        let done = move |outcome: Result<(T, State), WriteError<JobError>>| {
            let outcome = match outcome {
                Ok((outcome, state)) => {
                    inner.state.send_replace(state);
                    Ok(outcome)
                }
                Err(error) => {
                    inner.disk.note(&error);
                    inner.shed.lock().forget();
                    Err(error)
                }
            };
            // Before anybody hears of it: who drops the buffer then has given the file back.
            drop(inner);
            drop(tell.send(outcome));
        };
        self.file().writer.submit(sync, run, done)?;
        told.await.unwrap_or(Err(WriteError::Closed))
    }
}
