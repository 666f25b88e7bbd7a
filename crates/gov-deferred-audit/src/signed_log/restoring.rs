//! Puts back what a database lost, from an export that holds all that the outside copy knows.

use std::{
    cmp::Ordering,
    path::{Path, PathBuf},
};

use gov_core::{AuditEventKind, Clock, Payload, RecordId, Timestamp};
use gov_store::{crash, sqlite::WriteError};
use parking_lot::Mutex;
use serde_json::json;

use super::{
    LogConfig, OpenError, Place, ReadLogError,
    append::{AppendError, Appender},
    open::{blocking, copy, open_copy},
    sqlite::SqliteLog,
};
use crate::{
    record::LogRecord,
    store::{
        Head, LogRows, StoreError,
        tree::{Nodes, checked_edge},
    },
    tlog::{edge::Edge, proof},
    verify::{Finding, SourceError},
};

mod export;
mod rows;

use self::export::Export;

/// What was put back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restored {
    /// The epoch that goes on.
    pub epoch: u64,
    /// What the database had.
    pub from: Place,
    /// What it has again; the record that says so comes behind it.
    pub to: Place,
    /// The record that says so.
    pub record: RecordId,
}

/// Nothing was put back; the database is as it was.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RestoreError {
    /// Copy, keys or database cannot be used: as from opening.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The outside copy is empty: nothing says how far the log was.
    #[error(
        "the outside copy `{0}` knows no checkpoint, so nothing says how far the log was; bring it \
         back first"
    )]
    NothingKnown(PathBuf),
    /// There is nothing to put back: open the log as always.
    #[error("nothing to restore: the database has all that the export has, {0}")]
    NothingMissing(Place),
    /// The export cannot be read.
    #[error("the export cannot be read")]
    Unreadable(#[from] SourceError),
    /// The export is older than what is known to be signed: take a later one, or accept the loss.
    #[error(
        "the export has {export}, and the outside copy knows {outside}: it is too old to restore \
         from; if the database lacks records, take a later export, or run `gov audit \
         accept-rollback --reason <text>`"
    )]
    Behind {
        /// What the export has.
        export: Place,
        /// What the outside copy knows.
        outside: Place,
    },
    /// The export was made without payloads, which would then be missing for ever.
    #[error("the export has no payloads, and a log is restored with them; take one that has them")]
    NoPayloads,
    /// Entries that the database lost are not in the export, which was pruned.
    #[error(
        "the export is pruned: the entries from index {index} of epoch {epoch} on are not in it; \
         take one from before the pruning"
    )]
    Pruned {
        /// In which epoch.
        epoch: u64,
        /// The first index of the bundle that is missing.
        index: u64,
    },
    /// The export is not what was signed: take another one.
    #[error("the export is not what was signed: {0}; take another one")]
    NotWhole(Finding),
    /// Whether the export is what was signed cannot be told.
    #[error("the export could not be judged: {0}")]
    NotJudged(String),
    /// The database holds records that the export does not: another history.
    #[error(
        "the database has {database}, which did not become what the export has; move the database \
         away and run it again: all of it is restored then"
    )]
    OtherHistory {
        /// What the database has.
        database: Place,
    },
}

impl From<StoreError> for RestoreError {
    fn from(error: StoreError) -> Self {
        Self::Open(ReadLogError::from(error).into())
    }
}

/// Puts back the records that the SQLite database of a log at rest has lost, all of it if it is
/// gone, from the export at `export`. Entries, payloads, tiles and the signed checkpoint come back
/// in one transaction, and with them a record that says so.
///
/// The export must verify under the log's public keys, payloads included; it must have grown out of
/// the last checkpoint of the outside copy; and the database must have been on the way to it. It
/// may be ahead of the copy, which trails: then all of it is put back, for it was signed.
///
/// The caller holds the lock of the data directory; afterwards [`SignedLog::open`] opens the log.
///
/// [`SignedLog::open`]: super::SignedLog::open
///
/// # Errors
///
/// [`RestoreError`]; nothing was put back.
pub async fn restore_tail(
    config: LogConfig,
    clock: &dyn Clock,
    export: &Path,
) -> Result<Restored, RestoreError> {
    let (dir, now) = (export.to_owned(), clock.now());
    let prepare = move || -> Result<_, RestoreError> {
        let (outside, found) = open_copy(&config.places())?;
        let Some(known) = found.last else {
            return Err(RestoreError::NothingKnown(config.outside_copy));
        };
        // Judged before a missing database is made.
        let export = Export::judged(&dir, &config.keys, &known)?;
        let log = SqliteLog::open(&config.database, now)?;
        Ok((outside, export, log))
    };
    let (outside, export, log) = blocking(move || Ok(prepare())).await??;
    let put_back = put_back(&log, export, now).await;
    log.close().await;
    let (restored, note) = put_back?;
    copy(outside, clock, note).await?;
    Ok(restored)
}

async fn put_back(
    log: &SqliteLog,
    mut export: Export,
    now: Timestamp,
) -> Result<(Restored, String), RestoreError> {
    let heads = export.heads.clone();
    let start =
        log.read(move |rows| Ok(Start::of(rows, &heads))).await.map_err(OpenError::from)??;
    let (from, to) = (start.place, export.end());
    let record = said(from, to, now)?;
    let restored = Restored { epoch: to.epoch, from, to, record: record.id };
    let job = move |tx: &rusqlite::Transaction<'_>| {
        rows::write(tx, &mut export, start)?;
        append(tx, &export, record, now)
    };
    let note = log.transact(job).await.map_err(|error| match error {
        WriteError::Job(error) => error,
        other => RestoreError::Open(OpenError::Unavailable(Box::new(other))),
    })?;
    crash::point("log-restore-after-commit");
    Ok((restored, note))
}

/// Where the database ends, and so what comes first.
struct Start {
    place: Place,
    edge: Edge,
}

impl Start {
    /// Compares the database with the epochs of the export.
    fn of(rows: &mut dyn LogRows, wanted: &[Head]) -> Result<Self, RestoreError> {
        let stored = rows.heads()?;
        let Some(last) = stored.last() else {
            return Ok(Self { place: Place { epoch: 0, size: 0 }, edge: Edge::default() });
        };
        let place = place_of(last);
        let is_ahead = wanted.last().is_some_and(|it| at(it) <= at(last));
        for head in &stored {
            let Some(target) = wanted.iter().find(|it| it.epoch == head.epoch) else { continue };
            let on_the_way = match head.size.cmp(&target.size) {
                // What comes behind it must make the signed root.
                Ordering::Less => head.epoch == last.epoch,
                Ordering::Equal => head.root == target.root,
                Ordering::Greater => {
                    let mut nodes = Nodes::new(rows, head.epoch, head.size);
                    is_ahead && proof::root(&mut nodes, target.size)? == target.root
                }
            };
            if !on_the_way || target.vkey != head.vkey {
                return Err(RestoreError::OtherHistory { database: place });
            }
        }
        if is_ahead {
            return Err(RestoreError::NothingMissing(place));
        }
        Ok(Self { place, edge: checked_edge(rows, last)? })
    }
}

fn at(head: &Head) -> (u64, u64) {
    (head.epoch, head.size)
}

fn place_of(head: &Head) -> Place {
    Place { epoch: head.epoch, size: head.size }
}

/// The record of what was put back.
fn said(from: Place, to: Place, now: Timestamp) -> Result<LogRecord, OpenError> {
    let place = |it: Place| json!({"epoch": it.epoch, "size": it.size});
    let payload = Payload::seal(&json!({"from": place(from), "to": place(to)}))
        .map_err(|error| OpenError::Unavailable(Box::new(error)))?;
    Ok(LogRecord {
        id: RecordId::at(now),
        at: now,
        kind: AuditEventKind::AdminTailRestored,
        agent_id: None,
        session_id: None,
        policy_version: None,
        verdict: None,
        payload,
    })
}

/// Appends the record behind what was put back; the rows must make the signed root for that. Gives
/// the checkpoint.
fn append(
    tx: &rusqlite::Transaction<'_>,
    export: &Export,
    record: LogRecord,
    now: Timestamp,
) -> Result<String, RestoreError> {
    let (epoch, key, tail) = (export.end().epoch, export.key.verifier(), Mutex::new(None));
    let sign = |message: &[u8]| Ok(export.key.sign(message));
    let appender = Appender { epoch, key: &key, sign: &sign, tail: &tail, now };
    let (_, head) = appender.append(tx, &[record]).map_err(|error| match error {
        AppendError::Store(error) => error.into(),
        other => RestoreError::Open(OpenError::Unavailable(Box::new(other))),
    })?;
    Ok(head.checkpoint)
}
