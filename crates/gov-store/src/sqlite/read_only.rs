//! Reads a file beside the server that writes it, from another process.

use std::{fmt::Write as _, os::unix::ffi::OsStrExt as _, path::Path, time::Duration};

use rusqlite::{Connection, OpenFlags};

use super::{
    migrate::check_readable,
    open::{OpenError, check_version},
};
use crate::migrations::Component;

/// How long a read waits for a lock: a server that starts or ends holds one for a moment.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Opens `path` for reading the tables of `components` only; makes no file, and changes neither the database nor its log. (Only
/// where a log lies without its `-shm`, as in a copy of two files, is that index made anew.)
///
/// For tools, in a process of their own. While a server writes, each read transaction sees the last
/// commit before it. A file at rest (no `-wal` beside it) is read as it lies: hold the
/// [`DataDirLock`](crate::lock::DataDirLock) meanwhile if you can get it, so that no server starts;
/// if you can't, a server runs, and the first case holds.
///
/// # Errors
///
/// [`OpenError`]: the file is missing, unreadable, or no database. [`OpenError::Migrate`]: the
/// schema is newer, or older, than what this build reads; its message says the way out.
pub fn open_read_only(path: &Path, components: &[&Component]) -> Result<Connection, OpenError> {
    check_version()?;
    let at = |source| OpenError::Sqlite { path: path.to_owned(), source };
    let absolute = std::path::absolute(path)
        .map_err(|source| OpenError::Io { path: path.to_owned(), source })?;
    let mut log = absolute.as_os_str().to_owned();
    log.push("-wal");
    let running = Path::new(&log)
        .try_exists()
        .map_err(|source| OpenError::Io { path: path.to_owned(), source })?;
    // At rest there is no log to read, and otherwise SQLite would make one.
    let mode = if running { "mode=ro" } else { "immutable=1" };
    let uri = uri(&absolute, mode);
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY
        | OpenFlags::SQLITE_OPEN_URI
        | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(uri, flags).map_err(at)?;
    connection.busy_timeout(BUSY_TIMEOUT).map_err(at)?;
    connection.pragma_update(None, "query_only", 1).map_err(at)?;
    connection.pragma_update(None, "trusted_schema", 0).map_err(at)?;
    // Opening alone reads nothing: find out now whether this is a database.
    connection.query_row("select count(*) from sqlite_schema", [], |_| Ok(())).map_err(at)?;
    for component in components {
        check_readable(&connection, component)?;
    }
    Ok(connection)
}

/// A `file:` URI (RFC 8089) with every byte escaped that could mean something.
fn uri(path: &Path, mode: &str) -> String {
    let mut uri = "file:".to_owned();
    for byte in path.as_os_str().as_bytes() {
        if byte.is_ascii_alphanumeric() || b"/-._~".contains(byte) {
            uri.push(char::from(*byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(uri, "%{byte:02X}");
        }
    }
    uri.push('?');
    uri.push_str(mode);
    uri
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_cannot_add_parameters() {
        let uri = uri(Path::new("/a b/c?mode=rw#d%.db"), "mode=ro");
        assert_eq!(uri, "file:/a%20b/c%3Fmode%3Drw%23d%25.db?mode=ro");
    }
}
