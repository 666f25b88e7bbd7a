//! Keeps approvals in this process's memory: for tests, and for programs that may forget them.

use std::{collections::BTreeMap, sync::Arc};

use async_trait::async_trait;
use gov_core::{ActionDigest, ApprovalId, Timestamp};
use parking_lot::Mutex;

use super::{
    Applied, ApprovalFilter, ApprovalStore, Firing, History, Outbox, Pulse, StoreError, Submitted,
};
use crate::{
    approval::{Approval, ApprovalRequest, HistoryRow, Notification},
    clock::Halts,
    directory::Directory,
    event::EscalationEvent,
    grant::Use,
    transition::{self, Change, Refusal, Step},
};

mod audit;
mod edits;
mod grants;
mod halt;
mod outbox;

use self::outbox::{Message, Target};

/// A store that forgets everything when it is dropped. What it keeps is *memory*: it survives
/// nothing.
#[derive(Debug, Default)]
pub struct MemoryApprovalStore {
    // The lock is the transaction: nobody sees a change half done.
    tables: Mutex<Tables>,
    directory: Option<Arc<dyn Directory>>,
}

#[derive(Debug, Default)]
struct Tables {
    approvals: BTreeMap<ApprovalId, Approval>,
    // INVARIANT: the row at index n has position n + 1.
    history: Vec<HistoryRow>,
    // INVARIANT: in the order of writing; what is sent is gone.
    outbox: Vec<Message>,
    targets: BTreeMap<String, Target>,
    uses: Vec<Use>,
    cursor: u64,
    damaged: audit::Damaged,
    halts: Halts,
}

/// A step whose history is sealed: writing it cannot fail.
struct Sealed {
    approval: Approval,
    history: Vec<HistoryRow>,
    outbox: Vec<Notification>,
    used: Option<Use>,
}

impl MemoryApprovalStore {
    /// Knows from now on who is there to answer: without, no rung counts as empty.
    #[must_use]
    pub fn with_directory(self, directory: Arc<dyn Directory>) -> Self {
        Self { directory: Some(directory), ..self }
    }
}

#[async_trait]
impl ApprovalStore for MemoryApprovalStore {
    async fn submit(
        &self,
        request: ApprovalRequest,
        now: Timestamp,
    ) -> Result<Submitted, StoreError> {
        let roster = self.directory.as_ref().map(|it| it.roster());
        let mut tables = self.tables.lock();
        if let Some(open) = tables.open(&request.digest) {
            return Ok(Submitted { approval: open.clone(), position: None });
        }
        let (id, clock) = (ApprovalId::at(now), tables.halts.clock);
        let step = seal(transition::open(id, request, roster.as_deref(), clock, now))?;
        let approval = step.approval.clone();
        Ok(Submitted { approval, position: Some(tables.write(step, now)) })
    }

    async fn apply(
        &self,
        id: ApprovalId,
        change: Change,
        now: Timestamp,
    ) -> Result<Applied, StoreError> {
        let mut tables = self.tables.lock();
        let approval = tables.approvals.get(&id).ok_or(StoreError::NotFound(id))?;
        if tables.is_repeat(&change) {
            let (approval, refusal) = (Box::new(approval.clone()), Refusal::Replayed);
            return Ok(Applied::Refused { approval, refusal });
        }
        match transition::apply(approval, &change, now) {
            Ok(step) => {
                let step = seal(step)?;
                let approval = Box::new(step.approval.clone());
                Ok(Applied::Done { approval, position: tables.write(step, now) })
            }
            Err(refusal) => Ok(Applied::Refused { approval: Box::new(approval.clone()), refusal }),
        }
    }

    async fn fire(&self, now: Timestamp, limit: u32) -> Result<Firing, StoreError> {
        let roster = self.directory.as_ref().map(|it| it.roster());
        let mut tables = self.tables.lock();
        if tables.halts.clock.halted_at.is_some() {
            return Ok(Firing::default());
        }
        let mut due: Vec<_> = tables
            .approvals
            .values()
            .filter_map(|it| it.due_at.filter(|due| *due <= now).map(|due| (due, it.id)))
            .collect();
        due.sort_unstable();
        let mut events = Vec::new();
        let mut fired = tables.damaged.set_aside_due(now, limit);
        let mut steps = Vec::new();
        for (_, id) in due.into_iter().take(limit as usize) {
            let Some(approval) = tables.approvals.get(&id) else { continue };
            let Some(step) = transition::fire(approval, roster.as_deref(), now) else { continue };
            fired.count(approval, &step);
            events.extend(EscalationEvent::of(&step.approval));
            steps.push(seal(step)?);
        }
        for step in steps {
            tables.write(step, now);
        }
        Ok(Firing { fired, events })
    }

    async fn pulse(&self) -> Result<Pulse, StoreError> {
        Ok(Pulse {
            next_deadline: self.next_deadline().await?,
            next_unsent: self.next_unsent().await?,
        })
    }

    async fn next_deadline(&self) -> Result<Option<Timestamp>, StoreError> {
        let tables = self.tables.lock();
        let runs = tables.halts.clock.halted_at.is_none();
        Ok(tables.approvals.values().filter(|_| runs).filter_map(|it| it.due_at).min())
    }

    async fn get(&self, id: ApprovalId) -> Result<Approval, StoreError> {
        self.tables.lock().approvals.get(&id).cloned().ok_or(StoreError::NotFound(id))
    }

    async fn find_open(&self, digest: &ActionDigest) -> Result<Option<Approval>, StoreError> {
        Ok(self.tables.lock().open(digest).cloned())
    }

    async fn list(
        &self,
        filter: &ApprovalFilter,
        before: Option<ApprovalId>,
        limit: u32,
    ) -> Result<Vec<Approval>, StoreError> {
        let tables = self.tables.lock();
        let newest_first = tables.approvals.values().rev();
        let fitting = newest_first.filter(|it| {
            before.is_none_or(|before| it.id < before)
                && (filter.statuses.is_empty() || filter.statuses.contains(&it.status))
                && filter.agent_id.as_ref().is_none_or(|agent| *agent == it.request.agent_id)
                && (!filter.grants || it.request.grant.is_some())
        });
        Ok(fitting.take(limit as usize).cloned().collect())
    }
}

#[async_trait]
impl History for MemoryApprovalStore {
    async fn rows_after(&self, position: u64, limit: u32) -> Result<Vec<HistoryRow>, StoreError> {
        let tables = self.tables.lock();
        let rest = tables.history.iter().filter(|it| it.position > position);
        Ok(rest.take(limit as usize).cloned().collect())
    }

    async fn of_approval(&self, id: ApprovalId) -> Result<Vec<HistoryRow>, StoreError> {
        let tables = self.tables.lock();
        Ok(tables.history.iter().filter(|it| it.approval_id == id).cloned().collect())
    }

    async fn end(&self) -> Result<u64, StoreError> {
        Ok(self.tables.lock().history.len() as u64)
    }

    async fn cursor(&self) -> Result<u64, StoreError> {
        Ok(self.tables.lock().cursor)
    }

    async fn set_cursor(&self, position: u64) -> Result<(), StoreError> {
        let mut tables = self.tables.lock();
        tables.cursor = tables.cursor.max(position);
        Ok(())
    }
}

impl Tables {
    fn open(&self, digest: &ActionDigest) -> Option<&Approval> {
        self.approvals.values().find(|it| it.request.digest == *digest && it.status.is_open())
    }

    /// Where the last row of the change stands.
    fn write(&mut self, step: Sealed, now: Timestamp) -> u64 {
        for row in step.history {
            self.remember(row);
        }
        self.outbox.extend(step.outbox.into_iter().map(|it| Message::new(it, now)));
        self.uses.extend(step.used);
        self.approvals.insert(step.approval.id, step.approval);
        self.history.len() as u64
    }

    /// The row gets the next position.
    fn remember(&mut self, row: HistoryRow) {
        let position = self.history.len() as u64 + 1;
        self.history.push(HistoryRow { position, ..row });
    }
}

/// Seals before anything is written: without randomness nothing is changed.
fn seal(step: Step) -> Result<Sealed, StoreError> {
    let Step { approval, history, outbox, used } = step;
    let rows = history.into_iter().map(|entry| entry.into_row(&approval, 0));
    let history = rows
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| StoreError::Unavailable(Box::new(error)))?;
    Ok(Sealed { approval, history, outbox, used })
}
