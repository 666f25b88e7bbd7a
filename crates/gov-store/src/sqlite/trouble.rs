//! What is wrong with a file, where that is more than one statement that failed.

use std::{error::Error, sync::Arc};

use rusqlite::ffi;

/// What an error says about the whole file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Trouble {
    /// There is no room: it passes when some is made.
    Full,
    /// An I/O error of another kind: it may be a full disk too, as some say it only so.
    Io,
    /// What is in the file cannot be right, or cannot be read. It does not pass.
    Damaged,
}

impl Trouble {
    /// Looks for an error of SQLite in `error` and what led to it; `None` if there is none, or
    /// another one.
    #[must_use]
    pub fn of(error: &(dyn Error + 'static)) -> Option<Self> {
        let mut next = Some(error);
        while let Some(error) = next {
            let shared = error.downcast_ref::<Arc<rusqlite::Error>>().map(AsRef::as_ref);
            if let Some(error) = shared.or_else(|| error.downcast_ref()) {
                return Self::of_sqlite(error);
            }
            next = error.source();
        }
        None
    }

    fn of_sqlite(error: &rusqlite::Error) -> Option<Self> {
        let code = match error {
            rusqlite::Error::SqliteFailure(code, _) => code.extended_code,
            rusqlite::Error::SqlInputError { error, .. } => error.extended_code,
            // A column holds what no write of ours puts there.
            rusqlite::Error::InvalidColumnType(..)
            | rusqlite::Error::FromSqlConversionFailure(..)
            | rusqlite::Error::IntegralValueOutOfRange(..)
            | rusqlite::Error::Utf8Error(..) => return Some(Self::Damaged),
            _ => return None,
        };
        match code {
            ffi::SQLITE_FULL | ffi::SQLITE_IOERR_SHMSIZE => Some(Self::Full),
            ffi::SQLITE_IOERR_READ
            | ffi::SQLITE_IOERR_SHORT_READ
            | ffi::SQLITE_IOERR_CORRUPTFS
            | ffi::SQLITE_IOERR_DATA => Some(Self::Damaged),
            // The low byte is the primary code.
            _ => match code & 0xff {
                ffi::SQLITE_FULL => Some(Self::Full),
                ffi::SQLITE_CORRUPT | ffi::SQLITE_NOTADB => Some(Self::Damaged),
                ffi::SQLITE_IOERR | ffi::SQLITE_CANTOPEN => Some(Self::Io),
                _ => None,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sqlite::WriteError;

    fn failure(code: i32) -> rusqlite::Error {
        rusqlite::Error::SqliteFailure(ffi::Error::new(code), None)
    }

    #[test]
    fn it_is_found_behind_the_errors_of_the_doors() {
        let commit: WriteError<rusqlite::Error> =
            WriteError::Commit(Arc::new(failure(ffi::SQLITE_FULL)));
        assert_eq!(Trouble::of(&commit), Some(Trouble::Full));
        let job = WriteError::Job(failure(ffi::SQLITE_CORRUPT_INDEX));
        assert_eq!(Trouble::of(&job), Some(Trouble::Damaged));
    }

    #[test]
    fn each_code_has_its_kind() {
        for (code, trouble) in [
            (ffi::SQLITE_NOTADB, Some(Trouble::Damaged)),
            (ffi::SQLITE_IOERR_SHORT_READ, Some(Trouble::Damaged)),
            (ffi::SQLITE_IOERR_SHMSIZE, Some(Trouble::Full)),
            (ffi::SQLITE_IOERR_WRITE, Some(Trouble::Io)),
            (ffi::SQLITE_CANTOPEN, Some(Trouble::Io)),
            (ffi::SQLITE_BUSY, None),
            (ffi::SQLITE_CONSTRAINT_UNIQUE, None),
        ] {
            assert_eq!(Trouble::of(&failure(code)), trouble, "{code}");
        }
        let missing = rusqlite::Error::QueryReturnedNoRows;
        assert_eq!(Trouble::of(&missing), None);
    }
}
