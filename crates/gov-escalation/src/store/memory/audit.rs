//! What other hands did to the maps, and putting it right.

use std::collections::BTreeMap;

use async_trait::async_trait;
use gov_core::{ApprovalId, AuditEventKind, NotificationId, Timestamp};
use serde_json::json;

use super::{MemoryApprovalStore, Sealed, Tables};
use crate::{
    approval::{Approval, HistoryEntry, Status},
    store::{Auditing, Bounds, Findings, Fired, Mended, SetAside, StoreError, audit::deadline_of},
};

/// Approvals that are there and cannot be had.
#[derive(Debug, Default)]
pub(super) struct Damaged {
    /// Without a timer.
    pub(super) lost: BTreeMap<ApprovalId, Approval>,
    /// Unreadable; once somebody noticed, with the reason.
    pub(super) garbled: BTreeMap<ApprovalId, (Approval, Option<String>)>,
}

impl Damaged {
    /// Sets aside what is due and cannot be read.
    pub(super) fn set_aside_due(&mut self, now: Timestamp, limit: u32) -> Fired {
        let mut fired = Fired::default();
        let due = self
            .garbled
            .values_mut()
            .filter(|(it, why)| why.is_none() && it.due_at.is_some_and(|due| due <= now));
        for (_, why) in due.take(limit as usize) {
            *why = Some(unreadable());
            fired.set_aside = fired.set_aside.saturating_add(1);
        }
        fired
    }
}

#[async_trait]
impl Auditing for MemoryApprovalStore {
    async fn findings(&self, now: Timestamp, bounds: Bounds) -> Result<Findings, StoreError> {
        let tables = self.tables.lock();
        let (due, written) = (bounds.overdue_since(now), bounds.unsent_since(now));
        let written = NotificationId::at(written);
        let readable = tables.approvals.values();
        let noticed = tables.damaged.garbled.values().filter(|(_, why)| why.is_some());
        let stopped =
            tables.damaged.garbled.values().filter(|(it, why)| why.is_none() && stands(it));
        let mut found = Findings {
            unarmed: (tables.damaged.lost.len() + stopped.count()) as u64,
            unsent: tables.outbox.iter().filter(|it| it.notification.id < written).count() as u64,
            set_aside: noticed.count() as u64,
            ..Findings::default()
        };
        for it in readable {
            found.unarmed += u64::from(stands(it));
            found.stale += u64::from(runs_in_vain(it));
            let runs = it.clock.halted_at.is_none();
            found.overdue += u64::from(runs && it.due_at.is_some_and(|it| it < due));
        }
        Ok(found)
    }

    async fn mend(&self, now: Timestamp, limit: u32) -> Result<Mended, StoreError> {
        let mut tables = self.tables.lock();
        let (limit, mut mended) = (limit as usize, Mended::default());
        let lost: Vec<_> = tables.damaged.lost.keys().copied().take(limit).collect();
        for id in lost {
            let Some(it) = tables.damaged.lost.remove(&id) else { continue };
            let found = tables.without_timer(it, now);
            tables.approvals.insert(id, armed(found)?);
            mended.armed += 1;
        }
        let left = limit.saturating_sub(mended.armed as usize);
        for it in tables.approvals.values_mut().filter(|it| stands(it)).take(left) {
            *it = armed(it.clone())?;
            mended.armed += 1;
        }
        for it in tables.approvals.values_mut().filter(|it| runs_in_vain(it)).take(limit) {
            (it.due_at, it.generation) = (None, it.generation.saturating_add(1));
            mended.disarmed += 1;
        }
        let unread = tables.damaged.garbled.values_mut();
        for (_, why) in unread.filter(|(it, why)| why.is_none() && stands(it)).take(limit) {
            *why = Some(unreadable());
            mended.set_aside += 1;
        }
        Ok(mended)
    }

    async fn set_aside(&self, limit: u32) -> Result<Vec<SetAside>, StoreError> {
        let tables = self.tables.lock();
        let noticed =
            tables.damaged.garbled.iter().filter_map(|(id, (_, why))| {
                Some(SetAside { approval_id: *id, reason: why.clone()? })
            });
        Ok(noticed.take(limit as usize).collect())
    }

    async fn discard(
        &self,
        id: ApprovalId,
        actor: &str,
        reason: &str,
        now: Timestamp,
    ) -> Result<u64, StoreError> {
        let mut tables = self.tables.lock();
        let (it, _) = tables
            .damaged
            .garbled
            .get(&id)
            .filter(|(_, why)| why.is_some())
            .ok_or(StoreError::NotFound(id))?;
        let entry = HistoryEntry {
            at: now,
            kind: AuditEventKind::ApprovalCancelled,
            actor: actor.to_owned(),
            policy_version: None,
            from_role: None,
            to_role: None,
            content: json!({"approval_id": id, "actor": actor, "reason": reason}),
        };
        let approval = Approval {
            status: Status::Cancelled,
            due_at: None,
            expires_at: None,
            generation: it.generation.saturating_add(1),
            ..it.clone()
        };
        let row = entry.into_row(&approval, 0);
        let row = row.map_err(|error| StoreError::Unavailable(Box::new(error)))?;
        let step = Sealed { approval, history: vec![row], outbox: Vec::new(), used: None };
        tables.damaged.garbled.remove(&id);
        Ok(tables.write(step, now))
    }
}

impl Tables {
    /// What is left of an approval whose timer is gone.
    fn without_timer(&self, it: Approval, now: Timestamp) -> Approval {
        let told = self.outbox.iter().map(|it| &it.notification);
        let rung = told.filter(|told| told.approval_id == it.id).map(|it| it.rung).max();
        let rows = self.history.iter().filter(|row| row.approval_id == it.id).count() as u64;
        Approval {
            rung: rung.unwrap_or(0),
            arrived_at: it.clock.at(now),
            generation: rows + 1,
            ..it
        }
    }
}

/// Whether its clock should run and does not.
fn stands(it: &Approval) -> bool {
    it.due_at.is_none() && matches!(it.status, Status::Pending | Status::Approved)
}

/// Whether its clock runs and should not.
fn runs_in_vain(it: &Approval) -> bool {
    it.due_at.is_some() && !matches!(it.status, Status::Pending | Status::Approved)
}

fn armed(it: Approval) -> Result<Approval, StoreError> {
    let due_at = deadline_of(&it)?;
    Ok(Approval { due_at, generation: it.generation.saturating_add(1), ..it })
}

fn unreadable() -> String {
    "invalid `chain`".to_owned()
}

/// Other hands on the maps.
#[cfg(feature = "test-util")]
#[async_trait]
impl crate::store::damage::Damage for MemoryApprovalStore {
    async fn lose_timer(&self, id: ApprovalId) {
        let mut tables = self.tables.lock();
        let it = tables.approvals.remove(&id);
        tables.damaged.lost.extend(it.map(|it| (id, it)));
    }

    async fn set_due(&self, id: ApprovalId, due_at: Option<Timestamp>) {
        if let Some(it) = self.tables.lock().approvals.get_mut(&id) {
            it.due_at = due_at;
        }
    }

    async fn garble(&self, id: ApprovalId) {
        let mut tables = self.tables.lock();
        let it = tables.approvals.remove(&id);
        tables.damaged.garbled.extend(it.map(|it| (id, (it, None))));
    }
}
