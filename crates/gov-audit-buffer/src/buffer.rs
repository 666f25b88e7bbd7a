//! The durable queue between whoever has an event and the sink that will have it.
//!
//! ```text
//! append ─▶ Writer (group commit) ─▶ audit-buffer.db ─▶ waiting ─▶ sink ─▶ acknowledge ─▶ release
//! ```

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use gov_core::{AuditEvent, Clock, SystemClock};
use gov_store::{
    lock::{FileLock, FileLockError},
    sqlite::{Database, DatabaseOptions, OpenError, ReadError, Readers, Sync, WriteError, Writer},
};
use parking_lot::Mutex;
use tokio::sync::watch;

use crate::{
    BufferId, EncodedEvent, Outgoing,
    cloud_event::EncodeError,
    store::sqlite::{self, State},
};

pub(crate) mod drain;

/// What an append's acknowledgement promises.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// Survives a killed process.
    Spooled,
    /// Survives power loss.
    #[default]
    Durable,
}

/// How a buffer works.
#[derive(Clone, Debug)]
pub struct BufferConfig {
    /// The node that events come from: a part of each event.
    pub node: String,
    /// At most this many events.
    pub max_rows: u64,
    /// At most this many bytes of events.
    pub max_bytes: u64,
}

impl Default for BufferConfig {
    /// Node `local`, 10 million events, 4 GiB.
    fn default() -> Self {
        Self { node: "local".to_owned(), max_rows: 10_000_000, max_bytes: 4 << 30 }
    }
}

/// Keeps events until a sink has them. Clones share it.
#[derive(Clone, Debug)]
pub struct EventBuffer {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    config: BufferConfig,
    clock: Arc<dyn Clock>,
    writer: Writer,
    readers: Readers,
    // With the lock behind it: it is given back when the file is closed.
    database: Mutex<Option<(Database, FileLock)>>,
    /// As of the last commit.
    state: watch::Sender<State>,
}

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
    /// The file cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// What it says about itself cannot be read.
    #[error("cannot read the state of buffer `{}`", path.display())]
    State {
        /// The file.
        path: PathBuf,
        /// What failed.
        source: rusqlite::Error,
    },
}

/// Why an event is not known to be kept.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AppendError {
    /// It could not even be written down.
    #[error(transparent)]
    Unencodable(#[from] EncodeError),
    /// The buffer was closed; nothing was kept.
    #[error("the audit buffer is closed")]
    Closed,
    /// The file cannot be written.
    #[error("the audit buffer cannot be written")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + std::marker::Sync>),
}

/// Why the buffer could not be read or moved on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BufferError {
    /// It was closed.
    #[error("the audit buffer is closed")]
    Closed,
    /// The file cannot be read or written; trying again may help.
    #[error("the audit buffer is unavailable")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + std::marker::Sync>),
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
    /// Does blocking I/O. Install the metrics recorder before.
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
        let state = first_state(path, BufferId::at(clock.now()))?;
        let inner = Inner {
            config,
            clock,
            writer,
            readers,
            database: Mutex::new(Some((database, lock))),
            state: watch::Sender::new(state),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Keeps one event, durably, and gives its place.
    ///
    /// # Errors
    ///
    /// As from [`EventBuffer::append`].
    pub async fn enqueue(&self, event: &AuditEvent) -> Result<u64, AppendError> {
        self.append(event, Durability::Durable).await
    }

    /// Keeps one event behind all others, as durably as asked for, and gives its place.
    ///
    /// # Errors
    ///
    /// [`AppendError`].
    pub async fn append(
        &self,
        event: &AuditEvent,
        durability: Durability,
    ) -> Result<u64, AppendError> {
        let event = EncodedEvent::of(event, &self.inner.config.node)?;
        let sync = match durability {
            Durability::Spooled => Sync::Spooled,
            Durability::Durable => Sync::Full,
        };
        let bytes = event.json.len() as u64;
        let seq = self.inner.writer.write(sync, move |tx| sqlite::append(tx, &event)).await?;
        self.inner.state.send_modify(|state| {
            state.last = state.last.max(seq);
            state.rows += 1;
            state.bytes += bytes;
        });
        Ok(seq)
    }

    /// How many events wait for the sink.
    #[must_use]
    pub fn len(&self) -> u64 {
        let state = *self.inner.state.borrow();
        state.last.saturating_sub(state.acked)
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

    /// The next events that the sink has not got, in order.
    ///
    /// # Errors
    ///
    /// [`BufferError`]; a read can always be tried again.
    pub async fn peek(&self, limit: u32) -> Result<Vec<Outgoing>, BufferError> {
        let acked = self.inner.state.borrow().acked;
        let read =
            move |connection: &rusqlite::Connection| sqlite::events_after(connection, acked, limit);
        Ok(self.inner.readers.read(read).await?)
    }

    /// Marks everything up to `seq` as kept by the sink, and deletes it.
    ///
    /// # Errors
    ///
    /// [`BufferError`]: unknown whether it happened; repeating is safe.
    pub async fn acknowledge(&self, seq: u64) -> Result<(), BufferError> {
        let job = move |tx: &rusqlite::Transaction<'_>| {
            sqlite::acknowledge(tx, seq)?;
            sqlite::release(tx, seq)?;
            sqlite::state(tx)
        };
        let state = self.inner.writer.write(Sync::Full, job).await?;
        self.inner.state.send_modify(|it| *it = state);
        Ok(())
    }

    /// Takes no more events, waits for those that are being written, and closes the file.
    pub async fn close(&self) {
        let database = self.inner.database.lock().take();
        if let Some((database, lock)) = database {
            database.close().await;
            drop(lock);
        }
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

/// Opens the state before the doors open: through SQLite, on a connection of its own.
fn first_state(path: &Path, fresh: BufferId) -> Result<State, OpenBufferError> {
    let read = || {
        let connection = rusqlite::Connection::open(path)?;
        sqlite::open(&connection, fresh)
    };
    read().map_err(|source| OpenBufferError::State { path: path.to_owned(), source })
}

impl From<WriteError<rusqlite::Error>> for AppendError {
    fn from(error: WriteError<rusqlite::Error>) -> Self {
        match error {
            WriteError::Closed => Self::Closed,
            other => Self::Unavailable(Box::new(other)),
        }
    }
}

impl From<WriteError<rusqlite::Error>> for BufferError {
    fn from(error: WriteError<rusqlite::Error>) -> Self {
        match error {
            WriteError::Closed => Self::Closed,
            other => Self::Unavailable(Box::new(other)),
        }
    }
}

impl From<ReadError<rusqlite::Error>> for BufferError {
    fn from(error: ReadError<rusqlite::Error>) -> Self {
        match error {
            ReadError::Closed => Self::Closed,
            other => Self::Unavailable(Box::new(other)),
        }
    }
}
