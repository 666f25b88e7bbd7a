//! What is stored is read again and again, and what was not signed so is named.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use gov_core::{Clock, Health as _, HealthState, Timestamp, clock::ManualClock};
use gov_deferred_audit::{
    SignedLog,
    signed_log::{ScrubConfig, conformance::Deployment as _},
};
use metrics_util::debugging::{DebugValue, DebuggingRecorder, Snapshotter};
use tokio::{sync::mpsc, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use crate::{
    fixture::{Fixture, append},
    nodes::Nodes,
    pruning::{prune, pruned},
    support::JumpingClock,
};

/// Nobody may wait longer.
const PATIENCE: Duration = Duration::from_mins(1);

/// A clock that tells how long each sleeper wants to sleep.
#[derive(Debug)]
struct AskedClock {
    clock: ManualClock,
    asked: mpsc::Sender<Timestamp>,
}

#[async_trait]
impl Clock for AskedClock {
    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    async fn sleep_until(&self, deadline: Timestamp) {
        self.asked.send(deadline).await.unwrap();
        self.clock.sleep_until(deadline).await;
    }
}

/// A log that is being scrubbed.
struct Scrubbed {
    log: SignedLog,
    meters: Snapshotter,
    counted: RefCell<BTreeMap<String, u64>>,
    shutdown: CancellationToken,
    scrubbing: JoinHandle<()>,
}

impl Scrubbed {
    /// Scrubs without a wait that takes time.
    async fn of(it: &Fixture) -> Self {
        let clock = Arc::new(JumpingClock::new());
        let log = SignedLog::open(it.config.clone(), clock).await.unwrap();
        Self::start(log, ScrubConfig::default())
    }

    fn start(log: SignedLog, config: ScrubConfig) -> Self {
        let recorder = DebuggingRecorder::new();
        let meters = recorder.snapshotter();
        let shutdown = CancellationToken::new();
        // The counters are made when the task is first polled, on this thread.
        let scrub = Box::pin(log.clone().scrub(config, shutdown.clone()));
        let scrub = WithRecorder { recorder, scrub };
        let (counted, scrubbing) = (RefCell::default(), tokio::spawn(scrub));
        Self { log, meters, counted, shutdown, scrubbing }
    }

    fn counted(&self, name: &str) -> u64 {
        // Each snapshot has what was counted since the one before.
        let mut counted = self.counted.borrow_mut();
        for (key, _, _, value) in self.meters.snapshot().into_vec() {
            let DebugValue::Counter(count) = value else { continue };
            *counted.entry(key.key().name().to_owned()).or_default() += count;
        }
        counted.get(&format!("gov_deferred_audit_{name}_total")).copied().unwrap_or(0)
    }

    async fn until(&self, what: &str, is_so: impl Fn(&Self) -> bool) {
        let wait = async {
            while !is_so(self) {
                tokio::task::yield_now().await;
            }
        };
        let waited = tokio::time::timeout(PATIENCE, wait).await;
        assert!(waited.is_ok(), "not {what}: {:?}", self.log.health());
    }

    /// Waits until a round has begun and ended after now; gives what the health is then.
    async fn after_a_round(&self) -> HealthState {
        let before = self.counted("scrub_rounds");
        self.until("a round", |it| it.counted("scrub_rounds") > before + 1).await;
        self.log.health()
    }

    async fn stop(self) {
        self.shutdown.cancel();
        tokio::time::timeout(PATIENCE, self.scrubbing).await.unwrap().unwrap();
        self.log.close().await;
    }
}

/// A task whose metrics go to a recorder of its own.
struct WithRecorder<F> {
    recorder: DebuggingRecorder,
    scrub: F,
}

impl<F: Future<Output = ()> + Unpin> Future for WithRecorder<F> {
    type Output = ();

    fn poll(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<()> {
        let Self { recorder, scrub } = &mut *self;
        metrics::with_local_recorder(recorder, || std::pin::Pin::new(scrub).poll(cx))
    }
}

/// Changes the database of a log that is open, behind its back.
const FLIP: &str = "update audit_log_entry set entry = cast(replace(cast(entry as text), 'refuse',
    'permit') as blob) where seq = 8";
const FLIP_BACK: &str = "update audit_log_entry set entry = cast(replace(cast(entry as text),
    'permit', 'refuse') as blob) where seq = 8";

#[tokio::test]
async fn a_byte_that_changed_in_a_running_log_is_named_until_it_is_healed() {
    let it = Fixture::with_records(600).await;
    let scrubbed = Scrubbed::of(&it).await;
    assert_eq!(scrubbed.after_a_round().await, HealthState::Healthy);
    assert_eq!(scrubbed.counted("scrub_findings"), 0);
    it.tamper(FLIP);
    scrubbed.until("found", |it| it.log.health() != HealthState::Healthy).await;
    let why = "scrubbing found epoch 1, index 7, `entry`: it is not the entry that was signed; \
               run `gov audit verify`";
    assert_eq!(scrubbed.after_a_round().await, HealthState::Degraded(why.to_owned()));
    assert!(scrubbed.counted("scrub_findings") >= 1);
    assert_eq!(append(&scrubbed.log, &[it.record(600)]).await, [601]);
    it.tamper(FLIP_BACK);
    assert_eq!(scrubbed.after_a_round().await, HealthState::Healthy);
    scrubbed.stop().await;
}

#[tokio::test]
async fn whatever_changes_is_named_with_its_place_and_field() {
    let tile = "`tile/0/000`";
    for (sql, found) in [
        ("delete from audit_log_entry where seq = 8", "index 7, `entry`: is missing"),
        ("delete from audit_log_entry where seq > 1 and seq <= 256", "index 1, `entry`"),
        ("delete from audit_log_entry where seq <= 256", "index 0, `entry`: is missing"),
        (
            "update audit_log_payload set payload = x'7b7d' where seq = 270",
            "index 269, `payload`: it does not fit its commitment",
        ),
        (
            "update audit_log_payload set salt = zeroblob(16) where seq = 8",
            "index 7, `payload`: it does not fit its commitment",
        ),
        ("delete from audit_log_tile", &format!("index 0, {tile}: is missing")),
        (
            "update audit_log_tile set hashes = cast(zeroblob(32) || substr(hashes, 33) as blob)",
            &format!("index 0, {tile}: its hash is not the one of the entry"),
        ),
        (
            "update audit_log_entry set entry = x'00' where seq = 257",
            "`root`: its last records or tiles do not make the root of its head",
        ),
        (
            "insert into audit_log_pruned values (1, 256)",
            "`pruned`: the stored log is corrupt: it never said what it has as pruned",
        ),
        (
            "update audit_log_checkpoint set note = replace(note, 'example', 'examqle')",
            "`root`: its checkpoint does not fit its head",
        ),
    ] {
        let it = Fixture::with_records(300).await;
        let scrubbed = Scrubbed::of(&it).await;
        it.tamper(sql);
        let HealthState::Degraded(why) = scrubbed.after_a_round().await else {
            panic!("{sql}: nothing is found");
        };
        assert!(why.contains(found), "{sql}: {why}");
        scrubbed.stop().await;
    }
}

#[tokio::test]
async fn what_is_erased_or_pruned_is_not_missed_and_what_comes_back_goes_again() {
    let it = Fixture::with_records(700).await;
    let old = it.folder.path().join("old.db");
    std::fs::copy(&it.config.database, &old).unwrap();
    prune(&it, 512).await;
    it.tamper("delete from audit_log_payload where seq in (513, 600, 701)");
    let scrubbed = Scrubbed::of(&it).await;
    assert_eq!(scrubbed.after_a_round().await, HealthState::Healthy);
    // As if the process had died before it deleted them.
    it.tamper(&format!(
        "attach '{}' as old;
         insert into audit_log_entry select place, record_id, entry
         from old.audit_log_entry where seq <= 256;
         insert into audit_log_payload select place, salt, payload
         from old.audit_log_payload where seq <= 256",
        old.display()
    ));
    assert_eq!(scrubbed.after_a_round().await, HealthState::Healthy);
    assert_eq!(scrubbed.log.records_after(0, 1).await.unwrap()[0].seq, 513);
    it.tamper("insert into audit_log_payload values (1 << 40 | 300, zeroblob(16), x'00')");
    let HealthState::Degraded(why) = scrubbed.after_a_round().await else { panic!() };
    assert!(why.contains("index 299, `payload`: it lies here without its entry"), "{why}");
    scrubbed.stop().await;
}

#[tokio::test]
async fn it_reads_no_faster_than_its_budget_and_rests_between_rounds() {
    let it = Fixture::with_records(600).await;
    let (asked, mut sleeps) = mpsc::channel(8);
    let clock = AskedClock { clock: it.clock.clone(), asked };
    let log = SignedLog::open(it.config.clone(), Arc::new(clock)).await.unwrap();
    let records = log.records_after(0, 600).await.unwrap();
    let stored: usize = records
        .iter()
        .map(|it| it.entry.len() + it.payload.as_ref().map_or(0, |it| it.as_bytes().len()))
        .sum();
    let rest = Duration::from_hours(1);
    let began = it.clock.now();
    let scrubbed = Scrubbed::start(log, ScrubConfig { bytes_per_second: 1000, rest });
    let mut asleep_until = async || {
        let asked = tokio::time::timeout(PATIENCE, sleeps.recv());
        asked.await.expect("it does not sleep").unwrap()
    };
    let mut seen = BTreeSet::new();
    loop {
        // What was read must be paid for before more is.
        let until = asleep_until().await;
        seen.insert(scrubbed.counted("scrubbed_records"));
        if scrubbed.counted("scrub_rounds") == 1 {
            assert_eq!(until, it.clock.now() + rest);
            break;
        }
        it.clock.set(until);
    }
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), [0, 256, 512, 600]);
    let took = it.clock.now().since(began);
    assert!(took.as_secs() >= stored as u64 / 1000, "{took:?} for {stored} bytes");
    it.clock.advance(rest);
    it.clock.set(asleep_until().await);
    asleep_until().await;
    assert_eq!(scrubbed.counted("scrubbed_records"), 600 + 256, "at work again");
    scrubbed.stop().await;
}

#[tokio::test]
async fn every_metric_of_scrubbing_is_exported_under_its_documented_name() {
    let it = pruned().await;
    let scrubbed = Scrubbed::of(&it).await;
    scrubbed.after_a_round().await;
    let mut names: Vec<_> = scrubbed
        .meters
        .snapshot()
        .into_vec()
        .into_iter()
        .map(|(key, ..)| key.key().name().to_owned())
        .filter(|name| name.contains("scrub"))
        .collect();
    names.sort();
    let expected = [
        "gov_deferred_audit_scrub_findings_total",
        "gov_deferred_audit_scrub_rounds_total",
        "gov_deferred_audit_scrubbed_records_total",
    ];
    assert_eq!(names, expected);
    scrubbed.stop().await;
}

#[tokio::test]
async fn postgresql_is_scrubbed_alike() {
    let Some(nodes) = Nodes::new().await else { return };
    let log = nodes.node(0).await;
    append(&log, &nodes.records(600)).await;
    log.prune(&[(1, 256)].into(), "ops", "they are old").await.unwrap();
    let scrubbed = Scrubbed::start(log, ScrubConfig::default());
    assert_eq!(scrubbed.after_a_round().await, HealthState::Healthy);
    nodes.tamper("update audit_log_entry set entry = set_byte(entry, 20, 0) where seq = 300").await;
    let HealthState::Degraded(why) = scrubbed.after_a_round().await else { panic!() };
    assert!(why.contains("index 299, `entry`: it is not the entry that was signed"), "{why}");
    scrubbed.stop().await;
}
