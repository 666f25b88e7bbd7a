//! Dead letters of a file, across restarts, locks and faults.
//!
//! What holds on every database is in `log_rules.rs`, the quarantine is in `quarantined.rs`, and
//! crashes between two steps are in `torture/letters.rs`.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use async_trait::async_trait;
use gov_core::{
    Clock, Health as _, HealthState, RecordId, SystemClock, Timestamp, clock::ManualClock,
};
use gov_deferred_audit::{
    AppendOutcome, DeadLetter, DeadLetterError, DeadLetters, DeferredAuditQueue,
    DeferredAuditSink as _, Durability, QueueConfig, SignedLog, close_and_flush,
    dead_letter::AtStart, install_deferred_audit_drainer, spawn_supervised_drainer,
};
use metrics_util::debugging::{DebugValue, DebuggingRecorder};
use rusqlite::Connection;
use tokio::{sync::watch, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use crate::{
    fixture::{Fixture, append},
    support::{self, assert_balanced},
};

/// A fault that nothing foresees: the database refuses the payloads with this salt.
pub(crate) const CAUSE: &str = "create trigger cause before insert on audit_log_payload
     when new.salt = x'07070707070707070707070707070707'
     begin select raise(abort, 'a passing fault'); end";

/// A clock that tells when somebody sleeps.
#[derive(Debug)]
struct Sleeper {
    time: ManualClock,
    asleep: watch::Sender<bool>,
}

#[async_trait]
impl Clock for Sleeper {
    fn now(&self) -> Timestamp {
        self.time.now()
    }

    async fn sleep_until(&self, deadline: Timestamp) {
        self.asleep.send_replace(true);
        self.time.sleep_until(deadline).await;
    }
}

/// A hang is a failure.
async fn within<T>(it: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_mins(1), it).await.unwrap()
}

pub(crate) fn letters(it: &Fixture, log: &SignedLog) -> DeadLetters {
    DeadLetters::new(log.clone(), it.folder.path().join("quarantine"))
}

pub(crate) async fn die(log: &SignedLog, record: &gov_deferred_audit::LogRecord) {
    let landed = log.sink().dead_letter(record, "it panics").await;
    assert_eq!(landed, Some(AppendOutcome::DlqLanded));
}

pub(crate) fn ids(letters: &[DeadLetter]) -> Vec<RecordId> {
    letters.iter().map(|it| it.id).collect()
}

#[tokio::test]
async fn dead_letters_survive_a_restart_and_enter_the_log_at_start_once_their_cause_is_gone() {
    let dir = tempfile::tempdir().unwrap();
    let record = support::record(1);
    let database = dir.path().join("audit-log.db");
    let drainer = install_deferred_audit_drainer(dir.path()).await.unwrap();
    Connection::open(&database).unwrap().execute_batch(CAUSE).unwrap();
    let queue = drainer.queue();
    assert!(queue.submit_durable(record.clone()).await.is_err());
    let metrics = queue.metrics();
    assert_eq!((metrics.dlq_landed(), metrics.append_failures(), metrics.appended()), (1, 1, 0));
    assert_balanced(queue);
    let letter = drainer.dead_letters().get(record.id).await.unwrap().unwrap();
    assert_eq!(letter.record().unwrap(), record);
    assert!(letter.why.contains("a passing fault"), "{}", letter.why);
    let _ = drainer.close(Duration::from_secs(5)).await;

    // The cause is there: it stays as it was.
    let drainer = install_deferred_audit_drainer(dir.path()).await.unwrap();
    let again = drainer.dead_letters().clone().replay_at_start(CancellationToken::new()).await;
    assert_eq!(again, AtStart { appended: 0, still_dead: 1 });
    assert_eq!(drainer.dead_letters().get(record.id).await.unwrap().unwrap(), letter);
    let _ = drainer.close(Duration::from_secs(5)).await;

    Connection::open(&database).unwrap().execute_batch("drop trigger cause").unwrap();
    let drainer = install_deferred_audit_drainer(dir.path()).await.unwrap();
    let mut committed = drainer.log().committed();
    let appended = committed.wait_for(|head| head.size == 1);
    within(appended).await.unwrap();
    assert_eq!(drainer.log().find(record.id).await.unwrap(), Some((1, 1)));
    // The letter was the business of an earlier queue; this one was handed nothing.
    assert_eq!(drainer.queue().balance(), gov_deferred_audit::Balance::default());
    let _ = drainer.close(Duration::from_secs(5)).await;
}

#[tokio::test]
async fn the_balance_of_the_queue_holds_before_and_after_a_replay_and_a_discard() {
    let it = Fixture::new();
    let log = it.open().await;
    Connection::open(&it.config.database).unwrap().execute_batch(CAUSE).unwrap();
    let config = QueueConfig::in_dir(it.folder.path());
    let (queue, receiver) = DeferredAuditQueue::open(config, Arc::new(SystemClock)).unwrap();
    let (records, sinks) = (support::records(9), log.clone());
    let supervisor = spawn_supervised_drainer(receiver, move || sinks.sink(), &queue.metrics(), 5);
    let mut other = it.record(9);
    other.at = records[0].at;
    queue.try_submit(other, Durability::Spooled).unwrap();
    for record in records.clone() {
        queue.try_submit(record, Durability::Spooled).unwrap();
    }
    let _ = close_and_flush(&queue, supervisor).await;
    let balance = queue.balance();
    assert!(balance.holds() && (balance.appended, balance.dead_lettered) == (1, 9), "{balance:?}");
    Connection::open(&it.config.database).unwrap().execute_batch("drop trigger cause").unwrap();
    let discarded = log.discard_dead_letter(records[0].id, "per_7", "a test").await.unwrap();
    let replayed = log.replay_dead_letters(None, 100).await.unwrap();
    assert_eq!((discarded.seq, replayed.appended.len()), (2, 8));
    assert_eq!(queue.balance(), balance, "what was said once stays said");
    assert_eq!((log.dlq_size().await.unwrap(), log.committed().borrow().size), (0, 10));
}

#[tokio::test]
async fn a_letter_whose_record_is_in_the_log_just_leaves() {
    let it = Fixture::new();
    let log = it.open().await;
    let (logged, dead) = (it.record(0), it.record(1));
    append(&log, std::slice::from_ref(&logged)).await;
    die(&log, &dead).await;
    // No step of ours makes this; a restored table might.
    let connection = Connection::open(&it.config.database).unwrap();
    let sql =
        "update audit_log_dead_letter set record_id = (select record_id from audit_log_entry)";
    connection.execute_batch(sql).unwrap();
    let replayed = log.replay_dead_letters(None, 10).await.unwrap();
    assert_eq!((replayed.appended, replayed.still_dead), (vec![(logged.id, 1)], vec![]));
    assert_eq!((log.dlq_size().await.unwrap(), log.committed().borrow().size), (0, 1));
}

#[tokio::test]
async fn a_letter_that_makes_no_record_stays_and_can_be_discarded() {
    let it = Fixture::new();
    let log = it.open().await;
    let connection = Connection::open(&it.config.database).unwrap();
    for (n, sql, field) in [
        (0, "agent_id = 'two' || char(10) || 'lines'", "agent_id"),
        (1, "policy_version = '-1'", "policy_version"),
        (2, "digest = x'03'", "digest"),
        (3, "decision = null", "decision"),
        (4, "rule_id = ''", "rule_id"),
    ] {
        let record = it.record(n);
        die(&log, &record).await;
        let sql = format!("update audit_log_dead_letter set {sql}");
        connection.execute_batch(&sql).unwrap();
        let replayed = log.replay_dead_letter(record.id).await.unwrap();
        let why =
            format!("`{field}` of the dead letter is nothing that a record of this build can have");
        assert_eq!(replayed.still_dead, [(record.id, why)]);
        let _ = log.discard_dead_letter(record.id, "per_7", "a test").await.unwrap();
    }
}

#[tokio::test]
async fn what_the_database_refuses_again_costs_the_other_letters_nothing() {
    let it = Fixture::new();
    let log = it.open().await;
    let records: Vec<_> = (0..15).map(|n| it.record(n)).collect();
    for record in &records {
        die(&log, record).await;
    }
    // Its salt is seven.
    Connection::open(&it.config.database).unwrap().execute_batch(CAUSE).unwrap();
    let replayed = log.replay_dead_letters(None, 100).await.unwrap();
    assert_eq!((replayed.appended.len(), replayed.still_dead.len()), (14, 1));
    let letters = log.dead_letters(None, 100).await.unwrap();
    assert_eq!(ids(&letters), [records[7].id]);
    assert!(letters[0].why.contains("a passing fault"), "{}", letters[0].why);
    log.close().await;
    assert!(it.verify_database().is_ok());
}

#[tokio::test]
async fn a_record_of_the_discarding_that_the_log_refuses_keeps_the_letter() {
    let it = Fixture::new();
    let log = it.open().await;
    let record = it.record(0);
    die(&log, &record).await;
    let cause = "create trigger cause before insert on audit_log_payload
                 begin select raise(abort, 'a passing fault'); end";
    Connection::open(&it.config.database).unwrap().execute_batch(cause).unwrap();
    let error = log.discard_dead_letter(record.id, "per_7", "a test").await.unwrap_err();
    assert!(
        matches!(&error, DeadLetterError::Refused { why } if why.contains("passing")),
        "{error}"
    );
    assert_eq!((log.dlq_size().await.unwrap(), log.committed().borrow().size), (1, 0));
}

/// A log with one dead letter, locked, and a replay at start that waits before it.
async fn waiting(it: &Fixture, shutdown: CancellationToken) -> (Connection, JoinHandle<AtStart>) {
    let clock = Arc::new(Sleeper { time: it.clock.clone(), asleep: watch::Sender::new(false) });
    let log = SignedLog::open(it.config.clone(), clock.clone()).await.unwrap();
    let record = it.record(0);
    die(&log, &record).await;
    let blocker = Connection::open(&it.config.database).unwrap();
    blocker.execute_batch("begin immediate").unwrap();
    for error in [
        log.replay_dead_letter(record.id).await.unwrap_err(),
        log.discard_dead_letter(record.id, "per_7", "a test").await.unwrap_err(),
    ] {
        assert!(matches!(error, DeadLetterError::Log(_)), "{error}");
    }
    let replay = tokio::spawn(letters(it, &log).replay_at_start(shutdown));
    let mut asleep = clock.asleep.subscribe();
    within(asleep.wait_for(|asleep| *asleep)).await.unwrap();
    assert_eq!(log.dlq_size().await.unwrap(), 1);
    (blocker, replay)
}

#[tokio::test]
async fn a_replay_at_start_waits_for_a_locked_database_and_a_command_says_so() {
    let it = Fixture::new();
    let (blocker, replay) = waiting(&it, CancellationToken::new()).await;
    blocker.execute_batch("rollback").unwrap();
    it.clock.advance(Duration::from_secs(1));
    assert_eq!(within(replay).await.unwrap(), AtStart { appended: 1, still_dead: 0 });
}

#[tokio::test]
async fn a_replay_at_start_that_cannot_go_on_ends_with_the_server() {
    let (it, shutdown) = (Fixture::new(), CancellationToken::new());
    let (_blocker, replay) = waiting(&it, shutdown.clone()).await;
    shutdown.cancel();
    assert_eq!(within(replay).await.unwrap(), AtStart::default());
}

#[tokio::test]
async fn what_leaves_the_dead_letters_is_counted_and_what_lies_there_is_shown() {
    let recorder = DebuggingRecorder::new();
    let snapshots = recorder.snapshotter();
    let counted = || -> BTreeMap<String, DebugValue> {
        let all = snapshots.snapshot().into_vec().into_iter();
        all.map(|(key, _, _, value)| (key.key().name().to_owned(), value))
            .filter(|(name, _)| name.contains("_dlq_"))
            .collect()
    };
    let wanted = |replayed, discarded, size: u32| {
        BTreeMap::from([
            ("gov_deferred_audit_dlq_discarded_total".to_owned(), DebugValue::Counter(discarded)),
            ("gov_deferred_audit_dlq_replayed_total".to_owned(), DebugValue::Counter(replayed)),
            ("gov_deferred_audit_dlq_size".to_owned(), DebugValue::Gauge(f64::from(size).into())),
        ])
    };
    let _guard = metrics::set_default_local_recorder(&recorder);
    let it = Fixture::new();
    let log = it.open().await;
    assert_eq!(counted(), wanted(0, 0, 0));
    let records: Vec<_> = (0..4).map(|n| it.record(n)).collect();
    for record in &records {
        die(&log, record).await;
    }
    assert_eq!(counted(), wanted(0, 0, 4));
    let _ = log.discard_dead_letter(records[0].id, "per_7", "a test").await.unwrap();
    let _ = log.replay_dead_letter(records[1].id).await.unwrap();
    assert_eq!(counted(), wanted(1, 1, 2));
    let _ = log.replay_dead_letters(None, 10).await.unwrap();
    // The recorder tells what was counted since it was asked last.
    assert_eq!(counted(), wanted(2, 0, 0));
    assert_eq!(log.health(), HealthState::Healthy);
}
