//! Where the log lies: what is read from it, one file a backend, and SQL in no other.

use std::{collections::BTreeMap, num::TryFromIntError};

use gov_core::RecordId;

use gov_store::migrations::MigrateError;

use crate::tlog::{Hash, edge::EdgeError};

#[cfg(feature = "postgres")]
pub mod postgres;
#[cfg(feature = "sqlite")]
pub mod sqlite;
pub(crate) mod tree;

/// Why rows could not be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// SQLite failed, or a constraint refused.
    #[cfg(feature = "sqlite")]
    #[error(transparent)]
    Sqlite(#[from] rusqlite::Error),
    /// PostgreSQL failed or could not be reached, or a constraint refused.
    #[cfg(feature = "postgres")]
    #[error(transparent)]
    Postgres(#[from] sqlx::Error),
    /// The tables are not those that this build reads; the message says the way out.
    #[error(transparent)]
    Schema(#[from] MigrateError),
    /// What is stored is no log: it was changed from outside.
    #[error("the stored log is corrupt: {0}")]
    Corrupt(String),
    /// The reading ended early.
    #[error("a reader of the log panicked or was stopped")]
    Stopped(#[from] tokio::task::JoinError),
}

impl StoreError {
    /// What left the dead letters cannot land there in the same transaction.
    pub(crate) fn landed_again() -> Self {
        Self::Corrupt("what leaves the dead letters is among them".to_owned())
    }
}

impl From<TryFromIntError> for StoreError {
    fn from(_: TryFromIntError) -> Self {
        Self::Corrupt("a number is out of range".to_owned())
    }
}

impl From<EdgeError> for StoreError {
    fn from(error: EdgeError) -> Self {
        Self::Corrupt(error.to_string())
    }
}

/// The state of one epoch as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) epoch: u64,
    pub(crate) vkey: String,
    pub(crate) size: u64,
    pub(crate) root: Hash,
    /// The signed checkpoint; `None` for an epoch of which nothing is left.
    pub(crate) note: Option<String>,
    /// The first one, where it hands over from the epoch before.
    pub(crate) first_note: Option<String>,
}

/// A payload as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StoredPayload {
    pub(crate) seq: u64,
    pub(crate) salt: [u8; 16],
    pub(crate) payload: Vec<u8>,
}

/// An entry as it is stored: `(seq, entry)`.
pub(crate) type StoredEntry = (u64, Vec<u8>);

/// What a tree is rebuilt and proved from.
pub(crate) trait TreeRows {
    /// At most `limit` entries after `(epoch, seq)`, in order.
    fn entries_after(
        &mut self,
        place: (u64, u64),
        limit: u64,
    ) -> Result<Vec<StoredEntry>, StoreError>;

    /// A full tile's hashes; `None` if it is not stored.
    fn full_tile(
        &mut self,
        epoch: u64,
        level: u8,
        index: u64,
    ) -> Result<Option<Vec<Hash>>, StoreError>;
}

/// One state of a whole log, read from a thread that may block.
pub(crate) trait LogRows: TreeRows {
    /// The heads of all epochs, the first first.
    fn heads(&mut self) -> Result<Vec<Head>, StoreError>;

    /// The payloads after `seq` up to and with `last`, in order.
    fn payloads(
        &mut self,
        epoch: u64,
        seq: u64,
        last: u64,
    ) -> Result<Vec<StoredPayload>, StoreError>;

    /// Where a record lies, or lay before it was pruned, as `(epoch, seq)`.
    fn find(&mut self, id: RecordId) -> Result<Option<(u64, u64)>, StoreError>;

    /// Below which index the entries of each epoch may be gone: what is stored, unjudged.
    fn pruned(&mut self) -> Result<BTreeMap<u64, u64>, StoreError>;

    /// How many rows of a kind an epoch has beyond its `size`: entries, then payloads, then tiles.
    fn beyond(&mut self, epoch: u64, size: u64) -> Result<[u64; 3], StoreError>;

    /// How many rows of a kind lie in epochs after the `last`: entries, then payloads, then tiles.
    fn after_epoch(&mut self, last: u64) -> Result<[u64; 3], StoreError>;

    /// How many ids are kept as those of pruned entries, and lie where none was pruned.
    fn misplaced_ids(&mut self) -> Result<u64, StoreError>;

    /// The first entry of an epoch whose row is filed under another id than its own: its `seq`.
    fn misfiled(&mut self, epoch: u64) -> Result<Option<u64>, StoreError>;
}

/// A stored tile as hashes, if it is full.
fn whole_tile(bytes: &[u8], level: u8, index: u64) -> Result<Vec<Hash>, StoreError> {
    let hashes = crate::tlog::tile::decode(bytes).filter(|it| it.len() == 256);
    hashes.ok_or_else(|| corrupt_tile(level, index))
}

fn corrupt_tile(level: u8, index: u64) -> StoreError {
    StoreError::Corrupt(format!("tile {index} of level {level} is missing or no tile"))
}

/// As both databases count: signed.
fn integer(number: u64) -> Result<i64, StoreError> {
    Ok(number.try_into()?)
}
