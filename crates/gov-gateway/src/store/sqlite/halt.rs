//! The last halt.

use gov_core::Timestamp;
use rusqlite::{Connection, Row, params};

use super::{some_time, time};
use crate::{identity::Halt, store::StoreError};

const TABLE: &str = "gateway_halt";

/// The last halt; `None` before the first.
pub(super) fn last(db: &Connection) -> Result<Option<Halt>, StoreError> {
    let mut last =
        db.prepare_cached("select halted_at, reason, who, resumed_at from gateway_halt")?;
    let mut rows = last.query([])?;
    rows.next()?.map(read).transpose()
}

fn read(row: &Row<'_>) -> Result<Halt, StoreError> {
    let corrupt = StoreError::Corrupt { table: TABLE, column: "halted_at" };
    Ok(Halt {
        halted_at: time(row.get(0)?).ok_or(corrupt)?,
        reason: row.get(1)?,
        who: row.get(2)?,
        resumed_at: some_time(row, 3, TABLE, "resumed_at")?,
    })
}

/// Halts everything; `false` if it is halted.
pub(super) fn put(db: &Connection, halt: &Halt) -> Result<bool, StoreError> {
    let halted = db
        .prepare_cached(
            "insert into gateway_halt (one, halted_at, reason, who) values (1, ?1, ?2, ?3)
             on conflict (one) do update set
                 halted_at = excluded.halted_at, reason = excluded.reason, who = excluded.who,
                 resumed_at = null
                 where gateway_halt.resumed_at is not null",
        )?
        .execute(params![halt.halted_at.as_micros(), halt.reason, halt.who])?;
    Ok(halted == 1)
}

/// Ends the halt; `false` if there is none.
pub(super) fn end(db: &Connection, at: Timestamp) -> Result<bool, StoreError> {
    let ended = db
        .prepare_cached("update gateway_halt set resumed_at = ?1 where resumed_at is null")?
        .execute([at.as_micros()])?;
    Ok(ended == 1)
}
