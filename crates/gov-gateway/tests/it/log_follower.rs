//! The log follower: every record once in the event store, whatever fails in between.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use gov_core::{
    AuditEvent, AuditEventKind, Clock as _, EventId, Health as _, HealthState, Payload, RecordId,
    clock::ManualClock,
};
use gov_deferred_audit::{
    LogRecord, entry,
    signed_log::{EpochExtent, LogHead, ReadLogError, StoredRecord},
};
use gov_gateway::log_follower::{
    CarryError, CarryReport, LogFollower, LogFollowerConfig, RecordSource,
};
use gov_gateway::outlet::StoreOutlet;
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::event_double::{Double, Mood};

/// A log in memory: the records of each epoch.
#[derive(Debug, Default)]
struct Log {
    epochs: Mutex<Vec<Vec<StoredRecord>>>,
    broken: Mutex<bool>,
}

impl Log {
    /// A log with this many records in each epoch.
    fn of(sizes: &[u64]) -> Arc<Self> {
        let log = Arc::new(Self::default());
        for (epoch, size) in (1..).zip(sizes) {
            log.epochs.lock().push(Vec::new());
            log.grow(epoch, *size, "{}");
        }
        log
    }

    fn grow(&self, epoch: u64, records: u64, payload: &str) {
        for _ in 0..records {
            let seq = self.size(epoch) + 1;
            let record = record(epoch, seq, payload);
            let entry = entry::encode(&record, seq, &origin(epoch)).unwrap();
            self.push(epoch, StoredRecord { seq, entry, payload: Some(record.payload) });
        }
    }

    fn push(&self, epoch: u64, record: StoredRecord) {
        self.epochs.lock()[usize::try_from(epoch - 1).unwrap()].push(record);
    }

    fn size(&self, epoch: u64) -> u64 {
        self.epochs.lock()[usize::try_from(epoch - 1).unwrap()].len() as u64
    }

    fn ids(&self) -> Vec<EventId> {
        let epochs = self.epochs.lock();
        let ids = (1..).zip(epochs.iter()).flat_map(|(epoch, records)| {
            let id = move |it: &StoredRecord| EventId::of_record(record_id(epoch, it.seq));
            records.iter().map(id).collect::<Vec<_>>()
        });
        let mut ids: Vec<_> = ids.collect();
        ids.sort();
        ids
    }
}

fn origin(epoch: u64) -> String {
    format!("example.com/gov/e{epoch}")
}

fn record_id(epoch: u64, seq: u64) -> RecordId {
    RecordId::derived("test", &format!("{epoch}/{seq}"))
}

fn record(epoch: u64, seq: u64, payload: &str) -> LogRecord {
    LogRecord {
        id: record_id(epoch, seq),
        at: ManualClock::default().now() + Duration::from_millis(seq),
        kind: AuditEventKind::ActionRefused,
        agent_id: Some("coder".parse().unwrap()),
        session_id: None,
        policy_version: Some(1),
        verdict: None,
        payload: Payload::from_parts(payload.as_bytes().to_vec(), [7; 16]),
    }
}

#[async_trait]
impl RecordSource for Log {
    async fn refresh(&self) -> Result<(), ReadLogError> {
        Ok(())
    }

    async fn epochs(&self) -> Result<Vec<EpochExtent>, ReadLogError> {
        if *self.broken.lock() {
            return Err(ReadLogError::Corrupt("a test".to_owned()));
        }
        let sizes: Vec<_> = self.epochs.lock().iter().map(|it| it.len() as u64).collect();
        let extent = |(epoch, size)| EpochExtent { epoch, origin: origin(epoch), size };
        Ok((1..).zip(sizes).map(extent).collect())
    }

    async fn records_of(
        &self,
        epoch: u64,
        seq: u64,
        limit: u64,
    ) -> Result<Vec<StoredRecord>, ReadLogError> {
        let epochs = self.epochs.lock();
        let records = &epochs[usize::try_from(epoch - 1).unwrap()];
        let limit = usize::try_from(limit).unwrap();
        Ok(records.iter().filter(|it| it.seq > seq).take(limit).cloned().collect())
    }
}

/// A log, a store, and the clock between them.
struct It {
    log: Arc<Log>,
    store: Arc<Double>,
    clock: ManualClock,
}

fn start(sizes: &[u64]) -> It {
    It { log: Log::of(sizes), store: Arc::default(), clock: ManualClock::default() }
}

impl It {
    /// A follower as after a start: it knows nothing but what log and store tell it.
    fn follower(&self) -> LogFollower {
        let log = Arc::clone(&self.log) as _;
        let outlet = Arc::new(StoreOutlet::new(Arc::clone(&self.store) as _));
        LogFollower::new(log, outlet, Arc::new(self.clock.clone()), LogFollowerConfig::default())
    }

    /// The store has every record once, and nothing else.
    #[track_caller]
    fn adds_up(&self) -> Vec<AuditEvent> {
        let events = self.store.events();
        let mut ids: Vec<_> = events.iter().map(|it| it.id).collect();
        ids.sort();
        assert_eq!(ids, self.log.ids());
        events
    }
}

#[tokio::test]
async fn every_record_is_carried_once_and_a_second_pass_has_nothing_to_do() {
    let it = start(&[600]);
    let follower = it.follower();
    let report = follower.run_once().await.unwrap();
    assert_eq!(report, CarryReport { new: 600, known: 0, dead_lettered: 0 });
    assert_eq!(it.store.largest_batch(), 256);
    it.adds_up();
    assert_eq!(follower.run_once().await.unwrap(), CarryReport::default());
    it.log.grow(1, 3, "{}");
    assert_eq!(follower.run_once().await.unwrap().new, 3);
    assert_eq!(it.follower().run_once().await.unwrap(), CarryReport::default(), "a new start");
    it.adds_up();
}

#[tokio::test]
async fn a_crash_between_the_events_and_the_cursor_repeats_no_event() {
    let it = start(&[40]);
    it.store.is(Mood::Forgets);
    assert!(it.follower().run_once().await.is_err());
    it.adds_up();
    it.store.is(Mood::Works);
    let report = it.follower().run_once().await.unwrap();
    assert_eq!(report, CarryReport { new: 0, known: 40, dead_lettered: 0 });
    it.adds_up();
}

#[tokio::test]
async fn nothing_is_skipped_when_the_store_fails_before_it_keeps() {
    let it = start(&[40]);
    let follower = it.follower();
    it.store.is(Mood::Fails);
    let error = follower.run_once().await.unwrap_err();
    assert!(matches!(error, CarryError::Outlet(_)), "{error}");
    assert!(it.store.events().is_empty());
    let HealthState::Degraded(reason) = follower.progress().health() else { panic!() };
    assert!(reason.starts_with("40 records of the signed log wait: "), "{reason}");
    assert!(reason.ends_with("the event store is unavailable"), "{reason}");
    assert_eq!(follower.progress().lag(), 40);

    it.store.is(Mood::Works);
    follower.run_once().await.unwrap();
    it.adds_up();
    assert_eq!(follower.progress().health(), HealthState::Healthy);
    assert_eq!(follower.progress().lag(), 0);
}

#[tokio::test]
async fn a_log_that_cannot_be_read_is_told_and_tried_again() {
    let it = start(&[2]);
    let follower = it.follower();
    *it.log.broken.lock() = true;
    assert!(matches!(follower.run_once().await, Err(CarryError::Log(_))));
    assert!(matches!(follower.progress().health(), HealthState::Degraded(_)));
    *it.log.broken.lock() = false;
    follower.run_once().await.unwrap();
    it.adds_up();
}

#[tokio::test]
async fn epochs_that_ended_are_carried_to_their_end_under_their_own_names() {
    let it = start(&[30, 0, 20]);
    it.follower().run_once().await.unwrap();
    let events = it.adds_up();
    let of = |epoch: &str| events.iter().filter(|it| it.subjects["epoch"] == epoch).count();
    assert_eq!((of("1"), of("3")), (30, 20));

    // A rollback is accepted while the last start had not finished.
    let it = start(&[30]);
    it.store.is(Mood::Fails);
    assert!(it.follower().run_once().await.is_err());
    it.log.epochs.lock().push(Vec::new());
    it.log.grow(2, 5, "{}");
    it.store.is(Mood::Works);
    assert_eq!(it.follower().run_once().await.unwrap().new, 35);
    it.adds_up();
}

#[tokio::test]
async fn a_record_that_cannot_be_read_does_not_stop_the_rest() {
    let it = start(&[3]);
    it.log.push(1, StoredRecord { seq: 4, entry: b"{}".to_vec(), payload: None });
    it.log.grow(1, 3, "{}");
    let report = it.follower().run_once().await.unwrap();
    assert_eq!(report, CarryReport { new: 7, known: 0, dead_lettered: 1 });
    let letters: Vec<_> = it.store.events();
    let letters: Vec<_> =
        letters.iter().filter(|it| it.kind == AuditEventKind::AuditDeadLettered).collect();
    assert_eq!(letters.len(), 1);
    assert_eq!(letters[0].subjects["seq"], "4");
}

#[tokio::test]
async fn records_that_were_pruned_before_they_were_carried_are_one_gap() {
    let it = start(&[10, 3]);
    it.log.epochs.lock()[0].drain(..7);
    for _ in 0..2 {
        it.follower().run_once().await.unwrap();
        let events = it.store.events();
        assert_eq!(events.len(), 7);
        let gaps: Vec<_> = events.iter().filter(|it| it.kind == AuditEventKind::AuditGap).collect();
        let [gap] = gaps.as_slice() else { panic!("{gaps:?}") };
        let payload: serde_json::Value = serde_json::from_slice(gap.payload.as_bytes()).unwrap();
        assert_eq!((&payload["first"], &payload["last"]), (&1.into(), &7.into()));
        assert_eq!(payload["origin"], origin(1));
    }
}

#[tokio::test]
async fn an_event_that_the_store_will_never_take_does_not_stop_the_rest() {
    let it = start(&[300]);
    *it.store.never.lock() = Some(EventId::of_record(record_id(1, 9)));
    let report = it.follower().run_once().await.unwrap();
    assert_eq!(report, CarryReport { new: 300, known: 0, dead_lettered: 1 });
    let events = it.store.events();
    let letter = events.iter().find(|it| it.kind == AuditEventKind::AuditDeadLettered).unwrap();
    assert_eq!(letter.subjects["record_id"], record_id(1, 9).to_string());
    assert_eq!(letter.at, record(1, 9, "").at);
}

#[tokio::test]
async fn large_payloads_are_left_out_and_share_no_boundless_transaction() {
    let it = start(&[0]);
    it.log.grow(1, 100, &format!("\"{}\"", "x".repeat(65_534)));
    it.log.grow(1, 2, &format!("\"{}\"", "x".repeat(65_535)));
    it.follower().run_once().await.unwrap();
    let events = it.adds_up();
    let omitted =
        events.iter().filter(|it| it.payload.as_bytes().starts_with(b"{\"digest\"")).count();
    assert_eq!(omitted, 2);
    assert!(events.iter().all(|it| it.check_size().is_ok()));
    assert!(it.store.largest_batch() <= 80, "{}", it.store.largest_batch());
}

fn commits() -> watch::Sender<LogHead> {
    watch::Sender::new(LogHead { epoch: 1, size: 0, checkpoint: String::new() })
}

#[tokio::test]
async fn a_commit_wakes_it_and_so_does_time() {
    let it = start(&[1]);
    let (commits, shutdown) = (commits(), CancellationToken::new());
    let running = tokio::spawn(it.follower().run(commits.subscribe(), shutdown.clone()));
    it.store.asked(1).await;
    it.log.grow(1, 1, "{}");
    commits.send_modify(|it| it.size = 2);
    it.store.asked(2).await;
    // Another process commits, and nobody says so here.
    it.log.grow(1, 1, "{}");
    it.store.asked_in_time(3, &it.clock).await;
    shutdown.cancel();
    let follower = running.await.unwrap();
    it.adds_up();
    it.log.grow(1, 2, "{}");
    assert!(follower.finish(it.clock.now() + Duration::from_secs(5)).await);
    it.adds_up();
}

#[tokio::test]
async fn a_store_that_fails_is_tried_again_for_ever_and_the_end_is_bounded() {
    let it = start(&[5]);
    it.store.is(Mood::Fails);
    let (commits, shutdown) = (commits(), CancellationToken::new());
    let running = tokio::spawn(it.follower().run(commits.subscribe(), shutdown.clone()));
    it.store.asked_in_time(20, &it.clock).await;
    it.store.is(Mood::Works);
    it.store.asked_in_time(21, &it.clock).await;
    it.adds_up();
    shutdown.cancel();
    let follower = running.await.unwrap();

    it.log.grow(1, 1, "{}");
    it.store.is(Mood::Hangs);
    let until = it.clock.now() + Duration::from_secs(5);
    let asked = async {
        it.store.asked(22).await;
        it.clock.advance(Duration::from_secs(5));
    };
    let (finished, ()) = tokio::join!(follower.finish(until), asked);
    assert!(!finished);
}
