//! The durable queue between whoever has an event and the sink that will have it.
//!
//! ```text
//! append ─▶ Writer (group commit) ─▶ audit-buffer.db ─▶ waiting ─▶ sink ─▶ acknowledge ─▶ release
//! ```
//! Start reading here, then `buffer/intake.rs` (how events come in), `buffer/outlet.rs` (how they
//! leave) and `buffer/shed.rs` (what happens when there is no room).

mod append;
mod batch;
mod config;
mod dead_letter;
pub(crate) mod drain;
mod error;
mod gap;
mod hand;
mod intake;
mod limits;
mod outlet;
mod shed;
mod status;

use std::{
    io,
    path::{Path, PathBuf},
    sync::{Arc, atomic::AtomicU64, mpsc},
};

use gov_core::{Clock, SystemClock};
use gov_store::{
    lock::{FileLock, FileLockError},
    sqlite::{Database, DatabaseOptions, Readers, Sync, WriteError, Writer},
};
use parking_lot::Mutex;
use tokio::sync::{oneshot, watch};

pub use self::{
    append::{Appended, MAX_EVENT_BYTES},
    config::{BufferConfig, Durability, Overflow},
    dead_letter::{DeadLetter, Letters},
    drain::MAX_REFUSALS,
    error::{AppendError, BufferError, Cause, OpenBufferError, Space},
    gap::GapReason,
    outlet::{MAX_BATCH, MAX_BATCH_BYTES, Rewound},
    status::{BufferCounts, BufferStatus},
};
use self::{
    drain::Drains, error::JobError, hand::Hand, intake::Intake, limits::Limits, shed::Shed,
    status::Counters,
};
use crate::{
    BufferId,
    store::sqlite::{self, Books, State},
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
    writer: Writer,
    readers: Readers,
    // With the lock behind it: it is given back when the file is closed.
    database: Mutex<Option<(Database, FileLock)>>,
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
        let lock = lock(path)?;
        let mut options = DatabaseOptions::new("audit_buffer");
        options.incremental_vacuum = true;
        let database = Database::open(path, &options, &[&sqlite::COMPONENT], clock.now())?;
        let (writer, readers) = (database.writer.clone(), database.readers.clone());
        let (state, attempted) = first_state(path, &writer, BufferId::at(clock.now()))?;
        let inner = Inner {
            limits: Limits::of(&config),
            config,
            clock,
            writer,
            readers,
            database: Mutex::new(Some((database, lock))),
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
        self.inner.close_intake();
        let database = self.inner.database.lock().take();
        if let Some((database, lock)) = database {
            database.close().await;
            drop(lock);
        }
        self.inner.abandon();
    }
}

impl Inner {
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
            let outcome = outcome.map(|(outcome, state)| {
                inner.state.send_replace(state);
                outcome
            });
            drop(tell.send(outcome));
        };
        self.writer.submit(sync, run, done)?;
        told.await.unwrap_or(Err(WriteError::Closed))
    }
}

/// By a file of its own: no other descriptor of the buffer's file may ever be closed.
fn lock(path: &Path) -> Result<FileLock, OpenBufferError> {
    let path_of_lock = beside(path, ".lock");
    FileLock::acquire(&path_of_lock).map_err(|error| match error {
        FileLockError::Held { holder } => OpenBufferError::Held { path: path.to_owned(), holder },
        FileLockError::Io(source) => OpenBufferError::Lock { path: path.to_owned(), source },
        other => OpenBufferError::Lock { path: path.to_owned(), source: io::Error::other(other) },
    })
}

/// The file of the same name with `ending` behind it.
fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

/// Reads the state before the doors open, and the number up to which whoever had the file before
/// may have handed events out.
fn first_state(
    path: &Path,
    writer: &Writer,
    fresh: BufferId,
) -> Result<(State, u64), OpenBufferError> {
    let failed = |source| OpenBufferError::State { path: path.to_owned(), source };
    let (tell, told) = mpsc::sync_channel(1);
    let job = move |tx: &rusqlite::Transaction<'_>| {
        sqlite::name(tx, fresh)?;
        let state = Books::open(tx)?.state;
        let attempted = sqlite::window(tx, state.acked, MAX_BATCH)?;
        Ok::<_, rusqlite::Error>((state, attempted.unwrap_or(state.acked)))
    };
    writer
        .submit(Sync::Full, job, move |outcome| drop(tell.send(outcome)))
        .map_err(|error| failed(Arc::new(error)))?;
    let outcome = told.recv().map_err(|error| failed(Arc::new(error)))?;
    outcome.map_err(|error| failed(Arc::new(error)))
}
