//! A store that counts what it is asked: each question is one statement or more.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use gov_core::{ActionDigest, ApprovalId, Timestamp};
use gov_escalation::{
    approval::{Approval, ApprovalRequest},
    store::{
        Applied, ApprovalFilter, ApprovalStore, Auditing, Bounds, Failure, Findings, Firing, Lane,
        Lease, Mended, Outbox, Pulse, SetAside, StoreError, Submitted, TargetState, Waiting,
        conformance::Backend,
    },
    transition::Change,
};

#[derive(Debug)]
pub(super) struct Counting {
    store: Arc<dyn Backend>,
    asked: AtomicU32,
}

impl Counting {
    pub(super) fn new(store: Arc<dyn Backend>) -> Self {
        Self { store, asked: AtomicU32::new(0) }
    }

    pub(super) fn asked(&self) -> u32 {
        self.asked.load(Ordering::Relaxed)
    }

    fn ask(&self) -> &dyn Backend {
        self.asked.fetch_add(1, Ordering::Relaxed);
        &*self.store
    }
}

#[async_trait]
impl ApprovalStore for Counting {
    async fn submit(&self, it: ApprovalRequest, now: Timestamp) -> Result<Submitted, StoreError> {
        self.ask().submit(it, now).await
    }

    async fn apply(
        &self,
        id: ApprovalId,
        change: Change,
        now: Timestamp,
    ) -> Result<Applied, StoreError> {
        self.ask().apply(id, change, now).await
    }

    async fn fire(&self, now: Timestamp, limit: u32) -> Result<Firing, StoreError> {
        self.ask().fire(now, limit).await
    }

    async fn pulse(&self) -> Result<Pulse, StoreError> {
        self.ask().pulse().await
    }

    async fn next_deadline(&self) -> Result<Option<Timestamp>, StoreError> {
        self.ask().next_deadline().await
    }

    async fn get(&self, id: ApprovalId) -> Result<Approval, StoreError> {
        self.ask().get(id).await
    }

    async fn find_open(&self, digest: &ActionDigest) -> Result<Option<Approval>, StoreError> {
        self.ask().find_open(digest).await
    }

    async fn list(
        &self,
        filter: &ApprovalFilter,
        before: Option<ApprovalId>,
        limit: u32,
    ) -> Result<Vec<Approval>, StoreError> {
        self.ask().list(filter, before, limit).await
    }
}

#[async_trait]
impl Outbox for Counting {
    async fn lease_unsent(
        &self,
        lane: Lane<'_>,
        now: Timestamp,
        lease: Duration,
        limit: u32,
    ) -> Result<Vec<Lease>, StoreError> {
        self.ask().lease_unsent(lane, now, lease, limit).await
    }

    async fn mark_sent(&self, lease: &Lease, at: Timestamp) -> Result<(), StoreError> {
        self.ask().mark_sent(lease, at).await
    }

    async fn mark_failed(&self, lease: &Lease, failure: Failure<'_>) -> Result<(), StoreError> {
        self.ask().mark_failed(lease, failure).await
    }

    async fn give_up(&self, lease: &Lease, why: &str, at: Timestamp) -> Result<(), StoreError> {
        self.ask().give_up(lease, why, at).await
    }

    async fn disable_target(
        &self,
        lease: &Lease,
        why: &str,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        self.ask().disable_target(lease, why, at).await
    }

    async fn enable_target(&self, target: &str) -> Result<bool, StoreError> {
        self.ask().enable_target(target).await
    }

    async fn waiting(&self) -> Result<Vec<Waiting>, StoreError> {
        self.ask().waiting().await
    }

    async fn targets(&self) -> Result<Vec<TargetState>, StoreError> {
        self.ask().targets().await
    }
}

#[async_trait]
impl Auditing for Counting {
    async fn findings(&self, now: Timestamp, bounds: Bounds) -> Result<Findings, StoreError> {
        self.ask().findings(now, bounds).await
    }

    async fn mend(&self, now: Timestamp, limit: u32) -> Result<Mended, StoreError> {
        self.ask().mend(now, limit).await
    }

    async fn set_aside(&self, limit: u32) -> Result<Vec<SetAside>, StoreError> {
        self.ask().set_aside(limit).await
    }

    async fn discard(
        &self,
        id: ApprovalId,
        actor: &str,
        reason: &str,
        now: Timestamp,
    ) -> Result<u64, StoreError> {
        self.ask().discard(id, actor, reason, now).await
    }
}
