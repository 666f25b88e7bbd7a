//! A process that dies while it disposes of dead letters: each record is in one place afterwards.

use std::{collections::BTreeSet, path::Path, sync::Arc};

use gov_core::SystemClock;
use gov_deferred_audit::{
    DeadLetter, DeadLetters, DeferredAuditSink as _, LogConfig, LogRecord, SignedLog,
    entry::Entry,
    verify::{VerifyOptions, verify_database},
};
use gov_store::fault::{Child, Fault, say};
use tokio_util::sync::CancellationToken;

use crate::{fixture::append, quarantined::quarantine, support::records};

const CHILD: Child = Child {
    test: "torture::letters::plays_the_child_that_disposes_of_dead_letters",
    files: &[],
    calls: &[],
};

/// Where the child can die, in the order in which a letter passes them.
const POINTS: [&str; 6] = [
    "dlq-before-file-removed",
    "log-before-commit",
    "dlq-before-commit",
    "store-before-commit",
    "store-after-commit",
    "dlq-after-commit",
];

/// What an earlier process left: letters in the table, and some in the quarantine. The first is
/// given up.
struct Left {
    logged: Vec<LogRecord>,
    dead: Vec<LogRecord>,
}

async fn open(dir: &Path) -> (SignedLog, DeadLetters) {
    let log = SignedLog::open(LogConfig::in_dir(dir), Arc::new(SystemClock)).await.unwrap();
    (log.clone(), DeadLetters::new(log, dir.join("quarantine")))
}

async fn leave(dir: &Path) -> Left {
    let (log, _) = open(dir).await;
    let (logged, dead) = (records(3), records(6));
    append(&log, &logged).await;
    for (n, record) in dead.iter().enumerate() {
        if n % 2 == 0 {
            quarantine(&dir.join("quarantine"), record).await;
        } else {
            let _ = log.sink().dead_letter(record, "it panics").await;
        }
    }
    log.close().await;
    Left { logged, dead }
}

#[test]
#[ignore = "plays the child of the other test of this file"]
fn plays_the_child_that_disposes_of_dead_letters() {
    let Some((dir, _)) = Child::here() else { return };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async {
        let (log, letters) = open(&dir).await;
        let first = letters.list(None, 1).await.unwrap()[0].id;
        let _ = letters.discard(first, "per_7", "a test").await.unwrap();
        say(&format!("{first}"));
        let second = letters.list(None, 1).await.unwrap()[0].id;
        let _ = letters.replay_one(second).await.unwrap();
        say(&format!("{second}"));
        let _ = letters.replay_at_start(CancellationToken::new()).await;
        log.close().await;
        say("END");
    });
}

#[tokio::test]
async fn a_crash_while_dead_letters_are_disposed_of_leaves_each_record_in_one_place() {
    for point in POINTS {
        for nth in 1..=3 {
            let crash = Fault::Crash { point, nth };
            let why = crash.to_string();
            let dir = tempfile::tempdir().unwrap();
            let left = leave(dir.path()).await;
            let said = CHILD.run(dir.path(), "all", &crash);
            assert!(!said.contains(&"END".to_owned()), "{why}: it lived");
            check(dir.path(), &left, &said, &why).await;
        }
    }
}

async fn check(dir: &Path, Left { logged, dead }: &Left, said: &[String], why: &str) {
    let first = &dead[0];
    let (log, letters) = open(dir).await;
    let gave_up = async || log.find(DeadLetter::discarded_as(first.id)).await.unwrap().is_some();
    for record in dead {
        let in_log = log.find(record.id).await.unwrap().is_some();
        let letter = letters.get(record.id).await.unwrap();
        let given_up = record.id == first.id && gave_up().await;
        let places = [in_log, letter.is_some(), given_up];
        assert_eq!(places.iter().filter(|it| **it).count(), 1, "{why}: {places:?}");
        assert!(letter.is_none_or(|it| it.record().unwrap() == *record), "{why}: changed");
        let acknowledged = said.contains(&record.id.to_string());
        assert!(!acknowledged || in_log || given_up, "{why}: acknowledged and undone");
    }
    let discarded = letters.discard(first.id, "per_7", "a test").await.unwrap();
    let _ = letters.clone().replay_at_start(CancellationToken::new()).await;
    assert_eq!(letters.list(None, 10).await.unwrap(), [], "{why}");
    let stored = log.records_after(0, 100).await.unwrap();
    let found: Vec<_> = stored.iter().map(|it| Entry::from_bytes(&it.entry).unwrap().id).collect();
    let wanted = logged.iter().chain(&dead[1..]).map(|it| it.id).chain([discarded.record]);
    let wanted: BTreeSet<_> = wanted.collect();
    assert_eq!((found.len(), found.into_iter().collect()), (wanted.len(), wanted), "{why}");
    drop(letters);
    log.close().await;
    let report = verify_database(&dir.join("audit-log.db"), &VerifyOptions::default()).unwrap();
    assert!(report.is_ok(), "{why}: {:?}", report.first_bad());
}
