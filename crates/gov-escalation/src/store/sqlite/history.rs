//! The history, for who carries it to the signed log.

use async_trait::async_trait;
use gov_core::ApprovalId;
use rusqlite::{Connection, Row, ToSql, params};

use super::{SqliteApprovalStore, approvals, approvals::Cells, number};
use crate::{
    approval::HistoryRow,
    store::{
        History, StoreError,
        rows::{StoredEntry, integer, unavailable},
    },
};

#[async_trait]
impl History for SqliteApprovalStore {
    async fn rows_after(&self, position: u64, limit: u32) -> Result<Vec<HistoryRow>, StoreError> {
        let position = integer(position)?;
        let condition = "h.position > ?1 order by h.position limit ?2";
        self.read(move |connection| select(connection, condition, params![position, limit])).await
    }

    async fn of_approval(&self, id: ApprovalId) -> Result<Vec<HistoryRow>, StoreError> {
        let condition = "h.approval_id = ?1 order by h.position";
        let id = id.as_uuid();
        self.read(move |connection| select(connection, condition, params![id.as_bytes()])).await
    }

    async fn end(&self) -> Result<u64, StoreError> {
        let sql = "select max(position) from escalation_history";
        let end = self.read(|connection| number(connection, sql)).await?;
        u64::try_from(end.unwrap_or(0)).map_err(unavailable)
    }

    async fn cursor(&self) -> Result<u64, StoreError> {
        let sql = "select cursor from escalation_feed";
        let cursor = self.read(|connection| number(connection, sql)).await?;
        u64::try_from(cursor.unwrap_or(0)).map_err(unavailable)
    }

    async fn set_cursor(&self, position: u64) -> Result<(), StoreError> {
        let position = integer(position)?;
        self.write(move |tx| {
            let sql = "update escalation_feed set cursor = ?1 where cursor < ?1";
            tx.prepare_cached(sql)?.execute([position])?;
            Ok(())
        })
        .await
    }
}

fn select(
    connection: &Connection,
    condition: &str,
    values: &[&dyn ToSql],
) -> Result<Vec<HistoryRow>, StoreError> {
    let mut statement = connection.prepare_cached(&format!(
        "select h.approval_id, h.position, h.at, h.kind, h.actor, h.policy_version, h.from_role,
             h.to_role, h.payload, h.salt, a.agent_id, a.session_id, a.action_kind, a.digest,
             a.rule_id, a.reason
         from escalation_history h left join escalation_approval a using (approval_id)
         where {condition}"
    ))?;
    let mut rows = statement.query(values)?;
    let mut entries = Vec::new();
    while let Some(row) = rows.next()? {
        entries.push(read(row)?);
    }
    Ok(entries)
}

fn read(row: &Row<'_>) -> Result<HistoryRow, StoreError> {
    let id = approvals::id(row)?;
    let mut cells = Cells::of(row, id, 1);
    let entry = StoredEntry {
        position: cells.next("position")?,
        at: cells.next("at")?,
        kind: cells.next("kind")?,
        actor: cells.next("actor")?,
        policy_version: cells.next("policy_version")?,
        from_role: cells.next("from_role")?,
        to_role: cells.next("to_role")?,
        payload: cells.next("payload")?,
        salt: cells.next("salt")?,
        agent_id: cells.next("agent_id"),
        session_id: cells.next("session_id"),
        action_kind: cells.next("action_kind"),
        digest: cells.next("digest"),
        rule_id: cells.next("rule_id"),
        reason: cells.next("reason"),
    };
    entry.read(id)
}
