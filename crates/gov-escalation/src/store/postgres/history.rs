//! The history, for who carries it to the signed log.

use async_trait::async_trait;
use gov_core::ApprovalId;
use sqlx::{AssertSqlSafe, PgPool, Row as _, postgres::PgRow};

use super::{
    PgApprovalStore,
    approvals::{self, Cells},
    fate,
};
use crate::{
    approval::HistoryRow,
    store::{
        History, StoreError,
        rows::{StoredEntry, integer, unavailable},
    },
};

#[async_trait]
impl History for PgApprovalStore {
    async fn rows_after(&self, position: u64, limit: u32) -> Result<Vec<HistoryRow>, StoreError> {
        let sql = select("h.position > $1 order by h.position limit $2");
        let query = sqlx::query(AssertSqlSafe(sql)).bind(integer(position)?).bind(i64::from(limit));
        query.fetch_all(&self.pool).await?.iter().map(read).collect()
    }

    async fn of_approval(&self, id: ApprovalId) -> Result<Vec<HistoryRow>, StoreError> {
        let sql = select("h.approval_id = $1 order by h.position");
        let query = sqlx::query(AssertSqlSafe(sql)).bind(id.as_uuid());
        query.fetch_all(&self.pool).await?.iter().map(read).collect()
    }

    async fn end(&self) -> Result<u64, StoreError> {
        number(&self.pool, "select last from escalation_position").await
    }

    async fn cursor(&self) -> Result<u64, StoreError> {
        number(&self.pool, "select cursor from escalation_feed").await
    }

    async fn set_cursor(&self, position: u64) -> Result<(), StoreError> {
        sqlx::query("update escalation_feed set cursor = $1 where cursor < $1")
            .bind(integer(position)?)
            .execute(&self.pool)
            .await
            .map_err(fate)?;
        Ok(())
    }
}

async fn number(pool: &PgPool, sql: &'static str) -> Result<u64, StoreError> {
    let number: i64 = sqlx::query(sql).fetch_one(pool).await?.try_get(0)?;
    u64::try_from(number).map_err(unavailable)
}

fn select(condition: &str) -> String {
    format!(
        "select h.approval_id, h.position, h.at, h.kind, h.actor, h.policy_version, h.from_role,
             h.to_role, h.payload, h.salt, a.agent_id, a.session_id, a.action_kind, a.digest,
             a.rule_id, a.reason
         from escalation_history h left join escalation_approval a using (approval_id)
         where {condition}"
    )
}

fn read(row: &PgRow) -> Result<HistoryRow, StoreError> {
    let id = approvals::id(row)?;
    let cells = Cells::of(row, id);
    let entry = StoredEntry {
        position: cells.get("position")?,
        at: cells.time("at")?,
        kind: cells.get("kind")?,
        actor: cells.get("actor")?,
        policy_version: cells.get("policy_version")?,
        from_role: cells.get("from_role")?,
        to_role: cells.get("to_role")?,
        payload: cells.get("payload")?,
        salt: cells.get("salt")?,
        agent_id: cells.get("agent_id"),
        session_id: cells.get("session_id"),
        action_kind: cells.get("action_kind"),
        digest: cells.get("digest"),
        rule_id: cells.get("rule_id"),
        reason: cells.get("reason"),
    };
    entry.read(id)
}
