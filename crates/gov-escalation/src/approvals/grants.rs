//! Grants: finding those of an agent, and drawing on one.

use gov_core::{ActionDigest, AgentId, ApprovalId};

use super::Approvals;
use crate::{
    approval::Approval,
    grant::Use,
    store::{Applied, StoreError},
    transition::{Change, Draw},
};

impl Approvals {
    /// Draws a call on a grant, or finds that it was drawn before under the same key, which is
    /// [`Refusal::Replayed`](crate::transition::Refusal::Replayed).
    ///
    /// # Errors
    ///
    /// As from [`ApprovalStore::apply`](crate::store::ApprovalStore::apply).
    pub async fn draw(&self, id: ApprovalId, draw: Draw) -> Result<Applied, StoreError> {
        let it = &*self.inner;
        let applied = it.store.apply(id, Change::Draw(Box::new(draw)), it.clock.now()).await?;
        if matches!(applied, Applied::Done { .. }) {
            it.meters.drawn.increment(1);
        }
        Ok(applied)
    }

    /// At most `limit` grants of an agent that may be drawn on, by id.
    ///
    /// # Errors
    ///
    /// As from [`Grants::grants_of`](crate::store::Grants::grants_of).
    pub async fn grants_of(
        &self,
        agent: &AgentId,
        limit: u32,
    ) -> Result<Vec<Approval>, StoreError> {
        self.inner.store.grants_of(agent, limit).await
    }

    /// The call with this digest that was drawn under `key`, if there was one.
    ///
    /// # Errors
    ///
    /// As from [`Grants::drawn_under`](crate::store::Grants::drawn_under).
    pub async fn drawn_under(
        &self,
        digest: &ActionDigest,
        key: &str,
    ) -> Result<Option<Use>, StoreError> {
        self.inner.store.drawn_under(digest, key).await
    }
}
