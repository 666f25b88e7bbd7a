//! Who decides for whom, and until when.

use gov_core::{PersonId, Timestamp};
use rusqlite::{Connection, Row, params};

use super::{
    people::{bytes, person_id},
    time,
};
use crate::{identity::StandIn, store::StoreError};

/// Adds a period; `false` if there is one from the same moment. One that somebody ended gives way.
pub(super) fn insert(db: &Connection, it: &StandIn) -> Result<bool, StoreError> {
    let added = db
        .prepare_cached(
            "insert into gateway_stand_in (person_id, stand_in_id, from_at, until_at)
             values (?1, ?2, ?3, ?4)
             on conflict (person_id, stand_in_id, from_at) do update
                 set until_at = excluded.until_at, ended_at = null
                 where gateway_stand_in.ended_at is not null",
        )?
        .execute(params![
            bytes(it.person_id),
            bytes(it.stand_in_id),
            it.from.as_micros(),
            it.until.as_micros(),
        ])?;
    Ok(added == 1)
}

/// Ends every period of a person that is not over at `at`; `false` if there is none.
pub(super) fn end(db: &Connection, person: PersonId, at: Timestamp) -> Result<bool, StoreError> {
    let ended = db
        .prepare_cached(
            "update gateway_stand_in set ended_at = ?2
             where person_id = ?1 and ended_at is null and until_at > ?2",
        )?
        .execute(params![bytes(person), at.as_micros()])?;
    Ok(ended > 0)
}

/// Every period that nobody ended, by person and time.
pub(super) fn all(db: &Connection) -> Result<Vec<StandIn>, StoreError> {
    let mut statement = db.prepare_cached(
        "select person_id, stand_in_id, from_at, until_at from gateway_stand_in
         where ended_at is null order by person_id, from_at, stand_in_id",
    )?;
    let mut rows = statement.query([])?;
    let mut stand_ins = Vec::new();
    while let Some(row) = rows.next()? {
        stand_ins.push(read(row)?);
    }
    Ok(stand_ins)
}

fn read(row: &Row<'_>) -> Result<StandIn, StoreError> {
    let corrupt = |column| StoreError::Corrupt { table: "gateway_stand_in", column };
    Ok(StandIn {
        person_id: person_id(row, 0)?,
        stand_in_id: person_id(row, 1)?,
        from: time(row.get(2)?).ok_or_else(|| corrupt("from_at"))?,
        until: time(row.get(3)?).ok_or_else(|| corrupt("until_at"))?,
    })
}
