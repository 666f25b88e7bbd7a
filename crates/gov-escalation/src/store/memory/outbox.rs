//! Messages that wait to be sent.

use std::{collections::BTreeMap, time::Duration};

use async_trait::async_trait;
use gov_core::Timestamp;
use uuid::Uuid;

use super::{MemoryApprovalStore, Tables};
use crate::{
    approval::{HistoryEntry, HistoryRow, Notification},
    store::{
        Failure, Lane, Lease, Outbox, StoreError, TargetState, Waiting,
        outbox::note::{disabled, given_up},
    },
};

#[derive(Debug)]
pub(super) struct Message {
    pub(super) notification: Notification,
    try_at: Timestamp,
    lease: Option<(Uuid, Timestamp)>,
    attempts: u32,
}

/// What is known of a target.
#[derive(Debug, Default)]
pub(super) struct Target {
    state: TargetState,
    paid_until: Option<Timestamp>,
}

#[async_trait]
impl Outbox for MemoryApprovalStore {
    async fn lease_unsent(
        &self,
        lane: Lane<'_>,
        now: Timestamp,
        lease: Duration,
        limit: u32,
    ) -> Result<Vec<Lease>, StoreError> {
        let mut tables = self.tables.lock();
        let Tables { outbox, targets, .. } = &mut *tables;
        let target = targets.entry(lane.target.to_owned()).or_default();
        if target.is_closed(now) {
            return Ok(Vec::new());
        }
        let limit = limit.min(lane.pace.room(target.paid_until, now));
        let free = outbox
            .iter_mut()
            .filter(|it| it.notification.notifier == lane.target && it.free_from() <= now);
        let leases = free.take(limit as usize).map(|message| {
            let (token, until) = (Uuid::new_v4(), now + lease);
            let attempts = message.attempts;
            message.lease = Some((token, until));
            message.attempts = attempts.saturating_add(1);
            Lease { notification: message.notification.clone(), token, until, attempts }
        });
        let leases: Vec<_> = leases.collect();
        if lane.pace.is_limited() && !leases.is_empty() {
            let count = u32::try_from(leases.len()).unwrap_or(u32::MAX);
            target.paid_until = Some(lane.pace.pay(target.paid_until, now, count));
        }
        Ok(leases)
    }

    async fn mark_sent(&self, lease: &Lease, _at: Timestamp) -> Result<(), StoreError> {
        let mut tables = self.tables.lock();
        let held = tables.held(lease)?;
        tables.outbox.remove(held);
        let target = tables.target(lease);
        (target.failures, target.last_error, target.held_until) = (0, None, None);
        Ok(())
    }

    async fn mark_failed(&self, lease: &Lease, failure: Failure<'_>) -> Result<(), StoreError> {
        let mut tables = self.tables.lock();
        let held = tables.held(lease)?;
        tables.free(held, failure.retry_at);
        let target = tables.target(lease);
        target.failed(failure.why);
        target.held_until = target.held_until.max(failure.hold_until);
        Ok(())
    }

    async fn give_up(&self, lease: &Lease, why: &str, at: Timestamp) -> Result<(), StoreError> {
        let mut tables = self.tables.lock();
        let held = tables.held(lease)?;
        let row = tables.row(lease, given_up(lease, why, at))?;
        tables.outbox.remove(held);
        tables.remember(row);
        let target = tables.target(lease);
        target.failed(why);
        target.given_up = target.given_up.saturating_add(1);
        Ok(())
    }

    async fn disable_target(
        &self,
        lease: &Lease,
        why: &str,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        let mut tables = self.tables.lock();
        let held = tables.held(lease)?;
        let row = tables.row(lease, disabled(lease, why, at))?;
        tables.free(held, at);
        let target = tables.target(lease);
        if target.disabled.is_none() {
            target.failed(why);
            target.disabled = Some((at, why.to_owned()));
            tables.remember(row);
        }
        Ok(())
    }

    async fn enable_target(&self, target: &str) -> Result<bool, StoreError> {
        let mut tables = self.tables.lock();
        let Some(it) = tables.targets.get_mut(target) else { return Ok(false) };
        let had_something = it.state.is_remarkable();
        it.state = TargetState::default();
        Ok(had_something)
    }

    async fn waiting(&self) -> Result<Vec<Waiting>, StoreError> {
        let tables = self.tables.lock();
        let mut earliest = BTreeMap::new();
        for it in &tables.outbox {
            let free_at = it.free_from();
            let first = earliest.entry(&it.notification.notifier).or_insert(free_at);
            *first = free_at.min(*first);
        }
        let waiting = earliest.into_iter().filter_map(|(name, free_at)| {
            let (state, paid_until) =
                tables.targets.get(name).map(|it| (&it.state, it.paid_until)).unzip();
            if state.is_some_and(|it| it.disabled.is_some()) {
                return None;
            }
            let held_until = state.and_then(|it| it.held_until);
            let free_at = held_until.map_or(free_at, |it| it.max(free_at));
            Some(Waiting { target: name.clone(), free_at, paid_until: paid_until.flatten() })
        });
        Ok(waiting.collect())
    }

    async fn targets(&self) -> Result<Vec<TargetState>, StoreError> {
        let tables = self.tables.lock();
        let named = |name: &str| TargetState { name: name.to_owned(), ..TargetState::default() };
        let mut all: BTreeMap<&str, TargetState> = tables
            .targets
            .iter()
            .filter(|(_, it)| it.state.is_remarkable())
            .map(|(name, it)| (&**name, TargetState { name: name.clone(), ..it.state.clone() }))
            .collect();
        for message in &tables.outbox {
            let name = &*message.notification.notifier;
            all.entry(name).or_insert_with(|| named(name)).waiting += 1;
        }
        Ok(all.into_values().collect())
    }
}

impl Tables {
    /// Which message the lease still holds.
    fn held(&self, lease: &Lease) -> Result<usize, StoreError> {
        let id = lease.notification.id;
        let mut messages = self.outbox.iter();
        let held = messages.position(|it| {
            it.notification.id == id && it.lease.is_some_and(|(token, _)| token == lease.token)
        });
        held.ok_or(StoreError::LeaseLost(id))
    }

    fn free(&mut self, held: usize, try_at: Timestamp) {
        if let Some(message) = self.outbox.get_mut(held) {
            (message.lease, message.try_at) = (None, try_at);
        }
    }

    fn target(&mut self, lease: &Lease) -> &mut TargetState {
        &mut self.targets.entry(lease.notification.notifier.clone()).or_default().state
    }

    fn row(&self, lease: &Lease, entry: HistoryEntry) -> Result<HistoryRow, StoreError> {
        let id = lease.notification.approval_id;
        let approval = self.approvals.get(&id).ok_or(StoreError::NotFound(id))?;
        entry.into_row(approval, 0).map_err(|error| StoreError::Unavailable(Box::new(error)))
    }
}

impl Message {
    pub(super) fn new(notification: Notification, try_at: Timestamp) -> Self {
        Self { notification, try_at, lease: None, attempts: 0 }
    }

    fn free_from(&self) -> Timestamp {
        self.lease.map_or(self.try_at, |(_, until)| until)
    }
}

impl Target {
    fn is_closed(&self, now: Timestamp) -> bool {
        self.state.disabled.is_some() || self.state.held_until.is_some_and(|it| now < it)
    }
}

impl TargetState {
    fn failed(&mut self, why: &str) {
        self.failures = self.failures.saturating_add(1);
        self.last_error = Some(why.to_owned());
    }
}
