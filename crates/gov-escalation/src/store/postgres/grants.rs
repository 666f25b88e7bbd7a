//! Grants, and the calls that they were drawn on for.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use gov_core::{ActionDigest, AgentId};
use sqlx::{AssertSqlSafe, PgConnection, PgExecutor};

use super::{
    PgApprovalStore,
    approvals::{self, COLUMNS, Cells, small},
};
use crate::{
    approval::Approval,
    grant::Use,
    store::{
        Grants, StoreError,
        rows::{StoredUse, integer, readable},
    },
    transition::Change,
};

#[async_trait]
impl Grants for PgApprovalStore {
    async fn grants_of(&self, agent: &AgentId, limit: u32) -> Result<Vec<Approval>, StoreError> {
        let sql = format!(
            "select {COLUMNS} from escalation_approval a join escalation_timer t using (approval_id)
             where a.agent_id = $1 and a.terms is not null and a.status = 'approved'
             order by a.approval_id limit $2"
        );
        let rows = sqlx::query(AssertSqlSafe(sql))
            .bind(agent.as_str())
            .bind(i64::from(limit))
            .fetch_all(&self.pool)
            .await?;
        Ok(rows.iter().filter_map(|row| readable(approvals::read(row))).collect())
    }

    async fn drawn_under(
        &self,
        digest: &ActionDigest,
        key: &str,
    ) -> Result<Option<Use>, StoreError> {
        under(&self.pool, digest, key).await
    }
}

/// Whether the change is a call that was drawn before.
pub(super) async fn is_repeat(tx: &mut PgConnection, change: &Change) -> Result<bool, StoreError> {
    let Change::Draw(it) = change else { return Ok(false) };
    let Some(key) = &it.idempotency_key else { return Ok(false) };
    Ok(under(tx, &it.digest, key).await?.is_some())
}

async fn under(
    executor: impl PgExecutor<'_>,
    digest: &ActionDigest,
    key: &str,
) -> Result<Option<Use>, StoreError> {
    let row = sqlx::query(
        "select approval_id, number, at, policy_version from escalation_use
         where digest = $1 and idempotency_key = $2",
    )
    .bind(digest.as_bytes())
    .bind(key)
    .fetch_optional(executor)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let approval_id = approvals::id(&row)?;
    let cells = Cells::of(&row, approval_id);
    let stored = StoredUse {
        approval_id,
        number: cells.get::<i32>("number")?.into(),
        at: cells.time("at")?,
        policy_version: cells.get("policy_version")?,
    };
    stored.read(*digest, key).map(Some)
}

/// Writes the call beside the step that counts it. Of two at once under one key, on two grants, the
/// second one fails here and changes nothing: its repeat finds the first.
pub(super) async fn insert(tx: &mut PgConnection, it: &Use) -> Result<(), StoreError> {
    sqlx::query(
        "insert into escalation_use
             (approval_id, number, at, digest, policy_version, idempotency_key)
         values ($1, $2, $3, $4, $5, $6)",
    )
    .bind(it.approval_id.as_uuid())
    .bind(small(Some(it.number))?)
    .bind(DateTime::<Utc>::from(it.at))
    .bind(it.digest.as_bytes())
    .bind(integer(it.policy_version)?)
    .bind(&it.idempotency_key)
    .execute(tx)
    .await?;
    Ok(())
}
