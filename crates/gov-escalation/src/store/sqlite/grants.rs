//! Grants, and the calls that they were drawn on for.

use async_trait::async_trait;
use gov_core::{ActionDigest, AgentId};
use rusqlite::{Connection, Transaction, params};

use super::{SqliteApprovalStore, approvals};
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
impl Grants for SqliteApprovalStore {
    async fn grants_of(&self, agent: &AgentId, limit: u32) -> Result<Vec<Approval>, StoreError> {
        let agent = agent.clone();
        self.read(move |connection| {
            let sql = format!(
                "select {} from escalation_approval a join escalation_timer t using (approval_id)
                 where a.agent_id = ?1 and a.terms is not null and a.status = 'approved'
                 order by a.approval_id limit ?2",
                approvals::columns!()
            );
            let mut statement = connection.prepare_cached(&sql)?;
            let mut rows = statement.query(params![agent.as_str(), limit])?;
            let mut grants = Vec::new();
            while let Some(row) = rows.next()? {
                grants.extend(readable(approvals::read(row, approvals::id(row)?)));
            }
            Ok(grants)
        })
        .await
    }

    async fn drawn_under(
        &self,
        digest: &ActionDigest,
        key: &str,
    ) -> Result<Option<Use>, StoreError> {
        let (digest, key) = (*digest, key.to_owned());
        self.read(move |connection| under(connection, &digest, &key)).await
    }
}

/// Whether the change is a call that was drawn before.
pub(super) fn is_repeat(tx: &Transaction<'_>, change: &Change) -> Result<bool, StoreError> {
    let Change::Draw(it) = change else { return Ok(false) };
    let Some(key) = &it.idempotency_key else { return Ok(false) };
    Ok(under(tx, &it.digest, key)?.is_some())
}

fn under(
    connection: &Connection,
    digest: &ActionDigest,
    key: &str,
) -> Result<Option<Use>, StoreError> {
    let mut statement = connection.prepare_cached(
        "select approval_id, number, at, policy_version from escalation_use
         where digest = ?1 and idempotency_key = ?2",
    )?;
    let mut rows = statement.query(params![digest.as_bytes(), key])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    let mut cells = approvals::Cells::of(row, approvals::id(row)?, 1);
    let stored = StoredUse {
        approval_id: approvals::id(row)?,
        number: cells.next("number")?,
        at: cells.next("at")?,
        policy_version: cells.next("policy_version")?,
    };
    stored.read(*digest, key).map(Some)
}

/// Writes the call beside the step that counts it.
pub(super) fn insert(tx: &Transaction<'_>, it: &Use) -> Result<(), StoreError> {
    tx.prepare_cached(
        "insert into escalation_use
             (approval_id, number, at, digest, policy_version, idempotency_key)
         values (?1, ?2, ?3, ?4, ?5, ?6)",
    )?
    .execute(params![
        it.approval_id.as_uuid().as_bytes(),
        it.number,
        it.at.as_micros(),
        it.digest.as_bytes(),
        integer(it.policy_version)?,
        it.idempotency_key,
    ])?;
    Ok(())
}
