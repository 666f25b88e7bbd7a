//! What is pruned, and the rows that go.

use std::collections::BTreeMap;

use sqlx::{PgConnection, Row as _, postgres::PgRow};

use crate::store::{StoreError, integer};

/// Below which index the entries of each epoch are pruned.
pub(crate) async fn pruned(
    connection: &mut PgConnection,
) -> Result<BTreeMap<u64, u64>, StoreError> {
    let sql = "select epoch, below from audit_log_pruned";
    let below = |row: PgRow| {
        let (epoch, below): (i64, i64) = (row.try_get("epoch")?, row.try_get("below")?);
        Ok((epoch.try_into()?, below.try_into()?))
    };
    sqlx::query(sql).fetch_all(connection).await?.into_iter().map(below).collect()
}

/// Lets the entries of an epoch go below an index.
pub(crate) async fn set_pruned(
    connection: &mut PgConnection,
    epoch: u64,
    below: u64,
) -> Result<(), StoreError> {
    let sql = "insert into audit_log_pruned (epoch, below) values ($1, $2)
               on conflict (epoch) do update set below = excluded.below
               where excluded.below > audit_log_pruned.below";
    let upsert = sqlx::query(sql).bind(integer(epoch)?).bind(integer(below)?);
    upsert.execute(connection).await?;
    Ok(())
}

/// Deletes the entries after `seq` up to and with `last`, payloads and all, and keeps their ids;
/// tells how many entries went. Another node may do the same at once: each row goes once.
pub(crate) async fn delete_rows(
    connection: &mut PgConnection,
    epoch: u64,
    (seq, last): (u64, u64),
) -> Result<u64, StoreError> {
    let sql = "with entries as (
                   delete from audit_log_entry
                   where epoch = $1 and seq > $2 and seq <= $3 returning record_id, seq
               ), payloads as (
                   delete from audit_log_payload where epoch = $1 and seq > $2 and seq <= $3
               ), ids as (
                   insert into audit_log_pruned_record (record_id, epoch, seq)
                   select record_id, $1, seq from entries on conflict (record_id) do nothing
               )
               select count(*) as gone from entries";
    let delete = sqlx::query(sql).bind(integer(epoch)?).bind(integer(seq)?).bind(integer(last)?);
    Ok(delete.fetch_one(connection).await?.try_get::<i64, _>("gone")?.try_into()?)
}
