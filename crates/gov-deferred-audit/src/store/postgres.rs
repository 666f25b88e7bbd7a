//! Keeps the log of a deployment in PostgreSQL, tables `audit_log_*`.
//!
//! Nothing here decides: the functions read and write rows, inside the transaction of their caller.

use std::collections::HashMap;

use gov_core::RecordId;
use gov_store::migrations::{Component, Migration};
use sqlx::{AssertSqlSafe, PgConnection, PgPool, Postgres, Row as _, Transaction, postgres::PgRow};
use uuid::Uuid;

use super::{Head, StoreError, StoredEntry, integer};
use crate::{
    signed_log::batch::NewRow,
    sink::AppendOutcome,
    tlog::{Hash, tile::FullTile},
};

mod dead_letters;
mod pruned;
mod snapshot;
mod stored_tail;

pub(crate) use self::{
    dead_letters::{
        dead_letter, dead_letters, dead_letters_after, delete_dead_letters, insert_dead_letter,
        set_why,
    },
    pruned::{delete_rows, pruned, set_pruned},
    snapshot::Snapshot,
    stored_tail::StoredTail,
    stored_tail::full_tile,
};

/// The tables of the log.
pub const COMPONENT: Component = Component {
    name: "audit_log",
    migrations: &[
        Migration {
            version: 1,
            what: "signed log",
            sql: include_str!("../../migrations/postgres/0001_signed_log.sql"),
            min_reader: 1,
        },
        Migration {
            version: 2,
            what: "pruning",
            sql: include_str!("../../migrations/postgres/0002_pruning.sql"),
            // An older build would take what was pruned for lost, and append it again.
            min_reader: 2,
        },
    ],
};

/// Held while the first key is made: the ASCII bytes of `gov_alog`.
const BEGIN_LOCK: i64 = 0x676f_765f_616c_6f67;

/// A batch waits no longer for the head than this; the sink says so, and tries again. A node that
/// hangs inside its transaction loses it after five seconds, and with it the head.
const BEGIN_BATCH: &str = "begin isolation level read committed;
     set local synchronous_commit = on;
     set local lock_timeout = '2s';
     set local idle_in_transaction_session_timeout = '5s'";

const HEAD: &str = "select epoch, vkey, size, root, note, first_note from audit_log_checkpoint";

/// Begins what ends with a durable commit.
pub(crate) async fn begin(pool: &PgPool) -> Result<Transaction<'static, Postgres>, StoreError> {
    Ok(pool.begin_with(BEGIN_BATCH).await?)
}

/// Whether the tables are those that this build reads; for who does not bring them up to date.
pub(crate) async fn check_readable(pool: &PgPool) -> Result<(), StoreError> {
    let mut connection = pool.acquire().await?;
    Ok(gov_store::postgres::check_readable(&mut connection, &COMPONENT).await?)
}

/// A connection that holds the lock of who begins the log, until it is dropped.
pub(crate) async fn lock_beginning(pool: &PgPool) -> Result<PgConnection, StoreError> {
    // Taken out of the pool: the lock goes with the connection, whatever happens.
    let mut connection = pool.acquire().await?.detach();
    let lock = "select pg_advisory_lock($1)";
    sqlx::query(lock).bind(BEGIN_LOCK).execute(&mut connection).await?;
    Ok(connection)
}

/// Keeps every other writer away until the transaction ends.
pub(crate) async fn lock_heads(connection: &mut PgConnection) -> Result<(), StoreError> {
    sqlx::query("lock table audit_log_checkpoint in exclusive mode").execute(connection).await?;
    Ok(())
}

/// The latest epoch's head; `None` in an empty database.
pub(crate) async fn head(connection: &mut PgConnection) -> Result<Option<Head>, StoreError> {
    let sql = format!("{HEAD} order by epoch desc limit 1");
    let row = sqlx::query(AssertSqlSafe(sql)).fetch_optional(connection).await?;
    row.as_ref().map(read_head).transpose()
}

/// The head of `epoch`, which nobody else moves until the transaction ends.
pub(crate) async fn locked_head(
    connection: &mut PgConnection,
    epoch: u64,
) -> Result<Option<Head>, StoreError> {
    let sql = format!("{HEAD} where epoch = $1 for update");
    let row = sqlx::query(AssertSqlSafe(sql)).bind(integer(epoch)?).fetch_optional(connection);
    row.await?.as_ref().map(read_head).transpose()
}

fn read_head(row: &PgRow) -> Result<Head, StoreError> {
    let root: Vec<u8> = row.try_get("root")?;
    let corrupt = |_| StoreError::Corrupt("a root is not 32 bytes long".to_owned());
    Ok(Head {
        epoch: row.try_get::<i64, _>("epoch")?.try_into()?,
        vkey: row.try_get("vkey")?,
        size: row.try_get::<i64, _>("size")?.try_into()?,
        root: Hash::try_from(root).map_err(corrupt)?,
        note: row.try_get("note")?,
        first_note: row.try_get("first_note")?,
    })
}

/// Begins an epoch.
pub(crate) async fn insert_head(
    connection: &mut PgConnection,
    head: &Head,
) -> Result<(), StoreError> {
    sqlx::query(
        "insert into audit_log_checkpoint (epoch, vkey, size, root, note, first_note)
         values ($1, $2, $3, $4, $5, $6)",
    )
    .bind(integer(head.epoch)?)
    .bind(&head.vkey)
    .bind(integer(head.size)?)
    .bind(head.root.as_slice())
    .bind(&head.note)
    .bind(&head.first_note)
    .execute(connection)
    .await?;
    Ok(())
}

/// Moves an epoch's head.
pub(crate) async fn update_head(
    connection: &mut PgConnection,
    epoch: u64,
    size: u64,
    root: &Hash,
    note: &str,
) -> Result<(), StoreError> {
    let sql = "update audit_log_checkpoint set size = $2, root = $3, note = $4 where epoch = $1";
    let update = sqlx::query(sql).bind(integer(epoch)?).bind(integer(size)?);
    update.bind(root.as_slice()).bind(note).execute(connection).await?;
    Ok(())
}

/// What the database knows of some records, and which epoch is the latest.
pub(crate) struct Known {
    pub(crate) epoch: u64,
    pub(crate) outcomes: HashMap<RecordId, AppendOutcome>,
}

/// Looks some records up, in the log and in the dead letters. Asked once the head is locked, as a
/// statement of its own: it then sees all that was committed before the lock was given.
pub(crate) async fn known(
    connection: &mut PgConnection,
    ids: impl Iterator<Item = RecordId>,
) -> Result<Known, StoreError> {
    let ids: Vec<Uuid> = ids.map(RecordId::as_uuid).collect();
    let rows = sqlx::query(
        "select null::uuid as record_id, max(epoch) as number from audit_log_checkpoint
         union all
         select record_id, seq from audit_log_entry where record_id = any($1)
         union all
         select record_id, seq from audit_log_pruned_record where record_id = any($1)
         union all
         select record_id, null from audit_log_dead_letter where record_id = any($1)",
    )
    .bind(ids)
    .fetch_all(connection)
    .await?;
    let mut known = Known { epoch: 0, outcomes: HashMap::new() };
    for row in &rows {
        let id: Option<Uuid> = row.try_get("record_id")?;
        let number: Option<i64> = row.try_get("number")?;
        let number = number.map(u64::try_from).transpose()?;
        match (id.map(RecordId::from_uuid), number) {
            (None, number) => known.epoch = number.unwrap_or(0),
            (Some(id), Some(seq)) => {
                known.outcomes.entry(id).or_insert(AppendOutcome::Appended { seq });
            }
            // A dead letter stays one until a command takes it out.
            (Some(id), None) => {
                known.outcomes.insert(id, AppendOutcome::DlqLanded);
            }
        }
    }
    Ok(known)
}

/// Writes entries and payloads.
pub(crate) async fn insert_rows(
    connection: &mut PgConnection,
    epoch: u64,
    rows: &[NewRow<'_>],
) -> Result<(), StoreError> {
    let seqs = rows.iter().map(|it| integer(it.seq)).collect::<Result<Vec<_>, _>>()?;
    let ids: Vec<Uuid> = rows.iter().map(|it| it.id.as_uuid()).collect();
    let entries: Vec<&[u8]> = rows.iter().map(|it| it.entry.as_slice()).collect();
    let salts: Vec<&[u8]> = rows.iter().map(|it| it.payload.salt().as_slice()).collect();
    let payloads: Vec<&[u8]> = rows.iter().map(|it| it.payload.as_bytes()).collect();
    sqlx::query(
        "with entries as (
             insert into audit_log_entry (epoch, seq, record_id, entry)
             select $1, * from unnest($2::bigint[], $3::uuid[], $4::bytea[])
         )
         insert into audit_log_payload (epoch, seq, salt, payload)
         select $1, * from unnest($2::bigint[], $5::bytea[], $6::bytea[])",
    )
    .bind(integer(epoch)?)
    .bind(seqs)
    .bind(ids)
    .bind(entries)
    .bind(salts)
    .bind(payloads)
    .execute(connection)
    .await?;
    Ok(())
}

/// Writes one full tile.
pub(crate) async fn insert_tile(
    connection: &mut PgConnection,
    epoch: u64,
    tile: &FullTile,
) -> Result<(), StoreError> {
    let sql = "insert into audit_log_tile (epoch, level, tile, hashes) values ($1, $2, $3, $4)";
    let insert = sqlx::query(sql).bind(integer(epoch)?).bind(i16::from(tile.level));
    let insert = insert.bind(integer(tile.index)?).bind(tile.hashes.as_flattened());
    insert.execute(connection).await?;
    Ok(())
}

/// Where a record lies, or lay before it was pruned, as `(epoch, seq)`.
pub(crate) async fn find(
    connection: &mut PgConnection,
    id: RecordId,
) -> Result<Option<(u64, u64)>, StoreError> {
    let sql = "select epoch, seq from audit_log_entry where record_id = $1
               union all
               select epoch, seq from audit_log_pruned_record where record_id = $1";
    let row = sqlx::query(sql).bind(id.as_uuid()).fetch_optional(connection).await?;
    let place = |row: PgRow| {
        let (epoch, seq): (i64, i64) = (row.try_get("epoch")?, row.try_get("seq")?);
        Ok((epoch.try_into()?, seq.try_into()?))
    };
    row.map(place).transpose()
}

/// At most `limit` entries after `seq`, in order.
pub(crate) async fn entries_after(
    connection: &mut PgConnection,
    (epoch, seq): (u64, u64),
    limit: u64,
) -> Result<Vec<StoredEntry>, StoreError> {
    let sql = "select seq, entry from audit_log_entry where epoch = $1 and seq > $2
               order by seq limit $3";
    let select = sqlx::query(sql).bind(integer(epoch)?).bind(integer(seq)?).bind(integer(limit)?);
    let rows = select.fetch_all(connection).await?;
    let entry = |row: PgRow| Ok((row.try_get::<i64, _>("seq")?.try_into()?, row.try_get("entry")?));
    rows.into_iter().map(entry).collect()
}
