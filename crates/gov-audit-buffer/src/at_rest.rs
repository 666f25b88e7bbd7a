//! Looks into a buffer's file without having it: beside the server that writes it, or at rest.
//!
//! For tools, in a process of their own: see [`gov_store::sqlite::open_read_only`]. All of it does
//! blocking I/O and changes nothing. What changes a file opens it as an
//! [`EventBuffer`](crate::EventBuffer), which takes its lock.

use std::{
    io,
    path::{Path, PathBuf},
};

use gov_store::sqlite::{OpenError, open_read_only};
use rusqlite::Connection;

use crate::{
    Outgoing,
    buffer::{BufferCounts, BufferStatus, DeadLetter, set_aside},
    store::sqlite::{self, Books, Wanted},
};

/// Why a file could not be looked into.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AtRestError {
    /// The file is missing, is no buffer, or is of a newer build; the message says which.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// What it holds cannot be read. If it is corrupt, the next start puts it aside, and
    /// [`salvage`](crate::salvage::salvage) reads what is left of it.
    #[error("cannot read buffer `{}`", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What failed.
        source: rusqlite::Error,
    },
}

/// How the buffer in the file `path` stands. Its counts, which are a process's own, are 0.
///
/// # Errors
///
/// [`AtRestError`].
pub fn status(path: &Path) -> Result<BufferStatus, AtRestError> {
    read(path, |it| BufferStatus::read(it, BufferCounts::default()))
}

/// The next events that the sink has not got, in order, at most `limit`.
///
/// # Errors
///
/// [`AtRestError`].
pub fn peek(path: &Path, limit: u32) -> Result<Vec<Outgoing>, AtRestError> {
    read(path, |connection| {
        let state = Books::open(connection)?.state;
        let rows = sqlite::behind(connection, state.acked, u64::MAX, limit, u64::MAX)?;
        let out = |(buffer_seq, event)| Outgoing { buffer_id: state.buffer_id, buffer_seq, event };
        Ok(rows.into_iter().map(out).collect())
    })
}

/// Dead letters behind the number `after`, the oldest first, at most `limit`.
///
/// # Errors
///
/// [`AtRestError`].
pub fn dead_letters(path: &Path, after: u64, limit: u32) -> Result<Vec<DeadLetter>, AtRestError> {
    read(path, |it| sqlite::letters(it, Wanted::After(after), limit))
}

/// The files that were put aside because they were corrupt, the oldest first: what
/// [`salvage`](crate::salvage::salvage) reads.
///
/// # Errors
///
/// The directory cannot be read.
pub fn corrupt_files(path: &Path) -> io::Result<Vec<PathBuf>> {
    set_aside::corrupt_files(path)
}

fn read<T>(
    path: &Path,
    job: impl FnOnce(&Connection) -> rusqlite::Result<T>,
) -> Result<T, AtRestError> {
    let mut connection = open_read_only(path, &[&sqlite::COMPONENT])?;
    // One state for all statements.
    let answer = connection.transaction().and_then(|tx| job(&tx));
    answer.map_err(|source| AtRestError::Read { path: path.to_owned(), source })
}
