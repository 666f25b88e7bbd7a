//! The history of changes, and how far the signed log has followed it.

use gov_core::{AgentId, AuditEventKind, Payload};
use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::{name, time, whole};
use crate::store::{Change, HistoryRow, StoreError};

/// Writes a change into the history: in the transaction that makes it.
///
/// # Errors
///
/// [`StoreError::Unavailable`].
pub fn insert_change(db: &Connection, change: &Change) -> Result<(), StoreError> {
    db.prepare_cached(
        "insert into gateway_history (at, kind, agent_id, policy_version, payload, salt)
         values (?1, ?2, ?3, ?4, ?5, ?6)",
    )?
    .execute(params![
        change.at.as_micros(),
        change.kind.as_str(),
        change.agent_id.as_ref().map(AgentId::as_str),
        change.policy_version.map(whole),
        change.payload.as_bytes(),
        change.payload.salt(),
    ])?;
    Ok(())
}

/// Whether a change of this kind was ever made.
///
/// # Errors
///
/// [`StoreError::Unavailable`].
pub fn has_change(db: &Connection, kind: &AuditEventKind) -> Result<bool, StoreError> {
    let mut found = db.prepare_cached("select 1 from gateway_history where kind = ?1 limit 1")?;
    Ok(found.exists([kind.as_str()])?)
}

/// At most `limit` changes after `after`, the oldest first.
///
/// # Errors
///
/// [`StoreError`].
pub fn changes_after(
    db: &Connection,
    after: i64,
    limit: u32,
) -> Result<Vec<HistoryRow>, StoreError> {
    let mut statement = db.prepare_cached(
        "select history_id, at, kind, agent_id, policy_version, payload, salt
         from gateway_history where history_id > ?1 order by history_id limit ?2",
    )?;
    let mut rows = statement.query(params![after, limit])?;
    let mut changes = Vec::new();
    while let Some(row) = rows.next()? {
        changes.push(read_change(row)?);
    }
    Ok(changes)
}

fn read_change(row: &Row<'_>) -> Result<HistoryRow, StoreError> {
    const TABLE: &str = "gateway_history";
    let corrupt = |column| StoreError::Corrupt { table: TABLE, column };
    let kind: String = row.get(2)?;
    let Ok(kind) = kind.parse::<AuditEventKind>();
    let version: Option<i64> = row.get(4)?;
    let policy_version =
        version.map(u64::try_from).transpose().map_err(|_| corrupt("policy_version"))?;
    Ok(HistoryRow {
        history_id: row.get(0)?,
        change: Change {
            at: time(row.get(1)?).ok_or_else(|| corrupt("at"))?,
            kind,
            agent_id: name(row, 3, TABLE, "agent_id")?,
            policy_version,
            payload: Payload::from_parts(row.get(5)?, row.get(6)?),
        },
    })
}

/// The last row of the history; 0 before there is one.
///
/// # Errors
///
/// [`StoreError::Unavailable`].
pub fn last_change(db: &Connection) -> Result<i64, StoreError> {
    let last = "select coalesce(max(history_id), 0) from gateway_history";
    Ok(db.prepare_cached(last)?.query_row([], |row| row.get(0))?)
}

/// Up to which row of the history the signed log has all; 0 at first.
///
/// # Errors
///
/// [`StoreError::Unavailable`].
pub fn feed_cursor(db: &Connection) -> Result<i64, StoreError> {
    let cursor = db
        .prepare_cached("select cursor from gateway_feed")?
        .query_row([], |row| row.get(0))
        .optional()?;
    Ok(cursor.unwrap_or(0))
}

/// Moves the cursor of the history.
///
/// # Errors
///
/// [`StoreError::Unavailable`].
pub fn set_feed_cursor(db: &Connection, cursor: i64) -> Result<(), StoreError> {
    db.prepare_cached(
        "insert into gateway_feed (one, cursor) values (1, ?1)
         on conflict (one) do update set cursor = excluded.cursor",
    )?
    .execute([cursor])?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::sqlite::fixture::{at, database};

    #[test]
    fn the_history_reads_back_in_order_and_cannot_be_rewritten() {
        let db = database();
        let change = |micros| Change {
            at: at(micros),
            kind: AuditEventKind::AgentRegistered,
            agent_id: Some("a".parse().unwrap()),
            policy_version: Some(1),
            payload: Payload::seal(&micros).unwrap(),
        };
        let changes = [change(1), change(2), change(3)];
        for it in &changes {
            insert_change(&db, it).unwrap();
        }
        let rows = changes_after(&db, 1, 9).unwrap();
        assert_eq!(rows.iter().map(|it| it.history_id).collect::<Vec<_>>(), [2, 3]);
        assert_eq!(rows[0].change, changes[1]);
        assert_eq!(changes_after(&db, 0, 1).unwrap().len(), 1);
        assert!(db.execute("update gateway_history set at = 0", []).is_err());
    }
}
