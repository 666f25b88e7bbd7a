//! The last run of each server.

use sqlx::{PgConnection, Row as _};

use super::{Place, stamp};
use crate::store::{Run, StoreError};

/// The last run of `node`; `None` before its first.
pub(super) async fn last(tx: &mut PgConnection, node: &str) -> Result<Option<Run>, StoreError> {
    const HERE: Place = Place("gateway_run");
    let row = sqlx::query("select boot_id, started_at, ended_at from gateway_run where node = $1")
        .bind(node)
        .fetch_optional(tx)
        .await?;
    let Some(row) = row else { return Ok(None) };
    Ok(Some(Run {
        boot_id: row.try_get("boot_id")?,
        started_at: HERE.time(&row, "started_at")?,
        ended_at: HERE.some_time(&row, "ended_at")?,
    }))
}

/// Replaces the last run of `node`.
pub(super) async fn put(tx: &mut PgConnection, node: &str, run: &Run) -> Result<(), StoreError> {
    sqlx::query(
        "insert into gateway_run (node, boot_id, started_at, ended_at) values ($1, $2, $3, $4)
         on conflict (node) do update set
             boot_id = excluded.boot_id, started_at = excluded.started_at,
             ended_at = excluded.ended_at",
    )
    .bind(node)
    .bind(&run.boot_id)
    .bind(stamp(run.started_at))
    .bind(run.ended_at.map(stamp))
    .execute(tx)
    .await?;
    Ok(())
}
