//! A process that shares a store with another one, and dies at any passage of any of its calls.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use gov_core::{ActionDigest, ApprovalId, Timestamp, dice::Dice};
use gov_escalation::{
    Notifier, NotifyError,
    approval::{Approval, ApprovalRequest, Notification},
    store::{
        Applied, ApprovalFilter, ApprovalStore, Failure, Firing, Lane, Lease, Outbox, Pulse,
        StoreError, Submitted, TargetState, Waiting, conformance::Backend,
    },
    transition::Change,
};
use parking_lot::Mutex;

/// The store and the network as one process reaches them.
#[derive(Debug)]
pub(super) struct Node {
    store: Arc<dyn Backend>,
    heard: Arc<Mutex<Vec<Notification>>>,
    fate: Mutex<Fate>,
}

#[derive(Debug)]
struct Fate {
    dice: Dice,
    /// So many passages are left; none: it lives.
    passages: Option<u64>,
}

impl Node {
    pub(super) fn new(
        store: Arc<dyn Backend>,
        heard: Arc<Mutex<Vec<Notification>>>,
        dice: Dice,
    ) -> Arc<Self> {
        Arc::new(Self { store, heard, fate: Mutex::new(Fate { dice, passages: None }) })
    }

    /// It dies at its `passages`th passage from now: before a call, or behind it.
    pub(super) fn dies_after(&self, passages: Option<u64>) {
        self.fate.lock().passages = passages;
    }

    /// One call: the other process may come in between, and this one may die before or after.
    async fn call<T>(
        &self,
        call: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        self.others_run().await;
        self.passage().map_err(|dead| StoreError::Unavailable(dead.into()))?;
        let outcome = call.await;
        self.passage().map_err(|dead| StoreError::Unknown(dead.into()))?;
        self.others_run().await;
        outcome
    }

    fn passage(&self) -> Result<(), &'static str> {
        match &mut self.fate.lock().passages {
            Some(0) => Err("the process is dead"),
            Some(left) => {
                *left -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }

    async fn others_run(&self) {
        let turns = self.fate.lock().dice.roll(3);
        for _ in 0..turns {
            tokio::task::yield_now().await;
        }
    }
}

#[async_trait]
impl ApprovalStore for Node {
    async fn submit(&self, it: ApprovalRequest, now: Timestamp) -> Result<Submitted, StoreError> {
        self.call(self.store.submit(it, now)).await
    }

    async fn apply(
        &self,
        id: ApprovalId,
        change: Change,
        now: Timestamp,
    ) -> Result<Applied, StoreError> {
        self.call(self.store.apply(id, change, now)).await
    }

    async fn fire(&self, now: Timestamp, limit: u32) -> Result<Firing, StoreError> {
        self.call(self.store.fire(now, limit)).await
    }

    async fn pulse(&self) -> Result<Pulse, StoreError> {
        self.call(self.store.pulse()).await
    }

    async fn next_deadline(&self) -> Result<Option<Timestamp>, StoreError> {
        self.call(self.store.next_deadline()).await
    }

    async fn get(&self, id: ApprovalId) -> Result<Approval, StoreError> {
        self.call(self.store.get(id)).await
    }

    async fn find_open(&self, digest: &ActionDigest) -> Result<Option<Approval>, StoreError> {
        self.call(self.store.find_open(digest)).await
    }

    async fn list(
        &self,
        filter: &ApprovalFilter,
        before: Option<ApprovalId>,
        limit: u32,
    ) -> Result<Vec<Approval>, StoreError> {
        self.call(self.store.list(filter, before, limit)).await
    }
}

#[async_trait]
impl Outbox for Node {
    async fn lease_unsent(
        &self,
        lane: Lane<'_>,
        now: Timestamp,
        lease: Duration,
        limit: u32,
    ) -> Result<Vec<Lease>, StoreError> {
        self.call(self.store.lease_unsent(lane, now, lease, limit)).await
    }

    async fn mark_sent(&self, lease: &Lease, at: Timestamp) -> Result<(), StoreError> {
        self.call(self.store.mark_sent(lease, at)).await
    }

    async fn mark_failed(&self, lease: &Lease, failure: Failure<'_>) -> Result<(), StoreError> {
        self.call(self.store.mark_failed(lease, failure)).await
    }

    async fn give_up(&self, lease: &Lease, why: &str, at: Timestamp) -> Result<(), StoreError> {
        self.call(self.store.give_up(lease, why, at)).await
    }

    async fn disable_target(
        &self,
        lease: &Lease,
        why: &str,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        self.call(self.store.disable_target(lease, why, at)).await
    }

    async fn enable_target(&self, target: &str) -> Result<bool, StoreError> {
        self.call(self.store.enable_target(target)).await
    }

    async fn waiting(&self) -> Result<Vec<Waiting>, StoreError> {
        self.call(self.store.waiting()).await
    }

    async fn targets(&self) -> Result<Vec<TargetState>, StoreError> {
        self.call(self.store.targets()).await
    }
}

/// Takes what it is told, unless it is not there; a sender that dies behind it never knows.
#[async_trait]
impl Notifier for Node {
    async fn notify(&self, notification: &Notification) -> Result<(), NotifyError> {
        let heard = Arc::clone(&self.heard);
        let away = self.fate.lock().dice.roll(8) == 0;
        let outcome = self.call(async move {
            if away {
                return Err(StoreError::Unavailable("nobody answers".into()));
            }
            heard.lock().push(notification.clone());
            Ok(())
        });
        outcome.await.map_err(NotifyError::retry)
    }
}
