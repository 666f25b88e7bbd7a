//! Where a log is read from: a database or an exported directory.

use std::io;

#[cfg(any(feature = "sqlite", feature = "postgres"))]
use gov_store::migrations::MigrateError;

use super::Report;
use crate::{payload_file::PayloadLine, tlog::tile::TilePlace};

/// The log cannot be read at all.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SourceError {
    /// There is no log at that place.
    #[error("`{0}` holds no log: it has no checkpoint")]
    NoLog(String),
    /// A file cannot be read.
    #[error("`{path}` cannot be read")]
    File {
        /// Which file.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// The database is of a newer build, or of an older one; the message says the way out.
    #[cfg(any(feature = "sqlite", feature = "postgres"))]
    #[error(transparent)]
    Schema(MigrateError),
    /// The database cannot be read.
    #[error("the log cannot be read")]
    Unreadable(#[source] Box<dyn std::error::Error + Send + Sync>),
}

#[cfg(feature = "sqlite")]
impl From<rusqlite::Error> for SourceError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Unreadable(Box::new(error))
    }
}

#[cfg(any(feature = "sqlite", feature = "postgres"))]
impl From<crate::store::StoreError> for SourceError {
    fn from(error: crate::store::StoreError) -> Self {
        match error {
            crate::store::StoreError::Schema(error) => Self::Schema(error),
            other => Self::Unreadable(Box::new(other)),
        }
    }
}

#[cfg(feature = "sqlite")]
impl From<gov_store::sqlite::OpenError> for SourceError {
    fn from(error: gov_store::sqlite::OpenError) -> Self {
        match error {
            gov_store::sqlite::OpenError::Migrate(error) => Self::Schema(error),
            other => Self::Unreadable(Box::new(other)),
        }
    }
}

/// The entries of one bundle.
pub(crate) enum BundleOf {
    /// Nothing of it is there; what that is called in messages.
    Absent(String),
    /// As far as they are there, one behind the other.
    Bytes(Vec<u8>),
}

/// The payloads of one bundle.
pub(crate) enum PayloadsOf {
    /// None of this epoch is kept here.
    NotKept,
    /// They should be here and are not.
    Missing,
    /// They are not as they are written.
    Bad,
    /// Ascending by `seq`, at most one a record.
    Lines(Vec<PayloadLine>),
}

/// Hands out what is stored, unjudged.
pub(crate) trait Source {
    /// The epochs, ascending; what hinders finding them goes into the report.
    fn epochs(&mut self, report: &mut Report) -> Result<Vec<u64>, SourceError>;

    /// What a file of an epoch is called in messages.
    fn name(&self, epoch: u64, file: &str) -> String;

    /// The signed checkpoint.
    fn checkpoint(&mut self, epoch: u64) -> Result<Option<Vec<u8>>, SourceError>;

    /// The first checkpoint, of an epoch that was handed over.
    fn first_checkpoint(&mut self, epoch: u64) -> Result<Option<Vec<u8>>, SourceError>;

    /// The public key that lies beside the log.
    fn vkey(&mut self, epoch: u64) -> Result<Option<Vec<u8>>, SourceError>;

    /// Whether tiles that are not full are stored too.
    fn keeps_partial_tiles(&self) -> bool;

    /// The bytes of a tile.
    fn tile(&mut self, epoch: u64, place: TilePlace) -> Result<Option<Vec<u8>>, SourceError>;

    /// A bundle of entries.
    fn bundle(&mut self, epoch: u64, index: u64, width: u16) -> Result<BundleOf, SourceError>;

    /// The payloads of a bundle.
    fn payloads(&mut self, epoch: u64, index: u64, width: u16) -> Result<PayloadsOf, SourceError>;

    /// Finds what does not belong to a log of `size` records, and goes into the report.
    fn find_strays(
        &mut self,
        epoch: u64,
        size: u64,
        report: &mut Report,
    ) -> Result<(), SourceError>;
}
