//! The disk below a buffer: who has the file, and what happens when there is no room.
//!
//! Events are taken only while the ballast is held. The first failure that a full disk causes
//! gives it up, so that what waits can still be sent and deleted; events are refused until it
//! could be taken again.

use std::{
    io,
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
};

use gov_store::{
    ballast::{Ballast, free_bytes},
    lock::{FileLock, FileLockError},
    sqlite::Trouble,
};
use parking_lot::Mutex;

use super::{error::OpenBufferError, set_aside::beside};

/// What an I/O error means is asked of the file system: below this it is full.
const NO_ROOM_BYTES: u64 = 256 << 10;

/// What outlives a buffer's file when that is exchanged. All of it does blocking I/O, but for the
/// questions.
#[derive(Debug)]
pub(super) struct Disk {
    path: PathBuf,
    ballast: Ballast,
    /// `None` once the buffer was closed.
    lock: Mutex<Option<FileLock>>,
    full: AtomicBool,
    damaged: AtomicBool,
    put_aside: AtomicU64,
}

impl Disk {
    /// Takes the lock of the buffer's file `path`, and the ballast.
    pub(super) fn open(path: &Path, ballast_bytes: u64) -> Result<Self, OpenBufferError> {
        // By a file of its own: no other descriptor of the buffer's file may ever be closed.
        let lock = FileLock::acquire(&beside(path, ".lock")).map_err(|error| match error {
            FileLockError::Held { holder } => {
                OpenBufferError::Held { path: path.to_owned(), holder }
            }
            FileLockError::Io(source) => OpenBufferError::Lock { path: path.to_owned(), source },
            other => {
                let source = io::Error::other(other);
                OpenBufferError::Lock { path: path.to_owned(), source }
            }
        })?;
        let disk = Self {
            path: path.to_owned(),
            ballast: Ballast::new(path.with_extension("ballast"), ballast_bytes),
            lock: Mutex::new(Some(lock)),
            full: AtomicBool::new(true),
            damaged: AtomicBool::new(false),
            put_aside: AtomicU64::new(0),
        };
        if !disk.recover() {
            tracing::error!(path = %path.display(), "the disk is full: events are refused");
        }
        Ok(disk)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether events are refused because there is no room.
    pub(super) fn is_full(&self) -> bool {
        self.full.load(Ordering::Acquire)
    }

    /// Whether the file cannot be used any more.
    pub(super) fn is_damaged(&self) -> bool {
        self.damaged.load(Ordering::Acquire)
    }

    /// How many files were put aside since the start.
    pub(super) fn put_aside(&self) -> u64 {
        self.put_aside.load(Ordering::Relaxed)
    }

    /// Tells of a file that was put aside.
    pub(super) fn tell_of(&self, corrupt: &Path) {
        self.put_aside.fetch_add(1, Ordering::Relaxed);
        let (path, aside) = (self.path.display(), corrupt.display());
        tracing::error!(%path, %aside, "the audit buffer's file was corrupt: it is put aside, and a fresh one is in its place; `gov audit buffer salvage` brings back what can be read");
    }

    /// Whether somebody has to look after something.
    pub(super) fn is_in_trouble(&self) -> bool {
        self.is_full() || self.is_damaged()
    }

    /// Hears of every failure. Only on a thread that may block.
    pub(super) fn note(&self, error: &(dyn std::error::Error + 'static)) {
        match Trouble::of(error) {
            Some(Trouble::Full) => self.fill(error),
            Some(Trouble::Io) if self.has_no_room() => self.fill(error),
            Some(Trouble::Damaged) => self.note_damage(error),
            _ => {}
        }
    }

    /// Hears of a failure to read. Never blocks.
    pub(super) fn note_damage(&self, error: &(dyn std::error::Error + 'static)) {
        if Trouble::of(error) == Some(Trouble::Damaged)
            && !self.damaged.swap(true, Ordering::AcqRel)
        {
            tracing::error!(error, path = %self.path.display(), "the audit buffer's file is corrupt");
        }
    }

    /// The file was exchanged.
    pub(super) fn is_whole_again(&self) {
        self.damaged.store(false, Ordering::Release);
    }

    /// Takes the ballast again, if there is as much room again beside it; `true` if events are
    /// taken.
    pub(super) fn recover(&self) -> bool {
        if !self.is_full() {
            return true;
        }
        match self.ballast.take(self.ballast.bytes()) {
            Ok(true) => {
                self.full.store(false, Ordering::Release);
                true
            }
            Ok(false) => false,
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::error!(error, path = %self.path.display(), "cannot take the ballast");
                false
            }
        }
    }

    /// Gives the ballast up.
    pub(super) fn make_room(&self) {
        self.full.store(true, Ordering::Release);
        if let Err(error) = self.ballast.release() {
            let error = &error as &dyn std::error::Error;
            tracing::error!(error, path = %self.path.display(), "cannot give up the ballast");
        }
    }

    /// Lets another process have the file.
    pub(super) fn unlock(&self) {
        drop(self.lock.lock().take());
    }

    fn fill(&self, error: &(dyn std::error::Error + 'static)) {
        if !self.is_full() {
            tracing::error!(error, path = %self.path.display(), "the disk is full: events are refused");
        }
        self.make_room();
    }

    fn has_no_room(&self) -> bool {
        let folder = self.path.parent().filter(|it| !it.as_os_str().is_empty());
        free_bytes(folder.unwrap_or(Path::new("."))).is_ok_and(|free| free < NO_ROOM_BYTES)
    }
}
