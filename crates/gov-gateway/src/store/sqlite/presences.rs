//! Which servers there are.

use rusqlite::{Connection, params};

use super::time;
use crate::store::{Presence, StoreError, whole};

const TABLE: &str = "gateway_presence";

/// Replaces what the server noted before.
pub(super) fn put(db: &Connection, presence: &Presence) -> Result<(), StoreError> {
    let Presence { node, generation, seen_at } = presence;
    db.prepare_cached(
        "insert into gateway_presence (node, generation, seen_at) values (?1, ?2, ?3)
         on conflict (node) do update set
             generation = excluded.generation, seen_at = excluded.seen_at",
    )?
    .execute(params![node, whole(*generation), seen_at.as_micros()])?;
    db.prepare_cached("delete from gateway_presence where seen_at <= ?1")?
        .execute([presence.forgets().as_micros()])?;
    Ok(())
}

/// Forgets a server.
pub(super) fn remove(db: &Connection, node: &str) -> Result<(), StoreError> {
    db.prepare_cached("delete from gateway_presence where node = ?1")?.execute([node])?;
    Ok(())
}

/// All, by name.
pub(super) fn all(db: &Connection) -> Result<Vec<Presence>, StoreError> {
    let corrupt = |column| StoreError::Corrupt { table: TABLE, column };
    let mut all =
        db.prepare_cached("select node, generation, seen_at from gateway_presence order by node")?;
    let mut rows = all.query([])?;
    let mut presences = Vec::new();
    while let Some(row) = rows.next()? {
        presences.push(Presence {
            node: row.get(0)?,
            generation: u64::try_from(row.get::<_, i64>(1)?).map_err(|_| corrupt("generation"))?,
            seen_at: time(row.get(2)?).ok_or(corrupt("seen_at"))?,
        });
    }
    Ok(presences)
}
