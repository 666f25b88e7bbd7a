//! The history of changes, and how far the signed log has followed it.

use gov_core::{AgentId, AuditEventKind, Payload};
use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::{name, natural, time, whole};
use crate::store::{Change, HistoryRow, StoreError};

const TABLE: &str = "gateway_history";

/// Writes a change into the history, in the transaction that makes it; gives its position.
pub(super) fn insert(db: &Connection, change: &Change) -> Result<u64, StoreError> {
    let position = db
        .prepare_cached(
            "insert into gateway_history (at, kind, agent_id, policy_version, payload, salt)
             values (?1, ?2, ?3, ?4, ?5, ?6)",
        )?
        .insert(params![
            change.at.as_micros(),
            change.kind.as_str(),
            change.agent_id.as_ref().map(AgentId::as_str),
            change.policy_version.map(whole),
            change.payload.as_bytes(),
            change.payload.salt(),
        ])?;
    natural(position).ok_or(corrupt("history_id"))
}

/// Whether a policy was ever activated.
pub(super) fn tells_of_a_policy(db: &Connection) -> Result<bool, StoreError> {
    let kind = AuditEventKind::PolicyActivated;
    let mut found = db.prepare_cached("select 1 from gateway_history where kind = ?1 limit 1")?;
    Ok(found.exists([kind.as_str()])?)
}

/// At most `limit` changes behind `position`, the oldest first.
pub(super) fn after(
    db: &Connection,
    position: u64,
    limit: u32,
) -> Result<Vec<HistoryRow>, StoreError> {
    let mut statement = db.prepare_cached(
        "select history_id, at, kind, agent_id, policy_version, payload, salt
         from gateway_history where history_id > ?1 order by history_id limit ?2",
    )?;
    let mut rows = statement.query(params![whole(position), limit])?;
    let mut changes = Vec::new();
    while let Some(row) = rows.next()? {
        changes.push(read(row)?);
    }
    Ok(changes)
}

fn read(row: &Row<'_>) -> Result<HistoryRow, StoreError> {
    let kind: String = row.get(2)?;
    let Ok(kind) = kind.parse::<AuditEventKind>();
    let version: Option<i64> = row.get(4)?;
    let policy_version =
        version.map(u64::try_from).transpose().map_err(|_| corrupt("policy_version"))?;
    Ok(HistoryRow {
        position: natural(row.get(0)?).ok_or(corrupt("history_id"))?,
        change: Change {
            at: time(row.get(1)?).ok_or(corrupt("at"))?,
            kind,
            agent_id: name(row, 3, TABLE, "agent_id")?,
            policy_version,
            payload: Payload::from_parts(row.get(5)?, row.get(6)?),
        },
    })
}

/// The last row of the history; 0 before there is one.
pub(super) fn last(db: &Connection) -> Result<u64, StoreError> {
    let last = "select coalesce(max(history_id), 0) from gateway_history";
    let last = db.prepare_cached(last)?.query_row([], |row| row.get(0))?;
    natural(last).ok_or(corrupt("history_id"))
}

/// Up to which row of the history the signed log has all; 0 at first.
pub(super) fn cursor(db: &Connection) -> Result<u64, StoreError> {
    let cursor = db
        .prepare_cached("select cursor from gateway_feed")?
        .query_row([], |row| row.get(0))
        .optional()?;
    natural(cursor.unwrap_or(0))
        .ok_or(StoreError::Corrupt { table: "gateway_feed", column: "cursor" })
}

/// Moves the cursor ahead.
pub(super) fn set_cursor(db: &Connection, position: u64) -> Result<(), StoreError> {
    db.prepare_cached(
        "insert into gateway_feed (one, cursor) values (1, ?1)
         on conflict (one) do update set cursor = max(cursor, excluded.cursor)",
    )?
    .execute([whole(position)])?;
    Ok(())
}

fn corrupt(column: &'static str) -> StoreError {
    StoreError::Corrupt { table: TABLE, column }
}
