//! Grants in memory.

use async_trait::async_trait;
use gov_core::{ActionDigest, AgentId};

use super::{MemoryApprovalStore, Tables};
use crate::{
    approval::{Approval, Status},
    grant::Use,
    store::{Grants, StoreError},
    transition::Change,
};

#[async_trait]
impl Grants for MemoryApprovalStore {
    async fn grants_of(&self, agent: &AgentId, limit: u32) -> Result<Vec<Approval>, StoreError> {
        let tables = self.tables.lock();
        let of_agent = tables.approvals.values().filter(|it| {
            let request = &it.request;
            request.agent_id == *agent && request.grant.is_some() && it.status == Status::Approved
        });
        Ok(of_agent.take(limit as usize).cloned().collect())
    }

    async fn drawn_under(
        &self,
        digest: &ActionDigest,
        key: &str,
    ) -> Result<Option<Use>, StoreError> {
        Ok(self.tables.lock().use_under(digest, key).cloned())
    }
}

impl Tables {
    /// Whether the change is a call that was drawn before.
    pub(super) fn is_repeat(&self, change: &Change) -> bool {
        let Change::Draw(it) = change else { return false };
        let key = it.idempotency_key.as_deref();
        key.is_some_and(|key| self.use_under(&it.digest, key).is_some())
    }

    fn use_under(&self, digest: &ActionDigest, key: &str) -> Option<&Use> {
        let same = |it: &&Use| it.digest == *digest && it.idempotency_key.as_deref() == Some(key);
        self.uses.iter().find(same)
    }
}
