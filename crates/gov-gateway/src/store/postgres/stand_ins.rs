//! Who decides for whom, and until when.

use gov_core::{PersonId, Timestamp};
use sqlx::{PgConnection, Row as _, postgres::PgRow};

use super::{Place, stamp};
use crate::{identity::StandIn, store::StoreError};

/// Adds a period; `false` if there is one from the same moment. One that somebody ended gives way.
pub(super) async fn insert(tx: &mut PgConnection, it: &StandIn) -> Result<bool, StoreError> {
    let added = sqlx::query(
        "insert into gateway_stand_in (person_id, stand_in_id, from_at, until_at)
         values ($1, $2, $3, $4)
         on conflict (person_id, stand_in_id, from_at) do update
             set until_at = excluded.until_at, ended_at = null
             where gateway_stand_in.ended_at is not null",
    )
    .bind(it.person_id.as_uuid())
    .bind(it.stand_in_id.as_uuid())
    .bind(stamp(it.from))
    .bind(stamp(it.until))
    .execute(tx)
    .await?;
    Ok(added.rows_affected() == 1)
}

/// Ends every period of a person that is not over at `at`; `false` if there is none.
pub(super) async fn end(
    tx: &mut PgConnection,
    person: PersonId,
    at: Timestamp,
) -> Result<bool, StoreError> {
    let ended = sqlx::query(
        "update gateway_stand_in set ended_at = $2
         where person_id = $1 and ended_at is null and until_at > $2",
    )
    .bind(person.as_uuid())
    .bind(stamp(at))
    .execute(tx)
    .await?;
    Ok(ended.rows_affected() > 0)
}

/// Every period that nobody ended, by person and time.
pub(super) async fn all(tx: &mut PgConnection) -> Result<Vec<StandIn>, StoreError> {
    let rows = sqlx::query(
        "select person_id, stand_in_id, from_at, until_at from gateway_stand_in
         where ended_at is null order by person_id, from_at, stand_in_id",
    )
    .fetch_all(tx)
    .await?;
    rows.iter().map(read).collect()
}

fn read(row: &PgRow) -> Result<StandIn, StoreError> {
    const HERE: Place = Place("gateway_stand_in");
    Ok(StandIn {
        person_id: PersonId::from_uuid(row.try_get("person_id")?),
        stand_in_id: PersonId::from_uuid(row.try_get("stand_in_id")?),
        from: HERE.time(row, "from_at")?,
        until: HERE.time(row, "until_at")?,
    })
}
