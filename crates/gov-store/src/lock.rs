//! One process writes a data directory.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io::{self, Read as _, Seek as _, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

/// The lock's file name inside the data directory.
const FILE_NAME: &str = "lock";

/// The right to write a data directory, held until it is dropped.
///
/// It is an advisory `flock`, so the kernel gives it back when the process dies, however it dies.
/// Readers do not need it.
#[derive(Debug)]
pub struct DataDirLock {
    // Closing the file gives the lock back.
    _file: File,
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
        let io = |source| LockError::Io { path: dir.to_owned(), source };
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(dir.join(FILE_NAME))
            .map_err(io)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(LockError::Held { path: dir.to_owned(), holder: holder(&mut file) });
            }
            Err(TryLockError::Error(source)) => return Err(io(source)),
        }
        note_holder(&mut file).map_err(io)?;
        Ok(Self { _file: file })
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
