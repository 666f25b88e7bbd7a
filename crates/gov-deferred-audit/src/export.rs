//! Writes a log as plain files that outside tools read: a static C2SP tlog.
//!
//! `DIR/{checkpoint, vkey, tile/<L>/…, tile/entries/…, payload/…}` for the current epoch, older
//! ones alike in `DIR/epoch/<n>/`, and `first-checkpoint` where an epoch was handed over.
//! `docs/formats/export.md` has the whole layout.

use std::{
    collections::BTreeSet,
    io,
    path::{Path, PathBuf},
};

use gov_store::migrations::MigrateError;

use crate::{
    payload_file::PayloadLine,
    pruned::first_prunable,
    store::{Head, LogRows, StoreError, tree},
    tlog::{
        bundle,
        tile::{self, TILE_WIDTH, TilePlace, bundles_of, index_path, tiles_of},
    },
};

mod target;

use self::target::Target;
#[cfg(feature = "postgres")]
use crate::store::postgres::Snapshot;

/// What goes out.
#[derive(Clone, Copy, Debug)]
pub struct ExportOptions {
    /// Whether payloads go with it. They may hold what agents sent; without them an auditor can
    /// prove that a record is in the log, but not what it was about.
    pub with_payloads: bool,
}

impl Default for ExportOptions {
    fn default() -> Self {
        Self { with_payloads: true }
    }
}

/// What was written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Exported {
    /// The current epoch.
    pub epoch: u64,
    /// Its size.
    pub size: u64,
    /// Entries of all epochs that are pruned, and so not written. Where an earlier export wrote
    /// their bundles, those stay.
    pub pruned: u64,
    /// Files written; those that were there already as they must be are not counted.
    pub written: u64,
    /// Files of an earlier export that are no part of this one, and were removed.
    pub removed: u64,
    /// How many bytes all files of the export have together.
    pub bytes: u64,
}

/// The log was not exported, or only in part; run it again.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExportError {
    /// The directory holds something else.
    #[error("`{0}` is not empty and no export of this log; name another directory")]
    Foreign(PathBuf),
    /// The database holds no log.
    #[error("the database holds no log yet; start the server once")]
    NoLog,
    /// What is stored is no log: it was changed from outside.
    #[error("the log is corrupt: {0}; run `gov audit verify`")]
    Corrupt(String),
    /// The database is of a newer build, or of an older one; the message says the way out.
    #[error(transparent)]
    Schema(MigrateError),
    /// The database cannot be read.
    #[error("the log's database cannot be read")]
    Unreadable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A file cannot be written.
    #[error("`{path}` cannot be written")]
    File {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl From<StoreError> for ExportError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Corrupt(what) => Self::Corrupt(what),
            StoreError::Schema(error) => Self::Schema(error),
            other => Self::Unreadable(Box::new(other)),
        }
    }
}

#[cfg(feature = "sqlite")]
impl From<gov_store::sqlite::OpenError> for ExportError {
    fn from(error: gov_store::sqlite::OpenError) -> Self {
        match error {
            gov_store::sqlite::OpenError::Migrate(error) => Self::Schema(error),
            other => Self::Unreadable(Box::new(other)),
        }
    }
}

/// Exports the log in `database` to `dir`, also beside the server that writes it: what comes out is
/// the state of one checkpoint. An earlier export of the same log is brought up to date.
///
/// Each file appears whole or not at all, and `checkpoint` last. Does blocking I/O.
///
/// # Errors
///
/// [`ExportError`]; an earlier export may be half renewed, and is again whole after another run.
#[cfg(feature = "sqlite")]
pub fn export(
    database: &Path,
    dir: &Path,
    options: ExportOptions,
) -> Result<Exported, ExportError> {
    let connection = crate::store::sqlite::open_read_only(database)?;
    // One state of the file for everything that is read.
    let snapshot = connection.unchecked_transaction().map_err(StoreError::from)?;
    write(&mut &*snapshot, dir, options)
}

/// Exports the log in the database of `pool` to `dir`, like `export` from a SQLite file.
///
/// # Errors
///
/// As from `export`.
#[cfg(feature = "postgres")]
pub async fn export_postgres(
    pool: &sqlx::PgPool,
    dir: &Path,
    options: ExportOptions,
) -> Result<Exported, ExportError> {
    crate::store::postgres::check_readable(pool).await?;
    let dir = dir.to_owned();
    let job = move |rows: &mut Snapshot| write(rows, &dir, options);
    Snapshot::read(pool, job).await
}

fn write(
    rows: &mut dyn LogRows,
    dir: &Path,
    options: ExportOptions,
) -> Result<Exported, ExportError> {
    let heads = rows.heads()?;
    let Some(current) = heads.last() else { return Err(ExportError::NoLog) };
    let vkeys: BTreeSet<_> = heads.iter().map(|head| format!("{}\n", head.vkey)).collect();
    let said = rows.pruned()?;
    let mut pruned = 0;
    let mut target = Target::open(dir, &vkeys)?;
    let below = |head: &Head| {
        if head.epoch == current.epoch {
            PathBuf::new()
        } else {
            Path::new("epoch").join(head.epoch.to_string())
        }
    };
    for head in heads.iter().rev() {
        let below = below(head);
        let pruned_below = said.get(&head.epoch).copied().unwrap_or(0);
        let mut epoch =
            EpochExport { rows: &mut *rows, head, options, below, pruned_below, pruned: 0 };
        epoch.write(&mut target)?;
        pruned += epoch.pruned;
    }
    for head in &heads {
        if let Some(note) = &head.note {
            target.put(&below(head).join("checkpoint"), note.as_bytes())?;
        }
    }
    target.finish()?;
    Ok(Exported {
        epoch: current.epoch,
        size: current.size,
        pruned,
        written: target.written,
        removed: target.removed,
        bytes: target.bytes,
    })
}

struct EpochExport<'a> {
    rows: &'a mut dyn LogRows,
    head: &'a Head,
    options: ExportOptions,
    /// The epoch's directory, below the export's.
    below: PathBuf,
    /// Below which index its entries may be gone. Whoever verifies goes by what is signed.
    pruned_below: u64,
    /// How many entries were not there.
    pruned: u64,
}

impl EpochExport<'_> {
    fn write(&mut self, target: &mut Target) -> Result<(), ExportError> {
        // First: it marks the directory as this log's, should the export be cut short.
        target.put(&self.below.join("vkey"), format!("{}\n", self.head.vkey).as_bytes())?;
        for (index, width) in bundles_of(self.head.size) {
            self.write_bundle(index, width, target)?;
        }
        let edge = tree::edge(self.rows, self.head.epoch, self.head.size)?;
        for place in tiles_of(self.head.size) {
            let hashes = if place.width == TILE_WIDTH {
                self.full_tile(place)?
            } else {
                tile::encode(edge.partial_tile(place.level))
            };
            target.put(&self.below.join(place.path()), &hashes)?;
        }
        if let Some(note) = &self.head.first_note {
            target.put(&self.below.join("first-checkpoint"), note.as_bytes())?;
        }
        Ok(())
    }

    fn full_tile(&mut self, place: TilePlace) -> Result<Vec<u8>, ExportError> {
        let hashes = self.rows.full_tile(self.head.epoch, place.level, place.index)?;
        let missing = || ExportError::Corrupt(format!("`{}` is missing", place.path()));
        Ok(tile::encode(&hashes.ok_or_else(missing)?))
    }

    fn write_bundle(
        &mut self,
        index: u64,
        width: u16,
        target: &mut Target,
    ) -> Result<(), ExportError> {
        let (epoch, first) = (self.head.epoch, index * u64::from(TILE_WIDTH));
        let path = index_path(index, width);
        let (entries, payloads) =
            (self.below.join("tile/entries").join(&path), self.below.join("payload").join(&path));
        if self.is_pruned(first)? {
            self.pruned += u64::from(width);
            target.keep(&entries);
            if self.options.with_payloads {
                target.keep(&payloads);
            }
            return Ok(());
        }
        let rows = self.rows.entries_after((epoch, first), width.into())?;
        let in_place = (first + 1..).zip(&rows).take_while(|(seq, row)| *seq == row.0).count();
        if in_place != usize::from(width) {
            let seq = first + u64::try_from(in_place).unwrap_or(0) + 1;
            return Err(ExportError::Corrupt(format!("record {seq} is missing")));
        }
        let mut bytes = Vec::new();
        for (_, entry) in &rows {
            bundle::push(&mut bytes, entry)
                .map_err(|error| ExportError::Corrupt(error.to_string()))?;
        }
        target.put(&entries, &bytes)?;
        if self.options.with_payloads {
            let last = first + u64::from(width);
            let mut file = Vec::new();
            for it in self.rows.payloads(epoch, first, last)? {
                PayloadLine { seq: it.seq, salt: it.salt, payload: it.payload }.write(&mut file);
            }
            target.put(&payloads, &file)?;
        }
        Ok(())
    }

    /// Whether the bundle that begins at `first` is pruned, and nothing of it is there.
    fn is_pruned(&mut self, first: u64) -> Result<bool, ExportError> {
        if !(first_prunable(self.head.epoch)..self.pruned_below).contains(&first) {
            return Ok(false);
        }
        let next = self.rows.entries_after((self.head.epoch, first), 1)?;
        Ok(next.first().is_none_or(|(seq, _)| *seq > first + u64::from(TILE_WIDTH)))
    }
}
