//! Reads a folder of day files when the store opens: which days there are, and where each source
//! stands.

use std::{
    collections::{BTreeMap, HashMap},
    fs::{self, DirBuilder, File},
    io,
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
    time::Duration,
};

use gov_core::Timestamp;
use gov_store::sqlite::{OpenError, migrate};
use rusqlite::{Connection, OpenFlags};

use super::{COMPONENT, OpenStoreError, rows};
use crate::event_store::day::Day;

/// How long to wait for a lock that another process's reader holds.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// What lies in the folder.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// The days that have a file, with why it cannot be read.
    pub(super) days: BTreeMap<Day, Option<String>>,
    /// The greatest `seq` of each source.
    pub(super) cursors: HashMap<String, u64>,
}

/// Where the events of `day` lie.
pub(super) fn path(dir: &Path, day: Day) -> PathBuf {
    dir.join(format!("{day}.db"))
}

/// Makes the folder if it is missing, and reads the cursors of every day in it.
///
/// Does blocking I/O, one file after the other.
pub(super) fn folder(dir: &Path, now: Timestamp) -> Result<Found, OpenStoreError> {
    let failed = |source| OpenStoreError::Folder { path: dir.to_owned(), source };
    make(dir).map_err(failed)?;
    let mut found = Found::default();
    for entry in fs::read_dir(dir).map_err(failed)? {
        let name = entry.map_err(failed)?.file_name();
        let day =
            name.to_str().and_then(|it| it.strip_suffix(".db")).and_then(|it| it.parse().ok());
        if let Some(day) = day {
            found.days.insert(day, None);
        }
    }
    for (day, problem) in &mut found.days {
        let path = path(dir, *day);
        match cursors(&path, now) {
            Ok(cursors) => {
                for (source, seq) in cursors {
                    let cursor = found.cursors.entry(source).or_default();
                    *cursor = seq.max(*cursor);
                }
            }
            Err(error) => {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    file = %path.display(),
                    "the events of a day cannot be read; other days are not concerned"
                );
                *problem = Some(path.display().to_string());
            }
        }
    }
    Ok(found)
}

/// With mode 0700, and on the disk: a file in a folder that is lost is lost with it.
fn make(dir: &Path) -> io::Result<()> {
    match DirBuilder::new().mode(0o700).create(dir) {
        Ok(()) => {
            let dir = std::path::absolute(dir)?;
            dir.parent().map_or(Ok(()), |parent| File::open(parent)?.sync_all())
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && dir.is_dir() => Ok(()),
        Err(error) => Err(error),
    }
}

/// Without a writer's threads: most of these files are not asked for again.
fn cursors(path: &Path, now: Timestamp) -> Result<Vec<(String, u64)>, OpenError> {
    let at = |source| OpenError::Sqlite { path: path.to_owned(), source };
    let absolute = std::path::absolute(path)
        .map_err(|source| OpenError::Io { path: path.to_owned(), source })?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(absolute, flags).map_err(at)?;
    connection.busy_timeout(BUSY_TIMEOUT).map_err(at)?;
    // Refuses a schema that this build would misread.
    migrate(&mut connection, &COMPONENT, now)?;
    rows::cursors(&connection).map_err(at)
}
