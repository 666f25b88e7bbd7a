//! The history of changes, and how far the signed log has followed it.

use gov_core::{AgentId, AuditEventKind, Payload};
use sqlx::{PgConnection, Row as _, postgres::PgRow};

use super::{Place, stamp, whole};
use crate::store::{Change, HistoryRow, StoreError};

const HERE: Place = Place("gateway_history");

/// Writes a change into the history, in the transaction that makes it; gives its position.
pub(super) async fn insert(tx: &mut PgConnection, change: &Change) -> Result<u64, StoreError> {
    let row = sqlx::query(
        "with next as (
             update gateway_history_end set position = position + 1 returning position)
         insert into gateway_history
             (history_id, at, kind, agent_id, policy_version, payload, salt)
         select position, $1, $2, $3, $4, $5, $6 from next returning history_id",
    )
    .bind(stamp(change.at))
    .bind(change.kind.as_str())
    .bind(change.agent_id.as_ref().map(AgentId::as_str))
    .bind(change.policy_version.map(whole))
    .bind(change.payload.as_bytes())
    .bind(change.payload.salt().as_slice())
    .fetch_one(tx)
    .await?;
    HERE.natural(&row, "history_id")
}

/// Whether a policy was ever activated.
pub(super) async fn tells_of_a_policy(tx: &mut PgConnection) -> Result<bool, StoreError> {
    let found = sqlx::query_scalar("select exists (select from gateway_history where kind = $1)")
        .bind(AuditEventKind::PolicyActivated.as_str())
        .fetch_one(tx)
        .await?;
    Ok(found)
}

/// At most `limit` changes behind `position`, the oldest first.
pub(super) async fn after(
    tx: &mut PgConnection,
    position: u64,
    limit: u32,
) -> Result<Vec<HistoryRow>, StoreError> {
    let rows = sqlx::query(
        "select history_id, at, kind, agent_id, policy_version, payload, salt
         from gateway_history where history_id > $1 order by history_id limit $2",
    )
    .bind(whole(position))
    .bind(i64::from(limit))
    .fetch_all(tx)
    .await?;
    rows.iter().map(read).collect()
}

fn read(row: &PgRow) -> Result<HistoryRow, StoreError> {
    let kind: String = row.try_get("kind")?;
    let Ok(kind) = kind.parse::<AuditEventKind>();
    let version: Option<i64> = row.try_get("policy_version")?;
    let policy_version =
        version.map(u64::try_from).transpose().map_err(|_| HERE.corrupt("policy_version"))?;
    Ok(HistoryRow {
        position: HERE.natural(row, "history_id")?,
        change: Change {
            at: HERE.time(row, "at")?,
            kind,
            agent_id: HERE.agent(row, "agent_id")?,
            policy_version,
            payload: Payload::from_parts(row.try_get("payload")?, HERE.bytes(row, "salt")?),
        },
    })
}

/// The last row of the history; 0 before there is one.
pub(super) async fn last(tx: &mut PgConnection) -> Result<u64, StoreError> {
    let row = sqlx::query("select position from gateway_history_end").fetch_one(tx).await?;
    Place("gateway_history_end").natural(&row, "position")
}

/// Up to which row of the history the signed log has all; 0 at first.
pub(super) async fn cursor(tx: &mut PgConnection) -> Result<u64, StoreError> {
    let row = sqlx::query("select cursor from gateway_feed").fetch_optional(tx).await?;
    row.map_or(Ok(0), |row| Place("gateway_feed").natural(&row, "cursor"))
}

/// Moves the cursor ahead.
pub(super) async fn set_cursor(tx: &mut PgConnection, position: u64) -> Result<(), StoreError> {
    sqlx::query(
        "insert into gateway_feed (one, cursor) values (true, $1)
         on conflict (one) do update
             set cursor = greatest(gateway_feed.cursor, excluded.cursor)",
    )
    .bind(whole(position))
    .execute(tx)
    .await?;
    Ok(())
}
