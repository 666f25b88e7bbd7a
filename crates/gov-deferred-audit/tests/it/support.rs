//! A log in memory whose sink misbehaves on demand, and records to hand in.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard},
};

use async_trait::async_trait;
use gov_core::{AuditEventKind, Clock, Payload, RecordId, SystemClock, Timestamp};
use gov_deferred_audit::{
    AppendOutcome, DeferredAuditQueue, DeferredAuditReceiver, DeferredAuditSink, LogRecord,
    QueueConfig, Supervisor, spawn_supervised_drainer,
};
use tempfile::TempDir;
use tokio::sync::watch;

/// A log in memory: what the sinks of one test share.
#[derive(Clone, Debug)]
pub(crate) struct ToyLog {
    inner: Arc<Mutex<Inner>>,
    gate: Arc<watch::Sender<bool>>,
}

#[derive(Debug, Default)]
pub(crate) struct Inner {
    pub(crate) rows: Vec<LogRecord>,
    pub(crate) seqs: HashMap<RecordId, u64>,
    pub(crate) dead: Vec<RecordId>,
    /// Sizes of the batches that were appended.
    pub(crate) batches: Vec<usize>,
    /// An append with one of these panics.
    pub(crate) poison: HashSet<RecordId>,
    /// So many appends from now on panic.
    pub(crate) panics: u64,
    /// Panic after the batch was kept, as a crash between commit and answer.
    pub(crate) panics_late: bool,
    pub(crate) no_dead_letters: bool,
    pub(crate) sinks_made: u64,
}

#[derive(Debug)]
pub(crate) struct ToySink(ToyLog);

impl ToyLog {
    pub(crate) fn new() -> Self {
        Self { inner: Arc::default(), gate: Arc::new(watch::Sender::new(true)) }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// While it is shut every append waits, as before a locked database.
    pub(crate) fn open_gate(&self, open: bool) {
        self.gate.send_replace(open);
    }

    pub(crate) fn ids(&self) -> Vec<RecordId> {
        self.lock().rows.iter().map(|row| row.id).collect()
    }

    pub(crate) fn sink(&self) -> ToySink {
        self.lock().sinks_made += 1;
        ToySink(self.clone())
    }

    fn keep(&self, batch: &[LogRecord]) -> Vec<AppendOutcome> {
        let mut inner = self.lock();
        let poisoned =
            batch.iter().any(|it| inner.poison.contains(&it.id) && !inner.dead.contains(&it.id));
        let panics = inner.panics > 0;
        inner.panics = inner.panics.saturating_sub(1);
        if poisoned || (panics && !inner.panics_late) {
            drop(inner);
            panic!("the toy sink was told to");
        }
        inner.batches.push(batch.len());
        let outcomes = batch.iter().map(|record| {
            if let Some(seq) = inner.seqs.get(&record.id) {
                return AppendOutcome::Appended { seq: *seq };
            }
            if inner.dead.contains(&record.id) {
                return AppendOutcome::DlqLanded;
            }
            inner.rows.push(record.clone());
            let seq = inner.rows.len() as u64;
            inner.seqs.insert(record.id, seq);
            AppendOutcome::Appended { seq }
        });
        let outcomes = outcomes.collect();
        if panics {
            drop(inner);
            panic!("the toy sink was told to, late");
        }
        outcomes
    }
}

#[async_trait]
impl DeferredAuditSink for ToySink {
    async fn append(&mut self, batch: &[LogRecord]) -> Vec<AppendOutcome> {
        let mut gate = self.0.gate.subscribe();
        let _ = gate.wait_for(|open| *open).await;
        self.0.keep(batch)
    }

    async fn dead_letter(&mut self, record: &LogRecord, _why: &str) -> Option<AppendOutcome> {
        let mut inner = self.0.lock();
        if inner.panics > 0 {
            drop(inner);
            panic!("the toy sink was told to, for dead letters too");
        }
        if let Some(seq) = inner.seqs.get(&record.id) {
            return Some(AppendOutcome::Appended { seq: *seq });
        }
        if inner.no_dead_letters {
            return None;
        }
        if !inner.dead.contains(&record.id) {
            inner.dead.push(record.id);
        }
        Some(AppendOutcome::DlqLanded)
    }
}

/// A clock whose sleepers do not wait: the time jumps to what they wait for.
#[derive(Debug)]
pub(crate) struct JumpingClock(Mutex<Timestamp>);

impl JumpingClock {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(SystemClock.now()))
    }
}

#[async_trait]
impl Clock for JumpingClock {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap()
    }

    async fn sleep_until(&self, deadline: Timestamp) {
        tokio::task::yield_now().await;
        let mut now = self.0.lock().unwrap();
        *now = deadline.max(*now);
    }
}

/// A queue over a directory of its own, and the log that it drains into.
pub(crate) struct Fixture {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) dir: TempDir,
    pub(crate) log: ToyLog,
    pub(crate) config: QueueConfig,
}

impl Fixture {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let config = QueueConfig::in_dir(dir.path());
        Self { clock: Arc::new(SystemClock), dir, log: ToyLog::new(), config }
    }

    /// One whose back-offs and flush intervals take no time.
    pub(crate) fn without_waits() -> Self {
        Self { clock: Arc::new(JumpingClock::new()), ..Self::new() }
    }

    pub(crate) fn open(&self) -> (DeferredAuditQueue, DeferredAuditReceiver) {
        DeferredAuditQueue::open(self.config.clone(), self.clock.clone()).unwrap()
    }

    /// A queue whose drainer runs.
    pub(crate) fn start(&self) -> (DeferredAuditQueue, Supervisor) {
        let (queue, receiver) = self.open();
        let supervisor = self.drain(&queue, receiver);
        (queue, supervisor)
    }

    pub(crate) fn drain(
        &self,
        queue: &DeferredAuditQueue,
        receiver: DeferredAuditReceiver,
    ) -> Supervisor {
        let log = self.log.clone();
        spawn_supervised_drainer(receiver, move || log.sink(), &queue.metrics(), 5)
    }

    /// Settles everything that waits, and closes.
    pub(crate) async fn flush(&self) {
        let (queue, supervisor) = self.start();
        let flushed = gov_deferred_audit::close_and_flush(&queue, supervisor).await;
        assert_eq!((flushed.left_in_spool, flushed.lost), (0, 0));
        assert_balanced(&queue);
    }

    pub(crate) fn spool_bytes(&self) -> Vec<u8> {
        std::fs::read(&self.config.spool).unwrap()
    }

    pub(crate) fn quarantined(&self) -> Vec<String> {
        let Ok(entries) = std::fs::read_dir(&self.config.quarantine) else { return Vec::new() };
        entries.map(|it| it.unwrap().file_name().into_string().unwrap()).collect()
    }
}

pub(crate) fn assert_balanced(queue: &DeferredAuditQueue) {
    let balance = queue.balance();
    assert!(balance.holds(), "{balance:?}");
}

/// A record whose payload is `{"n": n}`, padded to `bytes`.
pub(crate) fn record_of(n: usize, bytes: usize) -> LogRecord {
    let now = SystemClock.now();
    let payload = format!("{{\"n\":{n},\"pad\":\"{}\"}}", "x".repeat(bytes));
    LogRecord {
        id: RecordId::at(now),
        at: now,
        kind: AuditEventKind::ActionRefused,
        agent_id: Some("agent".parse().unwrap()),
        session_id: None,
        policy_version: Some(1),
        verdict: None,
        payload: Payload::from_parts(payload.into_bytes(), [7; 16]),
    }
}

pub(crate) fn record(n: usize) -> LogRecord {
    record_of(n, 0)
}

pub(crate) fn records(count: usize) -> Vec<LogRecord> {
    (0..count).map(record).collect()
}

pub(crate) fn ids(records: &[LogRecord]) -> Vec<RecordId> {
    records.iter().map(|record| record.id).collect()
}
