//! The last run of the server.

use gov_core::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, params};

use super::time;
use crate::store::{Run, StoreError};

/// The last run of the server; `None` before the first.
///
/// # Errors
///
/// [`StoreError`].
pub fn last_run(db: &Connection) -> Result<Option<Run>, StoreError> {
    let corrupt = |column| StoreError::Corrupt { table: "gateway_run", column };
    let row = db
        .prepare_cached("select boot_id, started_at, ended_at from gateway_run")?
        .query_row([], |row| Ok((row.get(0)?, row.get(1)?, row.get::<_, Option<i64>>(2)?)))
        .optional()?;
    let Some((boot_id, started_at, ended_at)) = row else { return Ok(None) };
    let started_at = time(started_at).ok_or_else(|| corrupt("started_at"))?;
    Ok(Some(Run { boot_id, started_at, ended_at: ended_at.and_then(time) }))
}

/// Replaces the last run.
///
/// # Errors
///
/// [`StoreError::Unavailable`].
pub fn put_run(db: &Connection, run: &Run) -> Result<(), StoreError> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::sqlite::fixture::{at, database};

    #[test]
    fn there_is_one_last_run() {
        let db = database();
        assert_eq!(last_run(&db).unwrap(), None);
        let mut run = Run { boot_id: "b".into(), started_at: at(1), ended_at: None };
        put_run(&db, &run).unwrap();
        run.ended_at = Some(at(2));
        put_run(&db, &run).unwrap();
        assert_eq!(last_run(&db).unwrap(), Some(run));
    }
}
