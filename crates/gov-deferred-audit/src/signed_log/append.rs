//! One batch, one transaction of SQLite: rows, full tiles, root and signed checkpoint.

use gov_core::Timestamp;
use gov_store::crash;
use parking_lot::Mutex;
use rusqlite::Connection;

use super::{
    LogHead,
    backend::Tail,
    batch::encode,
    checkpoint::{unsigned, with_signature},
};
use crate::{
    record::LogRecord,
    signer::SignError,
    sink::AppendOutcome,
    store::{
        Head, StoreError,
        sqlite::{self as store},
        tree::checked_edge,
    },
    tlog::{edge::Edge, key::VerifierKey, leaf_hash, tile::FullTile},
};

/// Why a batch was not appended; nothing of it was.
#[derive(Debug, thiserror::Error)]
pub(super) enum AppendError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Sign(#[from] SignError),
    /// The head is of another epoch: somebody accepted a rollback beside us.
    #[error("the log is in epoch {found} now, this process writes epoch {wanted}")]
    OtherEpoch { wanted: u64, found: u64 },
}

impl From<rusqlite::Error> for AppendError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Store(error.into())
    }
}

/// Signs one message, on the writer's thread.
pub(super) type Sign<'a> = dyn Fn(&[u8]) -> Result<[u8; 64], SignError> + 'a;

/// What a batch needs beside its records.
pub(super) struct Appender<'a> {
    pub(super) epoch: u64,
    pub(super) key: &'a VerifierKey,
    pub(super) sign: &'a Sign<'a>,
    pub(super) tail: &'a Mutex<Option<Tail>>,
    pub(super) now: Timestamp,
}

impl Appender<'_> {
    /// Appends the batch inside the caller's transaction, and tells how far the log is then.
    ///
    /// Where nothing is new nothing is signed; the state is told all the same, since the caller of
    /// the batch that brought it may have gone away.
    pub(super) fn append(
        &self,
        connection: &Connection,
        batch: &[LogRecord],
    ) -> Result<(Vec<AppendOutcome>, LogHead), AppendError> {
        let head = store::head(connection)?
            .ok_or_else(|| StoreError::Corrupt("it has no head".to_owned()))?;
        if head.epoch != self.epoch {
            return Err(AppendError::OtherEpoch { wanted: self.epoch, found: head.epoch });
        }
        let mut edge = self.edge(connection, &head)?;
        let dead_letters = store::has_dead_letters(connection)?;
        let mut rows = store::Rows::of(connection, self.epoch)?;
        let outcomes = batch
            .iter()
            .map(|record| {
                if dead_letters && store::is_dead_letter(connection, record.id)? {
                    return Ok(AppendOutcome::DlqLanded);
                }
                self.append_one(connection, &mut rows, &mut edge, record)
            })
            .collect::<Result<_, AppendError>>()?;
        if edge.size() == head.size {
            let checkpoint = head.note.unwrap_or_default();
            return Ok((outcomes, LogHead { epoch: head.epoch, size: head.size, checkpoint }));
        }
        Ok((outcomes, self.sign_head(connection, &edge)?))
    }

    /// The edge that the head row speaks of: from memory, or read again if that is another one.
    fn edge(&self, connection: &Connection, head: &Head) -> Result<Edge, AppendError> {
        let known = self.tail.lock().clone();
        if let Some(tail) = known
            && tail.edge.size() == head.size
            && tail.root == head.root
        {
            return Ok(tail.edge);
        }
        Ok(checked_edge(&mut &*connection, head)?)
    }

    fn append_one(
        &self,
        connection: &Connection,
        rows: &mut store::Rows<'_>,
        edge: &mut Edge,
        record: &LogRecord,
    ) -> Result<AppendOutcome, AppendError> {
        let seq = edge.size() + 1;
        let entry = match encode(record, seq, self.key.name()) {
            Ok(entry) => entry,
            Err(why) => {
                store::insert_dead_letter(connection, record, &why, self.now)?;
                return Ok(AppendOutcome::DlqLanded);
            }
        };
        match rows.insert_entry(seq, record.id, &entry) {
            Ok(()) => (),
            Err(StoreError::Sqlite(error)) if store::is_known_record(&error) => {
                let place = store::find(connection, record.id)?;
                let (_, seq) = place.ok_or(StoreError::Sqlite(error))?;
                return Ok(AppendOutcome::Appended { seq });
            }
            Err(error) => return Err(error.into()),
        }
        rows.insert_payload(seq, &record.payload)?;
        let mut full = Vec::new();
        edge.push(leaf_hash(&entry), &mut |tile: FullTile| full.push(tile));
        full.iter().try_for_each(|tile| store::insert_tile(connection, self.epoch, tile))?;
        Ok(AppendOutcome::Appended { seq })
    }

    fn sign_head(&self, connection: &Connection, edge: &Edge) -> Result<LogHead, AppendError> {
        let (size, root) = (edge.size(), edge.root());
        let text = unsigned(self.key, size, &root);
        let signature = (self.sign)(text.as_bytes())?;
        let checkpoint = with_signature(text, self.key, signature);
        store::update_head(connection, self.epoch, size, &root, &checkpoint)?;
        crash::point("log-before-commit");
        // If the commit fails the head row tells, and the edge is read again.
        *self.tail.lock() = Some(Tail { edge: edge.clone(), root });
        Ok(LogHead { epoch: self.epoch, size, checkpoint })
    }
}
