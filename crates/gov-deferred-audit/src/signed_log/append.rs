//! One batch, one transaction of SQLite: rows, full tiles, root and signed checkpoint.

use std::collections::HashMap;

use gov_core::{RecordId, Timestamp};
use gov_store::crash;
use parking_lot::Mutex;
use rusqlite::Connection;

use super::{
    LogHead,
    backend::Tail,
    batch::Plan,
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
    tlog::{edge::Edge, key::VerifierKey},
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
        let head = self.head(connection)?;
        let edge = self.edge(connection, &head)?;
        let known = not_among_entries(connection, batch)?;
        let plan = Plan::new(edge.clone(), self.key.name(), known, batch);
        let plan = if self.write(connection, &plan)? {
            plan
        } else {
            let known = known_among(connection, batch)?;
            let plan = Plan::new(edge, self.key.name(), known, batch);
            if !self.write(connection, &plan)? {
                return Err(StoreError::Corrupt("a record id is there and is not".into()).into());
            }
            plan
        };
        if plan.rows.is_empty() {
            let checkpoint = head.note.unwrap_or_default();
            let head = LogHead { epoch: head.epoch, size: head.size, checkpoint };
            return Ok((plan.outcomes, head));
        }
        let head = self.sign_head(connection, plan.edge)?;
        Ok((plan.outcomes, head))
    }

    /// The head, if it is of this epoch.
    pub(super) fn head(&self, connection: &Connection) -> Result<Head, AppendError> {
        let head = store::head(connection)?
            .ok_or_else(|| StoreError::Corrupt("it has no head".to_owned()))?;
        if head.epoch != self.epoch {
            return Err(AppendError::OtherEpoch { wanted: self.epoch, found: head.epoch });
        }
        Ok(head)
    }

    /// The edge that the head row speaks of: from memory, or read again if that is another one.
    pub(super) fn edge(&self, connection: &Connection, head: &Head) -> Result<Edge, AppendError> {
        let known = self.tail.lock().clone();
        if let Some(tail) = known
            && tail.edge.size() == head.size
            && tail.root == head.root
        {
            return Ok(tail.edge);
        }
        Ok(checked_edge(&mut &*connection, head)?)
    }

    /// Writes rows and tiles, or nothing and gives false: a record of it is in the log already.
    /// That is rare, so nobody asks before.
    fn write(&self, connection: &Connection, plan: &Plan<'_>) -> Result<bool, AppendError> {
        connection.prepare_cached("savepoint log_batch")?.execute([])?;
        // After an error the caller's own savepoint undoes this one too.
        let written = self.write_rows(connection, plan)?;
        if !written {
            connection.prepare_cached("rollback to log_batch")?.execute([])?;
        }
        connection.prepare_cached("release log_batch")?.execute([])?;
        Ok(written)
    }

    fn write_rows(&self, connection: &Connection, plan: &Plan<'_>) -> Result<bool, AppendError> {
        let mut rows = store::Rows::of(connection, self.epoch)?;
        for row in &plan.rows {
            match rows.insert_entry(row.seq, row.id, &row.entry) {
                Err(StoreError::Sqlite(error)) if store::is_known_record(&error) => {
                    return Ok(false);
                }
                other => other?,
            }
            rows.insert_payload(row.seq, row.payload)?;
        }
        for (record, why) in &plan.dead {
            store::insert_dead_letter(connection, record, why, self.now)?;
        }
        plan.tiles.iter().try_for_each(|it| store::insert_tile(connection, self.epoch, it))?;
        Ok(true)
    }

    /// Signs the edge and makes it the head.
    pub(super) fn sign_head(
        &self,
        connection: &Connection,
        edge: Edge,
    ) -> Result<LogHead, AppendError> {
        let (size, root) = (edge.size(), edge.root());
        let text = unsigned(self.key, size, &root);
        let signature = (self.sign)(text.as_bytes())?;
        let checkpoint = with_signature(text, self.key, signature);
        store::update_head(connection, self.epoch, size, &root, &checkpoint)?;
        crash::point("log-before-commit");
        // If the commit fails the head row tells, and the edge is read again.
        *self.tail.lock() = Some(Tail { edge, root });
        Ok(LogHead { epoch: self.epoch, size, checkpoint })
    }
}

/// What of the batch lies in the dead letters, where it stays, or is pruned: no entry shows it.
fn not_among_entries(
    connection: &Connection,
    batch: &[LogRecord],
) -> Result<HashMap<RecordId, AppendOutcome>, StoreError> {
    let mut known = HashMap::with_capacity(batch.len());
    let dead_letters = store::has_dead_letters(connection)?;
    let pruned = store::has_pruned(connection)?;
    if !dead_letters && !pruned {
        return Ok(known);
    }
    for record in batch {
        if dead_letters && store::is_dead_letter(connection, record.id)? {
            known.insert(record.id, AppendOutcome::DlqLanded);
        } else if pruned && let Some((_, seq)) = store::find_pruned(connection, record.id)? {
            known.insert(record.id, AppendOutcome::Appended { seq });
        }
    }
    Ok(known)
}

/// What of the batch lies in the dead letters or in the log, pruned or not.
fn known_among(
    connection: &Connection,
    batch: &[LogRecord],
) -> Result<HashMap<RecordId, AppendOutcome>, StoreError> {
    let mut known = not_among_entries(connection, batch)?;
    for record in batch {
        if let Some((_, seq)) = store::find(connection, record.id)? {
            known.insert(record.id, AppendOutcome::Appended { seq });
        }
    }
    Ok(known)
}
