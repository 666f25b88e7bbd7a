//! The last halt.

use gov_core::Timestamp;
use sqlx::{PgConnection, Row as _};

use super::{Place, stamp};
use crate::{identity::Halt, store::StoreError};

/// The last halt; `None` before the first.
pub(super) async fn last(tx: &mut PgConnection) -> Result<Option<Halt>, StoreError> {
    const HERE: Place = Place("gateway_halt");
    let last = "select halted_at, reason, who, resumed_at from gateway_halt";
    let Some(row) = sqlx::query(last).fetch_optional(tx).await? else { return Ok(None) };
    Ok(Some(Halt {
        halted_at: HERE.time(&row, "halted_at")?,
        reason: row.try_get("reason")?,
        who: row.try_get("who")?,
        resumed_at: HERE.some_time(&row, "resumed_at")?,
    }))
}

/// Halts everything; `false` if it is halted.
pub(super) async fn put(tx: &mut PgConnection, halt: &Halt) -> Result<bool, StoreError> {
    let halted = sqlx::query(
        "insert into gateway_halt (one, halted_at, reason, who) values (true, $1, $2, $3)
         on conflict (one) do update set
             halted_at = excluded.halted_at, reason = excluded.reason, who = excluded.who,
             resumed_at = null
             where gateway_halt.resumed_at is not null",
    )
    .bind(stamp(halt.halted_at))
    .bind(&halt.reason)
    .bind(&halt.who)
    .execute(tx)
    .await?;
    Ok(halted.rows_affected() == 1)
}

/// Ends the halt; `false` if there is none.
pub(super) async fn end(tx: &mut PgConnection, at: Timestamp) -> Result<bool, StoreError> {
    let end = "update gateway_halt set resumed_at = $1 where resumed_at is null";
    let ended = sqlx::query(end).bind(stamp(at)).execute(tx).await?;
    Ok(ended.rows_affected() == 1)
}
