//! What a store keeps of grants, beside what they are as approvals.

use std::fmt;

use async_trait::async_trait;
use gov_core::{ActionDigest, AgentId};

use super::StoreError;
use crate::{approval::Approval, grant::Use};

/// Finds grants, and the calls that they were drawn on for.
///
/// A call is drawn by [`ApprovalStore::apply`](super::ApprovalStore::apply) with
/// [`Change::Draw`](crate::transition::Change::Draw): the count, the call and its history row are
/// one transaction. A repeat of a call under its key is
/// [`Refusal::Replayed`](crate::transition::Refusal::Replayed), on whichever grant, and counts
/// nothing.
#[async_trait]
pub trait Grants: fmt::Debug + Send + Sync {
    /// At most `limit` approved grants of an agent, by id. The time of one may be over although its
    /// timer is late: drawing looks at it again.
    async fn grants_of(&self, agent: &AgentId, limit: u32) -> Result<Vec<Approval>, StoreError>;

    /// The call with this digest that was drawn under `key`, if there was one.
    async fn drawn_under(
        &self,
        digest: &ActionDigest,
        key: &str,
    ) -> Result<Option<Use>, StoreError>;
}
