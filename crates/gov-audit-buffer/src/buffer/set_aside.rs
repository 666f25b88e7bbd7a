//! A file that cannot be read any more: put aside under a dated name, with a fresh one in its
//! place.
//!
//! ```text
//! a fresh one is built ─▶ X.fresh-DATE
//! X, X-wal, X-shm      ─▶ X.corrupt-DATE, X.corrupt-DATE-wal, X.corrupt-DATE-shm
//! X.fresh-DATE         ─▶ X
//! ```
//!
//! The fresh file holds the `audit.gap` before it has its name, so no crash parts the loss from its
//! record; and that name says what is under way, so the next opening brings it to its end.

use std::{
    ffi::OsStr,
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use gov_core::Timestamp;
use gov_store::{crash, sqlite::migrate};
use rusqlite::Connection;

use super::{
    error::{Cause, OpenBufferError},
    gap::{Gap, GapReason},
};
use crate::{
    BufferId,
    store::sqlite::{self, Books},
};

/// Where a test can let the process die, in the order in which a file is put aside.
pub const CRASH_POINTS: &[&str] =
    &["buffer-after-fresh-file", "buffer-after-old-part", "buffer-after-exchange"];

/// What a buffer's file consists of, by what its parts' names end in. The log goes first: beside a
/// file that is not its own it would be taken for that one's.
const PARTS: [&str; 3] = ["-wal", "-shm", ""];
const FRESH: &str = ".fresh-";
const CORRUPT: &str = ".corrupt-";
/// A fresh file that is not whole yet.
const UNFINISHED: &str = ".unfinished";

/// What the file that is put aside may have held.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Lost {
    /// At most so many events; 0 where nobody knows.
    pub(super) count: u64,
    /// Between which numbers, if that is known.
    pub(super) places: Option<(u64, u64)>,
}

/// The file of the same name with `ending` behind it.
pub(super) fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

/// Puts the file `path` aside and a fresh one in its place, and gives where it is now.
///
/// Nothing may have the file open, and whoever calls holds its lock. Does blocking I/O.
pub(super) fn set_aside(
    path: &Path,
    lost: Lost,
    node: &str,
    now: Timestamp,
) -> Result<PathBuf, OpenBufferError> {
    // An attempt that failed half-way has its gap, and its name: another one would part what is aside.
    if let Some(corrupt) = finish(path)? {
        return Ok(corrupt);
    }
    let failed = |source: Cause| OpenBufferError::SetAside { path: path.to_owned(), source };
    let stamp = free_stamp(path, now);
    let unfinished = beside(path, UNFINISHED);
    build(&unfinished, lost, node, now).map_err(failed)?;
    let fresh = beside(path, &format!("{FRESH}{stamp}"));
    rename(&unfinished, &fresh).map_err(|error| failed(Arc::new(error)))?;
    crash::point("buffer-after-fresh-file");
    exchange(path, &stamp).map_err(|error| failed(Arc::new(error)))
}

/// Brings to its end what a crash left half-done, and gives where the file is that was put aside.
///
/// Called before the file is opened, with its lock held. Does blocking I/O.
pub(super) fn finish(path: &Path) -> Result<Option<PathBuf>, OpenBufferError> {
    let finish = || -> io::Result<Option<PathBuf>> {
        remove_database(&beside(path, UNFINISHED))?;
        let Some(stamp) = stamps(path, FRESH)?.into_iter().next() else { return Ok(None) };
        exchange(path, &stamp).map(Some)
    };
    finish().map_err(|error| OpenBufferError::SetAside {
        path: path.to_owned(),
        source: Arc::new(error),
    })
}

/// The files that were put aside in the place of `path`, the oldest first. Does blocking I/O.
pub(crate) fn corrupt_files(path: &Path) -> io::Result<Vec<PathBuf>> {
    let mut stamps = stamps(path, CORRUPT)?;
    stamps.retain(|it| !PARTS.iter().any(|part| !part.is_empty() && it.ends_with(part)));
    Ok(stamps.iter().map(|it| beside(path, &format!("{CORRUPT}{it}"))).collect())
}

/// Gives the old parts their dated names and the fresh file its own. Repeating it is safe.
fn exchange(path: &Path, stamp: &str) -> io::Result<PathBuf> {
    let corrupt = beside(path, &format!("{CORRUPT}{stamp}"));
    for part in PARTS {
        match rename(&beside(path, part), &beside(&corrupt, part)) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        crash::point("buffer-after-old-part");
    }
    rename(&beside(path, &format!("{FRESH}{stamp}")), path)?;
    crash::point("buffer-after-exchange");
    Ok(corrupt)
}

/// A whole buffer in one file: named, with the gap as its first event.
fn build(path: &Path, lost: Lost, node: &str, now: Timestamp) -> Result<(), Cause> {
    remove_database(path).map_err(cause)?;
    let private = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    drop(private.map_err(cause)?);
    // Without a log of its own: each commit is in the file, and on the disk.
    let mut connection = Connection::open(path).map_err(cause)?;
    // Before the first page is written, as for a file that is made in the ordinary way.
    connection.pragma_update(None, "auto_vacuum", 2).map_err(cause)?;
    migrate(&mut connection, &sqlite::COMPONENT, now).map_err(cause)?;
    let gap = Gap {
        class: None,
        reason: GapReason::CorruptFile,
        count: lost.count,
        first: now,
        last: now,
        places: lost.places,
    };
    let tx = connection.transaction().map_err(cause)?;
    sqlite::name(&tx, BufferId::at(now)).map_err(cause)?;
    let mut books = Books::open(&tx).map_err(cause)?;
    let gap = gap.encode(books.state.buffer_id, 1, now, node).map_err(cause)?;
    books.append(1, &gap).map_err(cause)?;
    books.close().map_err(cause)?;
    tx.commit().map_err(cause)?;
    connection.close().map_err(|(_, error)| cause(error))
}

fn cause(error: impl std::error::Error + Send + Sync + 'static) -> Cause {
    Arc::new(error)
}

fn remove_database(path: &Path) -> io::Result<()> {
    for part in ["", "-journal"] {
        match fs::remove_file(beside(path, part)) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Renames, and is on the disk when it returns.
fn rename(from: &Path, to: &Path) -> io::Result<()> {
    fs::rename(from, to)?;
    File::open(folder(to))?.sync_all()
}

/// The time as a part of a name that no file has yet.
fn free_stamp(path: &Path, now: Timestamp) -> String {
    let date: String = now.to_string().chars().filter(|it| !matches!(it, '-' | ':')).collect();
    let taken = |stamp: &str| beside(path, &format!("{CORRUPT}{stamp}")).exists();
    let mut stamp = date.clone();
    for nth in 2.. {
        if !taken(&stamp) {
            break;
        }
        stamp = format!("{date}-{nth}");
    }
    stamp
}

/// What follows `mark` in the names beside `path`, in order.
fn stamps(path: &Path, mark: &str) -> io::Result<Vec<String>> {
    let Some(name) = path.file_name() else { return Ok(Vec::new()) };
    let mut begin = name.to_owned();
    begin.push(mark);
    let mut stamps = Vec::new();
    for entry in fs::read_dir(folder(path))? {
        let name = entry?.file_name();
        let stamp = strip(&name, &begin);
        stamps.extend(stamp);
    }
    stamps.sort_unstable();
    Ok(stamps)
}

fn strip(name: &OsStr, begin: &OsStr) -> Option<String> {
    let rest = name.as_encoded_bytes().strip_prefix(begin.as_encoded_bytes())?;
    String::from_utf8(rest.to_vec()).ok()
}

fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_attempt_that_failed_half_way_is_brought_to_its_end_by_the_next() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.db");
        for part in PARTS {
            fs::write(beside(&path, part), format!("old{part}")).unwrap();
        }
        let (first, second) = (Timestamp::UNIX_EPOCH, Timestamp::from_micros_clamped(1));
        // No file can be renamed to a directory's name.
        let stamp = free_stamp(&path, first);
        let in_the_way = beside(&path, &format!("{CORRUPT}{stamp}-shm"));
        fs::create_dir(&in_the_way).unwrap();
        set_aside(&path, Lost::default(), "n-1", first).unwrap_err();
        assert!(!beside(&path, "-wal").exists(), "a log is left without its file");
        assert_eq!(fs::read(&path).unwrap(), b"old");

        fs::remove_dir(&in_the_way).unwrap();
        let corrupt = set_aside(&path, Lost::default(), "n-1", second).unwrap();
        for part in PARTS {
            let text = fs::read_to_string(beside(&corrupt, part)).unwrap();
            assert_eq!(text, format!("old{part}"));
        }
        // Nothing is left that the next start would put in the fresh file's place.
        assert_eq!(finish(&path).unwrap(), None);
    }
}
