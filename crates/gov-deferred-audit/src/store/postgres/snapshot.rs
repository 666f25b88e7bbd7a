//! One state of a log, read by code that knows nothing of a database's futures.

use std::collections::BTreeMap;

use gov_core::RecordId;
use sqlx::{PgConnection, PgPool, Postgres, Row as _, Transaction, postgres::PgRow};
use tokio::runtime::Handle;

use super::{HEAD, entries_after, find, full_tile, pruned, read_head};
use crate::{
    store::{Head, LogRows, StoreError, StoredEntry, StoredPayload, TreeRows, integer},
    tlog::Hash,
};

/// One read-only transaction, used from a thread that may block.
pub(crate) struct Snapshot {
    tx: Transaction<'static, Postgres>,
    runtime: Handle,
}

impl Snapshot {
    /// Runs `job` on the state of now, on a thread that may block.
    pub(crate) async fn read<T, E>(
        pool: &PgPool,
        job: impl FnOnce(&mut Self) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        let begin = pool.begin_with("begin isolation level repeatable read read only").await;
        let mut snapshot =
            Self { tx: begin.map_err(StoreError::from)?, runtime: Handle::current() };
        let work = tokio::task::spawn_blocking(move || {
            let read = job(&mut snapshot);
            (snapshot, read)
        });
        let (snapshot, read) = work.await.map_err(StoreError::from)?;
        // Nothing was written; what was read is read, also if this fails.
        if let Err(error) = snapshot.tx.rollback().await {
            tracing::debug!(%error, "a read transaction could not be ended in order");
        }
        read
    }

    fn wait<T>(
        &mut self,
        job: impl AsyncFnOnce(&mut PgConnection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.runtime.block_on(job(&mut self.tx))
    }
}

impl TreeRows for Snapshot {
    fn entries_after(
        &mut self,
        place: (u64, u64),
        limit: u64,
    ) -> Result<Vec<StoredEntry>, StoreError> {
        self.wait(async |connection| entries_after(connection, place, limit).await)
    }

    fn full_tile(
        &mut self,
        epoch: u64,
        level: u8,
        index: u64,
    ) -> Result<Option<Vec<Hash>>, StoreError> {
        self.wait(async |connection| full_tile(connection, epoch, level, index).await)
    }
}

impl LogRows for Snapshot {
    fn heads(&mut self) -> Result<Vec<Head>, StoreError> {
        self.wait(async |connection| {
            let sql = sqlx::AssertSqlSafe(format!("{HEAD} order by epoch"));
            let rows = sqlx::query(sql).fetch_all(connection).await?;
            rows.iter().map(read_head).collect()
        })
    }

    fn payloads(
        &mut self,
        epoch: u64,
        seq: u64,
        last: u64,
    ) -> Result<Vec<StoredPayload>, StoreError> {
        self.wait(async |connection| {
            let sql = "select seq, salt, payload from audit_log_payload
                       where epoch = $1 and seq > $2 and seq <= $3 order by seq";
            let select = sqlx::query(sql).bind(integer(epoch)?).bind(integer(seq)?);
            let rows = select.bind(integer(last)?).fetch_all(connection).await?;
            rows.iter().map(payload).collect()
        })
    }

    fn find(&mut self, id: RecordId) -> Result<Option<(u64, u64)>, StoreError> {
        self.wait(async |connection| find(connection, id).await)
    }

    fn pruned(&mut self) -> Result<BTreeMap<u64, u64>, StoreError> {
        self.wait(async |connection| pruned(connection).await)
    }

    fn beyond(&mut self, epoch: u64, size: u64) -> Result<[u64; 3], StoreError> {
        self.wait(async |connection| {
            let row = sqlx::query(
                "select
                     (select count(*) from audit_log_entry where epoch = $1 and seq > $2) as entries,
                     (select count(*) from audit_log_payload where epoch = $1 and seq > $2)
                         as payloads,
                     (select count(*) from audit_log_tile
                      where epoch = $1 and tile >= ($2 >> (8 * (level + 1)))) as tiles",
            )
            .bind(integer(epoch)?)
            .bind(integer(size)?)
            .fetch_one(connection)
            .await?;
            counts(&row)
        })
    }

    fn after_epoch(&mut self, last: u64) -> Result<[u64; 3], StoreError> {
        self.wait(async |connection| {
            let row = sqlx::query(
                "select
                     (select count(*) from audit_log_entry where epoch > $1) as entries,
                     (select count(*) from audit_log_payload where epoch > $1) as payloads,
                     (select count(*) from audit_log_tile where epoch > $1) as tiles",
            )
            .bind(integer(last)?)
            .fetch_one(connection)
            .await?;
            counts(&row)
        })
    }

    fn misplaced_ids(&mut self) -> Result<u64, StoreError> {
        self.wait(async |connection| {
            let sql = "select (select count(*) from audit_log_pruned_record) - (
                           select count(distinct (kept.epoch, kept.seq))
                           from audit_log_pruned_record kept
                           join audit_log_checkpoint head on head.epoch = kept.epoch
                           where kept.seq between 1 and head.size and not exists (
                               select 1 from audit_log_entry entry
                               where entry.epoch = kept.epoch and entry.seq = kept.seq
                           )
                       ) as count";
            let row = sqlx::query(sql).fetch_one(connection).await?;
            Ok(row.try_get::<i64, _>("count")?.try_into()?)
        })
    }

    fn misfiled(&mut self, epoch: u64) -> Result<Option<u64>, StoreError> {
        self.wait(async |connection| {
            // In an entry these bytes are its own id: within a text a quote has its escape before
            // it.
            let sql = "select seq from audit_log_entry
                       where epoch = $1 and position(convert_to(
                           ',\"id\":\"rec_' || replace(record_id::text, '-', '') || '\"', 'UTF8'
                       ) in entry) = 0 order by seq limit 1";
            let row = sqlx::query(sql).bind(integer(epoch)?).fetch_optional(connection).await?;
            row.map(|row| Ok(row.try_get::<i64, _>("seq")?.try_into()?)).transpose()
        })
    }
}

/// Of entries, payloads and tiles.
fn counts(row: &PgRow) -> Result<[u64; 3], StoreError> {
    let count = |column| Ok::<u64, StoreError>(row.try_get::<i64, _>(column)?.try_into()?);
    Ok([count("entries")?, count("payloads")?, count("tiles")?])
}

fn payload(row: &PgRow) -> Result<StoredPayload, StoreError> {
    let salt: Vec<u8> = row.try_get("salt")?;
    let corrupt = |_| StoreError::Corrupt("a salt is not 16 bytes long".to_owned());
    Ok(StoredPayload {
        seq: row.try_get::<i64, _>("seq")?.try_into()?,
        salt: salt.try_into().map_err(corrupt)?,
        payload: row.try_get("payload")?,
    })
}
