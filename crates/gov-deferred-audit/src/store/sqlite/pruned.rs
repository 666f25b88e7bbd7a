//! What is pruned, and the rows that go.

use std::collections::BTreeMap;

use gov_core::RecordId;
use rusqlite::{Connection, OptionalExtension as _, params};

use super::{at, place};
use crate::store::{StoreError, integer};

/// Whether any record was pruned.
pub(crate) fn has_pruned(connection: &Connection) -> Result<bool, StoreError> {
    Ok(connection
        .prepare_cached("select exists (select 1 from audit_log_pruned_record)")?
        .query_row([], |row| row.get(0))?)
}

/// Where a pruned record lay, as `(epoch, seq)`.
pub(crate) fn find_pruned(
    connection: &Connection,
    id: RecordId,
) -> Result<Option<(u64, u64)>, StoreError> {
    let place: Option<i64> = connection
        .prepare_cached("select place from audit_log_pruned_record where record_id = ?1")?
        .query_row([id.as_uuid().as_bytes()], |row| row.get(0))
        .optional()?;
    place.map(at).transpose()
}

/// How many of the kept ids lie where an entry is, where another one is kept, or in no epoch.
pub(super) fn misplaced_ids(connection: &Connection) -> Result<u64, StoreError> {
    let sql = "select (select count(*) from audit_log_pruned_record) - (
                   select count(distinct kept.place) from audit_log_pruned_record kept
                   join audit_log_checkpoint head on head.epoch = kept.place >> 40
                   where kept.place & 0xffffffffff between 1 and head.size and not exists (
                       select 1 from audit_log_entry entry where entry.place = kept.place
                   )
               )";
    let count: i64 = connection.prepare_cached(sql)?.query_row([], |row| row.get(0))?;
    Ok(count.try_into()?)
}

/// Below which index the entries of each epoch are pruned.
pub(crate) fn pruned(connection: &Connection) -> Result<BTreeMap<u64, u64>, StoreError> {
    let mut statement = connection.prepare_cached("select epoch, below from audit_log_pruned")?;
    let mut rows = statement.query([])?;
    let mut below = BTreeMap::new();
    while let Some(row) = rows.next()? {
        below.insert(row.get::<_, i64>(0)?.try_into()?, row.get::<_, i64>(1)?.try_into()?);
    }
    Ok(below)
}

/// Lets the entries of an epoch go below an index.
pub(crate) fn set_pruned(
    connection: &Connection,
    epoch: u64,
    below: u64,
) -> Result<(), StoreError> {
    connection.execute(
        "insert into audit_log_pruned (epoch, below) values (?1, ?2)
         on conflict (epoch) do update set below = excluded.below
         where excluded.below > audit_log_pruned.below",
        [integer(epoch)?, integer(below)?],
    )?;
    Ok(())
}

/// Deletes the entries after `seq` up to and with `last`, payloads and all, and keeps their ids;
/// tells how many entries went.
pub(crate) fn delete_rows(
    connection: &Connection,
    epoch: u64,
    (seq, last): (u64, u64),
) -> Result<u64, StoreError> {
    let range = params![place(epoch, seq)?, place(epoch, last)?];
    connection
        .prepare_cached(
            "insert into audit_log_pruned_record (record_id, place)
             select record_id, place from audit_log_entry where place > ?1 and place <= ?2
             order by record_id on conflict (record_id) do nothing",
        )?
        .execute(range)?;
    let gone = connection
        .prepare_cached("delete from audit_log_entry where place > ?1 and place <= ?2")?
        .execute(range)?;
    connection
        .prepare_cached("delete from audit_log_payload where place > ?1 and place <= ?2")?
        .execute(range)?;
    Ok(u64::try_from(gone)?)
}
