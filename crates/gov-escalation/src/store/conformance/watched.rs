//! A store that somebody looks at, call by call: for what must hold whatever happens around a call.

use std::{fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use gov_core::{ActionDigest, AgentId, ApprovalId, Timestamp};

use super::Backend;
use crate::{
    approval::{Approval, ApprovalRequest},
    grant::Use,
    store::{
        Applied, ApprovalFilter, ApprovalStore, Auditing, Bounds, Edits, Failure, Findings, Firing,
        Grants, Lane, Lease, Mended, Outbox, Pulse, Replaced, SetAside, StoreError, Submitted,
        TargetState, Waiting,
    },
    transition::{Change, Edit},
};

/// What happens around each call: counted, delayed, or lost before or behind it.
pub trait Watch: fmt::Debug + Send + Sync {
    /// Makes the call, or does not.
    fn around<T: Send>(
        &self,
        call: impl Future<Output = Result<T, StoreError>> + Send,
    ) -> impl Future<Output = Result<T, StoreError>> + Send;
}

impl<W: Watch> Watch for Arc<W> {
    async fn around<T: Send>(
        &self,
        call: impl Future<Output = Result<T, StoreError>> + Send,
    ) -> Result<T, StoreError> {
        W::around(self, call).await
    }
}

/// Hands every call on to `store`, through `watch`.
#[derive(Debug)]
pub struct Watched<W> {
    /// What keeps the approvals.
    pub store: Arc<dyn Backend>,
    /// Who looks.
    pub watch: W,
}

#[async_trait]
impl<W: Watch> ApprovalStore for Watched<W> {
    async fn submit(&self, it: ApprovalRequest, now: Timestamp) -> Result<Submitted, StoreError> {
        self.watch.around(self.store.submit(it, now)).await
    }

    async fn apply(
        &self,
        id: ApprovalId,
        change: Change,
        now: Timestamp,
    ) -> Result<Applied, StoreError> {
        self.watch.around(self.store.apply(id, change, now)).await
    }

    async fn fire(&self, now: Timestamp, limit: u32) -> Result<Firing, StoreError> {
        self.watch.around(self.store.fire(now, limit)).await
    }

    async fn pulse(&self) -> Result<Pulse, StoreError> {
        self.watch.around(self.store.pulse()).await
    }

    async fn next_deadline(&self) -> Result<Option<Timestamp>, StoreError> {
        self.watch.around(self.store.next_deadline()).await
    }

    async fn get(&self, id: ApprovalId) -> Result<Approval, StoreError> {
        self.watch.around(self.store.get(id)).await
    }

    async fn find_open(&self, digest: &ActionDigest) -> Result<Option<Approval>, StoreError> {
        self.watch.around(self.store.find_open(digest)).await
    }

    async fn list(
        &self,
        filter: &ApprovalFilter,
        before: Option<ApprovalId>,
        limit: u32,
    ) -> Result<Vec<Approval>, StoreError> {
        self.watch.around(self.store.list(filter, before, limit)).await
    }
}

#[async_trait]
impl<W: Watch> Edits for Watched<W> {
    async fn replace(
        &self,
        id: ApprovalId,
        edit: Edit,
        now: Timestamp,
    ) -> Result<Replaced, StoreError> {
        self.watch.around(self.store.replace(id, edit, now)).await
    }
}

#[async_trait]
impl<W: Watch> Grants for Watched<W> {
    async fn grants_of(&self, agent: &AgentId, limit: u32) -> Result<Vec<Approval>, StoreError> {
        self.watch.around(self.store.grants_of(agent, limit)).await
    }

    async fn drawn_under(
        &self,
        digest: &ActionDigest,
        key: &str,
    ) -> Result<Option<Use>, StoreError> {
        self.watch.around(self.store.drawn_under(digest, key)).await
    }
}

#[async_trait]
impl<W: Watch> Outbox for Watched<W> {
    async fn lease_unsent(
        &self,
        lane: Lane<'_>,
        now: Timestamp,
        lease: Duration,
        limit: u32,
    ) -> Result<Vec<Lease>, StoreError> {
        self.watch.around(self.store.lease_unsent(lane, now, lease, limit)).await
    }

    async fn mark_sent(&self, lease: &Lease, at: Timestamp) -> Result<(), StoreError> {
        self.watch.around(self.store.mark_sent(lease, at)).await
    }

    async fn mark_failed(&self, lease: &Lease, failure: Failure<'_>) -> Result<(), StoreError> {
        self.watch.around(self.store.mark_failed(lease, failure)).await
    }

    async fn give_up(&self, lease: &Lease, why: &str, at: Timestamp) -> Result<(), StoreError> {
        self.watch.around(self.store.give_up(lease, why, at)).await
    }

    async fn disable_target(
        &self,
        lease: &Lease,
        why: &str,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        self.watch.around(self.store.disable_target(lease, why, at)).await
    }

    async fn enable_target(&self, target: &str) -> Result<bool, StoreError> {
        self.watch.around(self.store.enable_target(target)).await
    }

    async fn waiting(&self) -> Result<Vec<Waiting>, StoreError> {
        self.watch.around(self.store.waiting()).await
    }

    async fn targets(&self) -> Result<Vec<TargetState>, StoreError> {
        self.watch.around(self.store.targets()).await
    }
}

#[async_trait]
impl<W: Watch> Auditing for Watched<W> {
    async fn findings(&self, now: Timestamp, bounds: Bounds) -> Result<Findings, StoreError> {
        self.watch.around(self.store.findings(now, bounds)).await
    }

    async fn mend(&self, now: Timestamp, limit: u32) -> Result<Mended, StoreError> {
        self.watch.around(self.store.mend(now, limit)).await
    }

    async fn set_aside(&self, limit: u32) -> Result<Vec<SetAside>, StoreError> {
        self.watch.around(self.store.set_aside(limit)).await
    }

    async fn discard(
        &self,
        id: ApprovalId,
        actor: &str,
        reason: &str,
        now: Timestamp,
    ) -> Result<u64, StoreError> {
        self.watch.around(self.store.discard(id, actor, reason, now)).await
    }
}
