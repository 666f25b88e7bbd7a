//! The queue: takes records out of the caller's way, never blocking on a database.

pub(crate) mod config;
pub(crate) mod disk;
pub(crate) mod error;
pub(crate) mod intake;
pub(crate) mod receiver;
pub(crate) mod shared;

use std::{collections::VecDeque, fmt, sync::Arc};

use gov_core::{AgentAction, AgentId, Clock, Decision, Health, HealthState, RecordId};
use parking_lot::Mutex;
use tokio::sync::{Notify, oneshot};

use self::shared::{Entry, Line, Run, Shared, Usage};
pub use self::{
    config::{Durability, QueueConfig},
    error::{OpenQueueError, SubmitError},
    receiver::DeferredAuditReceiver,
};
use crate::{
    event::{DeferredAuditEvent, check_json},
    metrics::{Balance, DeferredAuditMetrics},
    record::LogRecord,
    spool::recover::{self, Recovered},
};

/// A record that is in the log, durably.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Committed {
    /// The record.
    pub id: RecordId,
    /// Its sequence number in the log, from 1.
    pub seq: u64,
}

/// Hands records to the drainer. Clones share one line, one spool and one set of metrics.
///
/// What one caller submits one after the other is appended in that order.
#[derive(Clone)]
pub struct DeferredAuditQueue {
    shared: Arc<Shared>,
}

impl DeferredAuditQueue {
    /// Opens the spool, lines up what an earlier process left in it, and gives the queue and the
    /// one receiver, which a [supervised drainer](crate::spawn_supervised_drainer) takes.
    ///
    /// A torn last frame is cut off with a warning. A damaged frame is copied into the quarantine,
    /// and an `audit.gap` record that names it is lined up.
    ///
    /// # Errors
    ///
    /// [`OpenQueueError`] if another process has the spool, a newer build wrote it, or the file
    /// system refuses.
    pub fn open(
        config: QueueConfig,
        clock: Arc<dyn Clock>,
    ) -> Result<(Self, DeferredAuditReceiver), OpenQueueError> {
        let Recovered { spool, pending, gaps } =
            recover::open(&config.spool, &config.quarantine, config.limits)?;
        let mark = spool.mark();
        let metrics = DeferredAuditMetrics::new(clock.clone());
        let replayed: u64 = pending.iter().map(|(_, stretch)| stretch.frames).sum();
        let runs = pending.into_iter().map(|(segment, stretch)| {
            Entry::OnDisk(Run { segment, bytes: stretch.bytes, frames: stretch.frames })
        });
        let line = Line {
            entries: runs.collect::<VecDeque<_>>(),
            spool,
            open: true,
            dead: None,
            trouble: None,
            memory: Usage::default(),
            cache: Usage::default(),
            on_disk: replayed,
            in_flight: 0,
            gaps: Vec::new(),
        };
        metrics.add_submitted(replayed);
        metrics.add_replayed(replayed);
        let shared = Arc::new(Shared {
            config,
            clock,
            metrics,
            mark,
            wake_drainer: Notify::new(),
            wake_flusher: Notify::new(),
            line: Mutex::new(line),
        });

        for gap in &gaps {
            shared.report(gap).map_err(OpenQueueError::Gap)?;
        }
        Ok((Self { shared: shared.clone() }, DeferredAuditReceiver::new(shared)))
    }

    /// Takes `record` and returns at once. What the promise is, `durability` says.
    ///
    /// It does no more than one `write(2)` into the spool, needs no runtime and never panics.
    ///
    /// # Errors
    ///
    /// [`SubmitError`]: the record was not taken, and nothing of it remains. Every error counts as
    /// rejected.
    pub fn try_submit(
        &self,
        record: LogRecord,
        durability: Durability,
    ) -> Result<RecordId, SubmitError> {
        self.shared.hand_over(record, durability, None)
    }

    /// Takes `record` and waits until the log has it: its commit is fsynced.
    ///
    /// Dropping the future does not take the record back.
    ///
    /// # Errors
    ///
    /// As [`DeferredAuditQueue::try_submit`]; and [`SubmitError::DeadLettered`],
    /// [`SubmitError::Deferred`] or [`SubmitError::Unknown`] for a record that was taken.
    pub async fn submit_durable(&self, record: LogRecord) -> Result<Committed, SubmitError> {
        let (id, verdict) = self.line_up(record)?;
        let seq = verdict.await.unwrap_or(Err(SubmitError::Unknown { id }))?;
        Ok(Committed { id, seq })
    }

    /// Takes `event` under the configured durability; false if it was not taken.
    #[must_use]
    pub fn submit(&self, event: DeferredAuditEvent) -> bool {
        match event.into_record(self.mint()) {
            Ok(record) => self.try_submit(record, self.shared.config.durability).is_ok(),
            Err(_) => self.reject(),
        }
    }

    /// Takes what `agent` was refused; false if it was not taken. A decision that is no refusal
    /// needs no record: true.
    #[must_use]
    pub fn submit_refusal(
        &self,
        agent: &AgentId,
        action: &AgentAction,
        decision: &Decision,
    ) -> bool {
        if check_json(action).is_err() {
            return !decision.is_refusal() || self.reject();
        }
        let now = self.shared.clock.now();
        DeferredAuditEvent::from_refusal(agent, action, decision, now)
            .is_none_or(|event| self.submit(event))
    }

    /// The counters, shared with every clone.
    #[must_use]
    pub fn metrics(&self) -> DeferredAuditMetrics {
        self.shared.metrics.clone()
    }

    /// The conservation law, read in one moment, with what waits counted one by one.
    #[must_use]
    pub fn balance(&self) -> Balance {
        self.shared.balance()
    }

    /// Whether records are taken: not closed, and the drainer has not given up.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.shared.line.lock().open
    }

    /// How the queue is. When dead, what requires a record must be refused.
    #[must_use]
    pub fn health(&self) -> HealthState {
        self.shared.health()
    }

    /// Takes no further records; the drainer settles what waits, and ends.
    pub fn close(&self) {
        self.shared.close();
    }

    /// A fresh id from the queue's clock, for a record that is built by hand.
    #[must_use]
    pub fn mint(&self) -> RecordId {
        RecordId::at(self.shared.clock.now())
    }

    /// Like [`DeferredAuditQueue::submit_durable`], which lines up and waits in one step.
    pub(crate) fn line_up(
        &self,
        record: LogRecord,
    ) -> Result<(RecordId, oneshot::Receiver<shared::Verdict>), SubmitError> {
        let (tell, verdict) = oneshot::channel();
        self.shared.hand_over(record, Durability::Durable, Some(tell)).map(|id| (id, verdict))
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Counts what never became a record; always false.
    fn reject(&self) -> bool {
        let _line = self.shared.line.lock();
        self.shared.count_submit(false);
        false
    }
}

impl fmt::Debug for DeferredAuditQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeferredAuditQueue").field("metrics", &self.shared.metrics).finish()
    }
}

impl Health for DeferredAuditQueue {
    fn name(&self) -> &'static str {
        "audit_queue"
    }

    fn health(&self) -> HealthState {
        DeferredAuditQueue::health(self)
    }
}
