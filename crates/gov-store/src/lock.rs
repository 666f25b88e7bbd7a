//! One process writes a data directory, or a file.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io::{self, Read as _, Seek as _, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

/// The lock's file name inside the data directory.
const FILE_NAME: &str = "lock";

/// The right that one file stands for, held until it is dropped.
///
/// It is an advisory `flock` on a file that exists for nothing else (closing any descriptor of a
/// database file would drop SQLite's locks on it), so the kernel gives it back when the process
/// dies, however it dies. The file stays: whoever removed it would let two processes hold it.
#[derive(Debug)]
pub struct FileLock {
    file: File,
}

/// Closing the file would give the lock back too, but not while a child that was just forked has a
/// copy of the descriptor.
impl Drop for FileLock {
    fn drop(&mut self) {
        if let Err(error) = self.file.unlock() {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "a lock goes with its file only"
            );
        }
    }
}

/// Why a file could not be locked. Whoever asks says what the file stands for.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FileLockError {
    /// Another process has it.
    #[error("held by {holder}")]
    Held {
        /// `process <pid>`, or `another process` while it is not yet written down.
        holder: String,
    },
    /// The file could not be opened, locked or written.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl FileLock {
    /// Locks the file `path`, made with mode 0600 if it is missing. Never waits.
    ///
    /// A second lock on one file is refused inside one process too.
    ///
    /// # Errors
    ///
    /// [`FileLockError::Held`] names the process that has it; [`FileLockError::Io`] if the
    /// directory is missing or the file cannot be written.
    pub fn acquire(path: &Path) -> Result<Self, FileLockError> {
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(path)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(FileLockError::Held { holder: holder(&mut file) });
            }
            Err(TryLockError::Error(source)) => return Err(source.into()),
        }
        note_holder(&mut file)?;
        Ok(Self { file })
    }
}

/// The right to write a data directory, held until it is dropped.
///
/// Readers do not need it.
#[derive(Debug)]
pub struct DataDirLock {
    _lock: FileLock,
}

/// Why the directory could not be locked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LockError {
    /// Another process writes this directory. Stop it, or choose another directory.
    #[error(
        "data directory `{}` is in use by {holder}; stop it, or choose another directory",
        path.display()
    )]
    Held {
        /// The directory.
        path: PathBuf,
        /// `process <pid>`, or `another process` while it is not yet written down.
        holder: String,
    },
    /// The lock file could not be opened, locked or written.
    #[error("cannot lock data directory `{}`", path.display())]
    Io {
        /// The directory.
        path: PathBuf,
        /// What failed.
        source: io::Error,
    },
}

impl DataDirLock {
    /// Locks the existing directory `dir`, by the file `lock` in it. Never waits.
    ///
    /// A second lock on one directory is refused inside one process too.
    ///
    /// # Errors
    ///
    /// [`LockError::Held`] names the process that has it; [`LockError::Io`] if `dir` is missing or
    /// cannot be written.
    pub fn acquire(dir: &Path) -> Result<Self, LockError> {
        let path = || dir.to_owned();
        let lock = FileLock::acquire(&dir.join(FILE_NAME)).map_err(|error| match error {
            FileLockError::Held { holder } => LockError::Held { path: path(), holder },
            FileLockError::Io(source) => LockError::Io { path: path(), source },
        })?;
        Ok(Self { _lock: lock })
    }
}

fn note_holder(file: &mut File) -> io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    file.write_all(std::process::id().to_string().as_bytes())
}

/// Who holds the lock, as far as the file tells: it serves a message and decides nothing.
fn holder(file: &mut File) -> String {
    let mut text = String::new();
    let read = file.take(20).read_to_string(&mut text);
    match (read, text.trim().parse::<u32>()) {
        (Ok(_), Ok(pid)) => format!("process {pid}"),
        _ => "another process".to_owned(),
    }
}
