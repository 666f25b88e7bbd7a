//! What a buffer does about its own file: an exchange when it is corrupt, the ballast when the disk
//! is full, and events that are brought back from a file that was put aside.

use std::{
    io,
    path::{Path, PathBuf},
    sync::{Arc, atomic::Ordering},
};

use gov_core::{AuditEvent, Timestamp};
use gov_store::sqlite::Trouble;
use tokio::{runtime::Handle, task};

use super::{
    AppendError, Appended, BufferError, Durability, EventBuffer, Inner,
    disk::Disk,
    error::OpenBufferError,
    file::{OpenFile, Opened},
    set_aside::{self, Lost},
};
use crate::salvage::{Salvage, salvage};

/// So many events are brought back in one transaction.
const CHUNK: usize = 256;

/// Why not everything was brought back from a file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TakeOverError {
    /// The file cannot be read at all.
    #[error("cannot read `{}`", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What failed.
        source: io::Error,
    },
    /// The buffer did not take the next events. Repeating goes on behind those that it has.
    #[error(transparent)]
    Append(#[from] AppendError),
}

/// Opens a buffer's file, or a fresh one in the place of one that is corrupt. Does blocking I/O.
pub(super) fn open(disk: &Disk, node: &str, now: Timestamp) -> Result<Opened, OpenBufferError> {
    let path = disk.path();
    if let Some(corrupt) = set_aside::finish(path)? {
        disk.tell_of(&corrupt);
    }
    let first = OpenFile::open(path, now);
    let trouble = first.as_ref().err().and_then(|error| Trouble::of(error));
    match (first, trouble) {
        (Err(error), Some(Trouble::Damaged)) => {
            tracing::error!(error = &error as &dyn std::error::Error, "the file is corrupt");
            let corrupt = set_aside::set_aside(path, Lost::default(), node, now)?;
            disk.tell_of(&corrupt);
            OpenFile::open(path, now)
        }
        // Even to open a file takes room: for its log and for the log's index.
        (Err(_), Some(Trouble::Full | Trouble::Io)) => {
            disk.make_room();
            OpenFile::open(path, now)
        }
        (first, _) => first,
    }
}

impl EventBuffer {
    /// Looks after the buffer: puts a file aside that turned out corrupt, takes events again once
    /// a full disk has room, and writes down what found none. Whoever ships calls it now and then;
    /// an append that meets trouble does so itself.
    ///
    /// # Errors
    ///
    /// [`BufferError`], as from [`EventBuffer::write_gaps`].
    pub async fn tend(&self) -> Result<(), BufferError> {
        self.inner.look_after().await;
        self.write_gaps().await
    }

    /// Whether events are refused because the disk is full.
    #[must_use]
    pub fn disk_is_full(&self) -> bool {
        self.inner.disk.is_full()
    }

    /// How many corrupt files were put aside since the buffer was opened.
    #[must_use]
    pub fn put_aside(&self) -> u64 {
        self.inner.disk.put_aside()
    }

    /// Whether the file was found corrupt and could not be exchanged yet.
    #[must_use]
    pub fn is_damaged(&self) -> bool {
        self.inner.disk.is_damaged()
    }

    /// Brings back what can be read of a file that was put aside: behind all that waits, under
    /// their own event ids. What was brought back from a file of that name before is passed over.
    ///
    /// # Errors
    ///
    /// [`TakeOverError`]; repeating is safe.
    pub async fn take_over(&self, path: &Path) -> Result<Appended, TakeOverError> {
        let failed = |source| TakeOverError::Read { path: path.to_owned(), source };
        let name = path.file_name().map(|it| it.to_string_lossy().into_owned());
        let source = format!("salvage/{}", name.unwrap_or_default());
        let (file, own) = (path.to_owned(), self.inner.disk.path().to_owned());
        let open = move || {
            if file.canonicalize()? == own.canonicalize()? {
                let message = "it is in use; only a file that was put aside can be brought back";
                return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
            }
            salvage(&file)
        };
        let found = Arc::new(blocking(open).await.and_then(|it| it).map_err(failed)?);
        let (mut after, mut done) = (0, Appended::default());
        loop {
            let file = Arc::clone(&found);
            let events = blocking(move || chunk(&file, after)).await.map_err(failed)?;
            let Some((last, _)) = events.last() else { return Ok(done) };
            after = *last;
            let step = self.append_from(&source, events, Durability::Durable).await?;
            done.new += step.new;
            done.known += step.known;
        }
    }
}

impl Inner {
    /// Does what can be done about the trouble there is, if nobody is at it already.
    pub(super) async fn look_after(self: &Arc<Self>) {
        if !self.disk.is_in_trouble() {
            return;
        }
        let Ok(turn) = Arc::clone(&self.repairs).try_lock_owned() else { return };
        let inner = Arc::clone(self);
        let runtime = Handle::current();
        // To its end, also when whoever waits goes away in between.
        let work = move || {
            let _turn = turn;
            // Numbers of the old file must not be acknowledged in the fresh one: nobody drains.
            if inner.disk.is_damaged()
                && let Some(_nobody_drains) = inner.drains.restart()
                && let Err(error) = inner.exchange(&runtime)
            {
                let error = &error as &dyn std::error::Error;
                tracing::error!(error, "the corrupt file cannot be exchanged");
            }
            if inner.disk.is_full() && inner.disk.recover() {
                tracing::info!("the disk has room again: events are taken");
                // Who waits for room looks again.
                inner.state.send_modify(|_| {});
            }
        };
        if let Err(error) = blocking(work).await {
            tracing::error!(error = &error as &dyn std::error::Error, "the repair failed");
        }
    }

    /// Puts the corrupt file aside and goes on with a fresh one. What waits to be written waits on.
    fn exchange(self: &Arc<Self>, runtime: &Handle) -> Result<(), OpenBufferError> {
        self.pause();
        runtime.block_on(self.file().close());
        let exchanged = self.open_fresh();
        if let Ok(Opened { state, attempted, .. }) = &exchanged {
            self.hand.restart(*attempted);
            self.shed.lock().forget();
            self.handed_out.store(0, Ordering::Release);
            self.state.send_replace(*state);
        }
        let exchanged = exchanged.map(|it| *self.file.write() = Arc::new(it.file));
        if exchanged.is_ok() {
            self.disk.is_whole_again();
        }
        self.resume();
        exchanged
    }

    fn open_fresh(&self) -> Result<Opened, OpenBufferError> {
        let state = *self.state.borrow();
        let count = state.waiting();
        let lost = Lost { count, places: (count > 0).then_some((state.acked + 1, state.last)) };
        let now = self.clock.now();
        let path = self.disk.path();
        let corrupt = set_aside::set_aside(path, lost, &self.config.node, now)?;
        self.disk.tell_of(&corrupt);
        OpenFile::open(path, now)
    }
}

fn chunk(found: &Salvage, after: u64) -> Vec<(u64, AuditEvent)> {
    let events = found.events(after, CHUNK).into_iter();
    // It was decoded before: that is how it was told from other rows.
    events.filter_map(|(seq, event)| Some((seq, event.decode().ok()?))).collect()
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> io::Result<T> {
    task::spawn_blocking(work).await.map_err(io::Error::other)
}
