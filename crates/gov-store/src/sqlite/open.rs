//! Opens connections, and proves that the settings we rely on are in force.

use std::{
    fs::{self, OpenOptions, Permissions},
    io,
    os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use rusqlite::{Connection, OpenFlags, types::Value};

use super::database::DatabaseOptions;
use crate::migrations::MigrateError;

/// The oldest SQLite without the WAL-reset fault, as `sqlite3_libversion_number` writes it.
const OLDEST: i32 = 3_051_003;

/// Why a file could not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The file could not be created, or its mode not be set.
    #[error("cannot prepare database `{}`", path.display())]
    Io {
        /// Which file.
        path: PathBuf,
        /// What failed.
        source: io::Error,
    },
    /// SQLite could not open it, or it is no database.
    #[error("cannot open database `{}`", path.display())]
    Sqlite {
        /// Which file.
        path: PathBuf,
        /// What failed.
        source: rusqlite::Error,
    },
    /// A setting did not take, so a promise would not hold.
    #[error("database `{}`: `pragma {name}` must be `{wanted}`, and is `{got}`", path.display())]
    Setting {
        /// Which file.
        path: PathBuf,
        /// The setting.
        name: &'static str,
        /// What was set.
        wanted: String,
        /// What is in force.
        got: String,
    },
    /// The SQLite that this program was linked with loses data when a log is reset.
    #[error("SQLite must be 3.51.3 or newer, and is {got}; build with the bundled one")]
    OldSqlite {
        /// The version found.
        got: &'static str,
    },
    /// The schema is not this build's, and could not be made so.
    #[error(transparent)]
    Migrate(#[from] MigrateError),
    /// A thread could not be started.
    #[error("cannot start the thread `{name}`")]
    Thread {
        /// Its name.
        name: String,
        /// What failed.
        source: io::Error,
    },
}

/// Opens the file for writing, and makes it first if it is missing: mode 0600.
pub(super) fn writing(path: &Path, options: &DatabaseOptions) -> Result<Connection, OpenError> {
    check_version()?;
    prepare_file(path).map_err(|source| OpenError::Io { path: path.to_owned(), source })?;
    let connection = open(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    let settings = Settings { connection: &connection, path };
    settings.common(options)?;
    if options.incremental_vacuum {
        // Before the first page is written: it shapes the file.
        settings.set("auto_vacuum", &2.into())?;
    }
    settings.set("journal_mode", &"wal".to_owned().into())?;
    settings.set("synchronous", &2.into())?;
    settings.set("wal_autocheckpoint", &0.into())?;
    let wal_limit = i64::try_from(options.wal_limit_bytes).unwrap_or(i64::MAX);
    settings.set("journal_size_limit", &wal_limit.into())?;
    Ok(connection)
}

/// Opens a connection that only moves the log: it waits for nobody.
pub(super) fn checkpointing(
    path: &Path,
    options: &DatabaseOptions,
) -> Result<Connection, OpenError> {
    let connection = writing(path, options)?;
    Settings { connection: &connection, path }.set("busy_timeout", &0.into())?;
    Ok(connection)
}

/// Opens a connection that cannot write, beside a writer of the same process.
pub(super) fn reading(path: &Path, options: &DatabaseOptions) -> Result<Connection, OpenError> {
    let connection = open(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    let settings = Settings { connection: &connection, path };
    settings.common(options)?;
    settings.set("query_only", &1.into())?;
    Ok(connection)
}

pub(super) fn check_version() -> Result<(), OpenError> {
    if rusqlite::version_number() < OLDEST {
        return Err(OpenError::OldSqlite { got: rusqlite::version() });
    }
    Ok(())
}

fn open(path: &Path, access: OpenFlags) -> Result<Connection, OpenError> {
    let connection = Connection::open_with_flags(path, access | OpenFlags::SQLITE_OPEN_NO_MUTEX)
        .map_err(|source| OpenError::Sqlite { path: path.to_owned(), source })?;
    connection.set_prepared_statement_cache_capacity(128);
    Ok(connection)
}

/// Never opens a file that exists: closing it again would drop SQLite's locks on it.
fn prepare_file(path: &Path) -> io::Result<()> {
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let mode = fs::metadata(path)?.permissions().mode() & 0o777;
            if mode != 0o600 {
                tracing::warn!(path = %path.display(), "mode was {mode:o}, and is set to 600");
                fs::set_permissions(path, Permissions::from_mode(0o600))?;
            }
            Ok(())
        }
        Err(error) => Err(error),
    }
}

struct Settings<'a> {
    connection: &'a Connection,
    path: &'a Path,
}

impl Settings<'_> {
    fn common(&self, options: &DatabaseOptions) -> Result<(), OpenError> {
        let busy_timeout = i64::try_from(options.busy_timeout.as_millis()).unwrap_or(i64::MAX);
        // First, because the rest may meet a lock.
        self.set("busy_timeout", &busy_timeout.into())?;
        self.set("foreign_keys", &1.into())?;
        self.set("trusted_schema", &0.into())?;
        self.set("cell_size_check", &1.into())?;
        self.set("temp_store", &2.into())?;
        let unordered = i64::from(options.reverse_unordered_selects);
        self.set("reverse_unordered_selects", &unordered.into())
    }

    /// Sets `pragma name` and reads it back.
    fn set(&self, name: &'static str, wanted: &Value) -> Result<(), OpenError> {
        let failed = |source| OpenError::Sqlite { path: self.path.to_owned(), source };
        // Some settings answer with a row, some don't.
        self.connection
            .pragma_update_and_check(None, name, wanted, |_| Ok(()))
            .or_else(|error| match error {
                rusqlite::Error::QueryReturnedNoRows => Ok(()),
                other => Err(other),
            })
            .map_err(failed)?;
        let got: Value =
            self.connection.pragma_query_value(None, name, |row| row.get(0)).map_err(failed)?;
        if got == *wanted {
            return Ok(());
        }
        let path = self.path.to_owned();
        Err(OpenError::Setting { path, name, wanted: text(wanted), got: text(&got) })
    }
}

fn text(value: &Value) -> String {
    match value {
        Value::Integer(it) => it.to_string(),
        Value::Text(it) => it.clone(),
        other => format!("{other:?}"),
    }
}
