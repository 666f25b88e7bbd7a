//! Why the log cannot be opened or read.

use std::{fmt, path::PathBuf};

use gov_store::migrations::MigrateError;

use crate::{
    outside_copy::OutsideCopyError, signer::KeyFileError, store::StoreError, tlog::key::KeyError,
};

/// A state of the log, for messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Which epoch; 0 for no log at all.
    pub epoch: u64,
    /// How many records.
    pub size: u64,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.epoch {
            0 => f.write_str("no log"),
            epoch => write!(f, "{} records in epoch {epoch}", self.size),
        }
    }
}

/// The log cannot be opened; nothing was signed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The database is behind what was signed, or another one: records are lost or were replaced.
    #[error(
        "rollback detected: the outside copy knows {outside}, the database has {database}{}; \
         restore the newer database, or run `gov audit accept-rollback --reason <text>`",
        if *.differs { " and they differ" } else { "" }
    )]
    Rollback {
        /// What the database has.
        database: Place,
        /// What the outside copy knows.
        outside: Place,
        /// Whether both know the same size with another root.
        differs: bool,
    },
    /// There is no rollback to accept: open the log as always.
    #[error("nothing to accept: the database has all that the outside copy knows")]
    NoRollback,
    /// There is no log yet whose epoch could end.
    #[error("there is no log yet; start the server once")]
    NoLog,
    /// The log went on while its epoch was to end; run it again.
    #[error("another node appended meanwhile; nothing was changed, run it again")]
    Moved,
    /// The signing key cannot be used.
    #[error(transparent)]
    Key(#[from] KeyFileError),
    /// Another node made this log and its key.
    #[error(
        "the signing key `{path}` is missing on this node: copy `log.key_dir` from the node that \
         made it, or restore it from its backup"
    )]
    KeyElsewhere {
        /// Where the key must lie.
        path: PathBuf,
    },
    /// The domain cannot name a log.
    #[error("`domain` of the log is no name: {0}")]
    Domain(#[source] KeyError),
    /// The log has another domain, which is fixed when it is created.
    #[error("`domain` of the log is `{stored}` since it was created; received `{configured}`")]
    OtherDomain {
        /// The log's.
        stored: String,
        /// The configured one.
        configured: String,
    },
    /// A newer build has changed the schema.
    #[error("the log's database is of a newer build")]
    NewerSchema(#[source] MigrateError),
    /// The outside copy cannot be read or written.
    #[error(transparent)]
    OutsideCopy(#[from] OutsideCopyError),
    /// What is stored is not what was signed: somebody changed it. `gov audit verify` says where.
    #[error("the log is corrupt: {0}; run `gov audit verify`")]
    Corrupt(String),
    /// The database cannot be opened, read or written.
    #[error("the log's database cannot be used")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
}

#[cfg(feature = "sqlite")]
impl From<gov_store::sqlite::OpenError> for OpenError {
    fn from(error: gov_store::sqlite::OpenError) -> Self {
        match error {
            gov_store::sqlite::OpenError::Migrate(error @ MigrateError::NewerSchema { .. }) => {
                Self::NewerSchema(error)
            }
            other => Self::Unavailable(Box::new(other)),
        }
    }
}

#[cfg(feature = "postgres")]
impl From<MigrateError> for OpenError {
    fn from(error: MigrateError) -> Self {
        match error {
            error @ MigrateError::NewerSchema { .. } => Self::NewerSchema(error),
            other => Self::Unavailable(Box::new(other)),
        }
    }
}

impl From<ReadLogError> for OpenError {
    fn from(error: ReadLogError) -> Self {
        match error {
            ReadLogError::Corrupt(what) => Self::Corrupt(what),
            ReadLogError::Unavailable(source) => Self::Unavailable(source),
            other => Self::Unavailable(Box::new(other)),
        }
    }
}

/// The log could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadLogError {
    /// What is stored is no log: it was changed from outside.
    #[error("the log is corrupt: {0}; run `gov audit verify`")]
    Corrupt(String),
    /// Another node opened a new epoch: open the log anew.
    #[error("the log is in epoch {found} now, this process writes epoch {wanted}")]
    OtherEpoch {
        /// Which epoch this process opened.
        wanted: u64,
        /// Which one the database is in.
        found: u64,
    },
    /// The database was put back behind what this process knows to be committed.
    #[error(
        "rollback detected: this process knows {known} records, the database has {found}; restore \
         the newer database, or run `gov audit accept-rollback --reason <text>`"
    )]
    RolledBack {
        /// How many records were committed.
        known: u64,
        /// How many there are.
        found: u64,
    },
    /// The database cannot be read now; try again.
    #[error("the log's database cannot be read now")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl From<StoreError> for ReadLogError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Corrupt(what) => Self::Corrupt(what),
            other => Self::Unavailable(Box::new(other)),
        }
    }
}
