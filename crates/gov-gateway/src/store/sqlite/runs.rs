//! The last run of the server.

use gov_core::Timestamp;
use rusqlite::{Connection, Row, params};

use super::{some_time, time};
use crate::store::{Run, StoreError};

const TABLE: &str = "gateway_run";

/// The last run of the server; `None` before the first.
pub(super) fn last(db: &Connection) -> Result<Option<Run>, StoreError> {
    let mut last = db.prepare_cached("select boot_id, started_at, ended_at from gateway_run")?;
    let mut rows = last.query([])?;
    rows.next()?.map(read).transpose()
}

fn read(row: &Row<'_>) -> Result<Run, StoreError> {
    let corrupt = StoreError::Corrupt { table: TABLE, column: "started_at" };
    Ok(Run {
        boot_id: row.get(0)?,
        started_at: time(row.get(1)?).ok_or(corrupt)?,
        ended_at: some_time(row, 2, TABLE, "ended_at")?,
    })
}

/// Replaces the last run.
pub(super) fn put(db: &Connection, run: &Run) -> Result<(), StoreError> {
    db.prepare_cached(
        "insert into gateway_run (one, boot_id, started_at, ended_at) values (1, ?1, ?2, ?3)
         on conflict (one) do update set
             boot_id = excluded.boot_id, started_at = excluded.started_at,
             ended_at = excluded.ended_at",
    )?
    .execute(params![
        run.boot_id,
        run.started_at.as_micros(),
        run.ended_at.map(Timestamp::as_micros),
    ])?;
    Ok(())
}
