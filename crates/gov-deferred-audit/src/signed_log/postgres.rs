//! The log of a deployment on PostgreSQL: each batch is one transaction that holds the head's row.

use std::{collections::HashMap, sync::Arc};

use gov_core::{RecordId, Timestamp};
use gov_store::crash;
use parking_lot::Mutex;
use sqlx::{PgConnection, PgPool, PgTransaction};

use super::{
    LogHead, OpenError, ReadLogError,
    backend::{Appended, MakeFirst, NotAppended, Tail, Writing, chain},
    batch::{NewRow, Plan},
    checkpoint::{unsigned, with_signature},
    open::blocking,
    succession::Succession,
};
use crate::{
    dead_letter::{DeadLetter, LetterPlace},
    record::LogRecord,
    signer::SignError,
    sink::AppendOutcome,
    store::{
        Head, LogRows, StoreError,
        postgres::{self as store, Known, Snapshot, StoredTail},
        tree::{check_signed, checked_edge},
    },
    tlog::{Hash, edge::Edge, leaf_hashes, tile::TILE_WIDTH},
};

mod pruning;

/// So many records of other nodes are hashed to catch up; for more, the stored tail is read.
const CATCH_UP: u64 = 2048;

/// The classes of SQLSTATE that blame the values: data exception, integrity constraint, a limit of
/// the program, and what a trigger raises.
const AT_FAULT: [&str; 4] = ["22", "23", "54", "P0"];

/// The log's tables, as one of many nodes sees them.
#[derive(Debug)]
pub(super) struct PgLog {
    pool: PgPool,
    // INVARIANT: an end that was committed; the database may be ahead of it, never behind.
    pub(super) tail: Mutex<Option<Tail>>,
}

/// Why a batch was not appended.
#[derive(Debug, thiserror::Error)]
enum AppendError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Sign(#[from] SignError),
    #[error(transparent)]
    Log(#[from] ReadLogError),
}

impl PgLog {
    pub(super) fn new(pool: PgPool) -> Self {
        Self { pool, tail: Mutex::default() }
    }

    pub(super) async fn read<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut dyn LogRows) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, ReadLogError> {
        Ok(Snapshot::read(&self.pool, |snapshot| job(snapshot)).await?)
    }

    pub(super) async fn head(&self) -> Result<Option<Head>, ReadLogError> {
        Ok(store::head(&mut *self.connection().await?).await?)
    }

    /// Of several nodes at once the first makes the key, and the others find its head. The lock is
    /// the session's, so that no transaction waits for a disk.
    pub(super) async fn begin(&self, make: MakeFirst) -> Result<Head, OpenError> {
        let begin = async {
            let mut lock = store::lock_beginning(&self.pool).await?;
            let there = store::head(&mut lock).await?;
            Ok::<_, StoreError>((lock, there))
        };
        let (mut lock, there) = begin.await.map_err(ReadLogError::from)?;
        if let Some(there) = there {
            return Ok(there);
        }
        let head = blocking(make).await?;
        store::insert_head(&mut lock, &head).await.map_err(ReadLogError::from)?;
        Ok(head)
    }

    pub(super) fn set_tail(&self, tail: Tail) {
        *self.tail.lock() = Some(tail);
    }

    pub(super) async fn append(
        &self,
        writing: &Writing,
        batch: &Arc<[LogRecord]>,
        now: Timestamp,
    ) -> Result<Appended, NotAppended> {
        self.try_append(writing, batch, now).await.map_err(|error| next(&error))
    }

    async fn try_append(
        &self,
        writing: &Writing,
        batch: &[LogRecord],
        now: Timestamp,
    ) -> Result<Appended, AppendError> {
        let mut tx = store::begin(&self.pool).await?;
        let (appended, tail) = self.append_in(&mut tx, writing, batch, now).await?;
        self.commit(tx, tail).await?;
        Ok(appended)
    }

    pub(super) async fn release(
        &self,
        writing: &Writing,
        ids: &Arc<[RecordId]>,
        batch: &Arc<[LogRecord]>,
        now: Timestamp,
    ) -> Result<Option<Appended>, NotAppended> {
        self.try_release(writing, ids, batch, now).await.map_err(|error| next(&error))
    }

    async fn try_release(
        &self,
        writing: &Writing,
        ids: &[RecordId],
        batch: &[LogRecord],
        now: Timestamp,
    ) -> Result<Option<Appended>, AppendError> {
        let mut tx = store::begin(&self.pool).await?;
        // First, as everyone does: with the head in hand nobody touches the letters.
        store::locked_head(&mut tx, writing.epoch).await?;
        if store::delete_dead_letters(&mut tx, ids).await? != ids.len() as u64 {
            return Ok(None);
        }
        let (appended, tail) = self.append_in(&mut tx, writing, batch, now).await?;
        if appended.0.contains(&AppendOutcome::DlqLanded) {
            return Err(StoreError::landed_again().into());
        }
        crash::point("dlq-before-commit");
        self.commit(tx, tail).await?;
        Ok(Some(appended))
    }

    /// Writes the batch inside the caller's transaction; also the log's end, if it moves.
    async fn append_in(
        &self,
        tx: &mut PgConnection,
        writing: &Writing,
        batch: &[LogRecord],
        now: Timestamp,
    ) -> Result<(Appended, Option<Tail>), AppendError> {
        let Writing { epoch, key, .. } = writing;
        let ids = batch.iter().map(|record| record.id);
        let (head, outcomes) = locked(tx, *epoch, ids).await?;
        let edge = self.edge(tx, &head).await?;
        let plan = Plan::new(edge, key.name(), outcomes, batch);
        for (record, why) in &plan.dead {
            store::insert_dead_letter(tx, record, why, now).await?;
        }
        if plan.rows.is_empty() {
            let checkpoint = head.note.unwrap_or_default();
            let head = LogHead { epoch: *epoch, size: head.size, checkpoint };
            return Ok(((plan.outcomes, head), None));
        }
        store::insert_rows(tx, *epoch, &plan.rows).await?;
        for tile in &plan.tiles {
            store::insert_tile(tx, *epoch, tile).await?;
        }
        let (head, tail) = self.sign(tx, writing, plan.edge).await?;
        Ok(((plan.outcomes, head), Some(tail)))
    }

    /// Signs the edge and makes it the head.
    async fn sign(
        &self,
        tx: &mut PgConnection,
        Writing { epoch, key, signer }: &Writing,
        edge: Edge,
    ) -> Result<(LogHead, Tail), AppendError> {
        let (size, root) = (edge.size(), edge.root());
        let text = unsigned(key, size, &root);
        let signature = signer.sign(text.as_bytes()).await?;
        let checkpoint = with_signature(text, key, signature);
        store::update_head(tx, *epoch, size, &root, &checkpoint).await?;
        crash::point("log-before-commit");
        let head = LogHead { epoch: *epoch, size, checkpoint };
        Ok((head, Tail { edge, root }))
    }

    /// Commits, and only then remembers the log's end. If the answer is lost the batch is handed in
    /// again, and found by its ids.
    async fn commit(&self, tx: PgTransaction<'_>, tail: Option<Tail>) -> Result<(), StoreError> {
        tx.commit().await?;
        if let Some(tail) = tail {
            self.committed(tail);
        }
        Ok(())
    }

    /// The edge that the head row speaks of.
    ///
    /// What other nodes appended is hashed and put behind what this one knows, so a database that
    /// was put back, or whose end was replaced, is not signed again.
    async fn edge(&self, connection: &mut PgConnection, head: &Head) -> Result<Edge, AppendError> {
        let known = self.tail.lock().clone();
        let size = known.as_ref().map_or(0, |tail| tail.edge.size());
        if head.size < size {
            return Err(ReadLogError::RolledBack { known: size, found: head.size }.into());
        }
        match known {
            Some(tail) if tail.root == head.root && size == head.size => Ok(tail.edge),
            Some(mut tail) if head.size - size <= CATCH_UP => {
                check_signed(head)?;
                let leaves = leaves_after(connection, (head.epoch, size), head.size).await?;
                tail.edge.extend(&leaves, &mut |_| ());
                if (tail.edge.size(), tail.edge.root()) == (head.size, head.root) {
                    return Ok(tail.edge);
                }
                let why = "its head did not grow out of what this process knows";
                Err(StoreError::Corrupt(why.to_owned()).into())
            }
            _ => {
                let mut stored = StoredTail::read(connection, head).await?;
                Ok(checked_edge(&mut stored, head)?)
            }
        }
    }

    /// Remembers the end of a batch that is committed, unless a later one is remembered.
    fn committed(&self, tail: Tail) {
        let mut known = self.tail.lock();
        if known.as_ref().is_none_or(|it| it.edge.size() < tail.edge.size()) {
            *known = Some(tail);
        }
    }

    pub(super) async fn keep_dead(
        &self,
        part: &Arc<[LogRecord]>,
        why: &str,
        now: Timestamp,
    ) -> Result<Vec<AppendOutcome>, ReadLogError> {
        let mut tx = store::begin(&self.pool).await?;
        // With the head in hand nobody appends meanwhile what is kept here.
        let epoch = store::head(&mut tx).await?.map_or(0, |head| head.epoch);
        store::locked_head(&mut tx, epoch).await?;
        let ids = part.iter().map(|record| record.id);
        let mut outcomes = store::known(&mut tx, ids).await?.outcomes;
        let mut kept = Vec::with_capacity(part.len());
        for record in part.iter() {
            // What is known is where it belongs: an append whose answer was lost.
            if !outcomes.contains_key(&record.id) {
                store::insert_dead_letter(&mut tx, record, why, now).await?;
            }
            kept.push(*outcomes.entry(record.id).or_insert(AppendOutcome::DlqLanded));
        }
        tx.commit().await.map_err(StoreError::from)?;
        Ok(kept)
    }

    pub(super) async fn set_why(&self, id: RecordId, why: &str) -> Result<(), ReadLogError> {
        Ok(store::set_why(&mut *self.connection().await?, id, why).await?)
    }

    pub(super) async fn dead_letters_after(
        &self,
        after: Option<LetterPlace>,
        limit: u64,
    ) -> Result<Vec<DeadLetter>, ReadLogError> {
        Ok(store::dead_letters_after(&mut *self.connection().await?, after, limit).await?)
    }

    pub(super) async fn dead_letter(
        &self,
        id: RecordId,
    ) -> Result<Option<DeadLetter>, ReadLogError> {
        Ok(store::dead_letter(&mut *self.connection().await?, id).await?)
    }

    pub(super) async fn find(&self, id: RecordId) -> Result<Option<(u64, u64)>, ReadLogError> {
        Ok(store::find(&mut *self.connection().await?, id).await?)
    }

    pub(super) async fn dead_letters(&self) -> Result<u64, ReadLogError> {
        Ok(store::dead_letters(&mut *self.connection().await?).await?)
    }

    pub(super) async fn succeed(
        &self,
        ending: Option<&Head>,
        it: Succession,
    ) -> Result<(), OpenError> {
        let succeed = async {
            let mut tx = store::begin(&self.pool).await?;
            store::lock_heads(&mut tx).await?;
            if store::head(&mut tx).await?.as_ref() != ending {
                return Ok(false);
            }
            if let Some(lost) = &it.lost_head {
                store::insert_head(&mut tx, lost).await?;
            }
            let row = NewRow { seq: 1, id: it.record, payload: &it.payload, entry: it.entry };
            store::insert_rows(&mut tx, it.head.epoch, &[row]).await?;
            store::insert_head(&mut tx, &it.head).await?;
            tx.commit().await?;
            Ok::<_, StoreError>(true)
        };
        let done = succeed.await.map_err(ReadLogError::from)?;
        if done { Ok(()) } else { Err(OpenError::Moved) }
    }

    async fn connection(&self) -> Result<sqlx::pool::PoolConnection<sqlx::Postgres>, ReadLogError> {
        Ok(self.pool.acquire().await.map_err(StoreError::from)?)
    }
}

/// The leaves of an epoch's records after the first `known`, up to `size`: of the entries, or of
/// the tiles where those were pruned meanwhile.
async fn leaves_after(
    connection: &mut PgConnection,
    (epoch, known): (u64, u64),
    size: u64,
) -> Result<Vec<Hash>, StoreError> {
    let entries = store::entries_after(connection, (epoch, known), size - known).await?;
    let first = entries.first().map_or(size, |(seq, _)| seq - 1);
    let mut leaves = Vec::new();
    let width = u64::from(TILE_WIDTH);
    for tile in known / width..first.div_ceil(width) {
        let Some(hashes) = store::full_tile(connection, epoch, 0, tile).await? else { break };
        let hashes = (tile * width..).zip(hashes);
        leaves.extend(hashes.filter(|(at, _)| (known..first).contains(at)).map(|(_, it)| it));
    }
    leaves.extend(leaf_hashes(entries.iter().map(|(_, entry)| entry.as_slice())));
    Ok(leaves)
}

/// The head of `epoch`, which must be the latest, with its lock; and what is known of `ids`.
async fn locked(
    connection: &mut PgConnection,
    epoch: u64,
    ids: impl Iterator<Item = RecordId>,
) -> Result<(Head, HashMap<RecordId, AppendOutcome>), AppendError> {
    let head = store::locked_head(connection, epoch).await?;
    let head = head.ok_or_else(|| StoreError::Corrupt("it has no head".to_owned()))?;
    let Known { epoch: latest, outcomes } = store::known(connection, ids).await?;
    if latest != epoch {
        return Err(ReadLogError::OtherEpoch { wanted: epoch, found: latest }.into());
    }
    Ok((head, outcomes))
}

fn next(error: &AppendError) -> NotAppended {
    let why = chain(error);
    match error {
        AppendError::Store(StoreError::Postgres(error)) => match error {
            sqlx::Error::Database(error) if error.is_unique_violation() => NotAppended::Race(why),
            sqlx::Error::Database(error) if blames_the_values(error.code().as_deref()) => {
                NotAppended::GiveUp(why)
            }
            sqlx::Error::Encode(_) => NotAppended::GiveUp(why),
            // A conflict, a deadlock, a lost connection, an unknown commit, a full disk.
            _ => NotAppended::Wait(why),
        },
        // A broken log takes no record at all: that is no fault of this one.
        _ => NotAppended::Wait(why),
    }
}

fn blames_the_values(code: Option<&str>) -> bool {
    code.is_some_and(|code| AT_FAULT.iter().any(|class| code.starts_with(class)))
}
