//! Room that is kept for the day on which the disk is full.
//!
//! Deleting from a database needs room first: what is deleted is written to its log. A file of
//! plain bytes holds that room, and is removed when it is needed.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, ErrorKind, Write as _},
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use rustix::{
    fs::{FallocateFlags, fallocate, statvfs},
    io::Errno,
};

/// What `stat` counts blocks in.
const BLOCK_BYTES: u64 = 512;

/// A file that takes room and says nothing. All of it does blocking I/O.
///
/// It is worth what the file system makes of it: one that compresses, or shares what is equal,
/// promises no room to a file that nobody has written.
#[derive(Clone, Debug)]
pub struct Ballast {
    path: PathBuf,
    bytes: u64,
}

impl Ballast {
    /// A ballast of `bytes` in the file `path`. Nothing is taken yet.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>, bytes: u64) -> Self {
        Self { path: path.into(), bytes }
    }

    /// How much room it holds when it is there.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Takes the room, if it is not taken yet, as long as `spare` bytes are left beside it: `false`
    /// if there is not so much. Repeating it is cheap.
    ///
    /// What a process left half-made is completed.
    ///
    /// # Errors
    ///
    /// Anything but a full disk.
    pub fn take(&self, spare: u64) -> io::Result<bool> {
        let taken = self.taken()?;
        if taken >= self.bytes {
            return Ok(true);
        }
        let wanted = (self.bytes - taken).saturating_add(spare);
        if free_bytes(self.folder())? < wanted {
            return Ok(false);
        }
        match self.fill() {
            Ok(()) => Ok(true),
            // Somebody was faster: what it has must not be missing elsewhere.
            Err(error) if is_full(&error) => self.release().map(|_| false),
            Err(error) => Err(error),
        }
    }

    /// Gives the room back; `false` if there was none to give.
    ///
    /// # Errors
    ///
    /// The file cannot be removed.
    pub fn release(&self) -> io::Result<bool> {
        match fs::remove_file(&self.path) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The room that is taken, as the file system counts it: a hole takes none.
    fn taken(&self) -> io::Result<u64> {
        match fs::metadata(&self.path) {
            Ok(it) => Ok(it.len().min(it.blocks().saturating_mul(BLOCK_BYTES))),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(0),
            Err(error) => Err(error),
        }
    }

    fn fill(&self) -> io::Result<()> {
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&self.path)?;
        match fallocate(&file, FallocateFlags::empty(), 0, self.bytes) {
            Ok(()) => Ok(()),
            // Not every file system can; writing can always.
            Err(Errno::OPNOTSUPP | Errno::NOSYS) => write_all(&file, self.bytes),
            Err(error) => Err(error.into()),
        }
    }

    fn folder(&self) -> &Path {
        match self.path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        }
    }
}

/// What this user may still write into the file system of `folder`, in bytes. Does blocking I/O.
///
/// # Errors
///
/// The folder is missing, or the file system does not say.
pub fn free_bytes(folder: &Path) -> io::Result<u64> {
    let it = statvfs(folder)?;
    Ok(it.f_bavail.saturating_mul(it.f_frsize))
}

fn is_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge
    )
}

fn write_all(mut file: &File, bytes: u64) -> io::Result<()> {
    let chunk = [0; 16 * 1024];
    let mut left = bytes;
    while left > 0 {
        let now = usize::try_from(left).unwrap_or(usize::MAX).min(chunk.len());
        file.write_all(chunk.get(..now).unwrap_or(&chunk))?;
        left = left.saturating_sub(now as u64);
    }
    // A write that is only planned takes no room yet.
    file.sync_data()
}
