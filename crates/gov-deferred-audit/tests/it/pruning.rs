//! Pruning: what goes, what stays, and what a process leaves that dies in between.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::Arc,
};

use gov_core::{AuditEventKind, Clock as _, SystemClock, hex::Hex};
use gov_deferred_audit::{
    LogConfig, SignedLog,
    entry::Entry,
    pruned::PruneStatement,
    signed_log::{
        PruneError, Pruned, ReadLogError, accept_rollback, conformance::Deployment as _,
        restore_tail,
    },
};
use rusqlite::Connection;

use crate::{
    fixture::{Fixture, append},
    nodes::Nodes,
};

/// The variable that makes a process of this binary one that prunes: its directory.
const DIR: &str = "GOV_TEST_PRUNING_DIR";

/// Prunes epoch 1 of the closed log below an index.
pub(crate) async fn prune(it: &Fixture, below: u64) -> Pruned {
    let log = it.open().await;
    let pruned = log.prune(&[(1, below)].into(), "ops", "they are old").await.unwrap();
    log.close().await;
    pruned
}

/// A log of 700 records whose first 512 are pruned.
pub(crate) async fn pruned() -> Fixture {
    let it = Fixture::with_records(700).await;
    prune(&it, 512).await;
    it
}

/// A log with 600 records in epoch 1 and 800 in epoch 2.
pub(crate) async fn two_epochs() -> Fixture {
    let it = Fixture::with_records(600).await;
    let old = it.keep_database();
    let log = it.open().await;
    append(&log, &[it.record(600)]).await;
    it.copy_outside(&log).await;
    log.close().await;
    it.restore_database(&old);
    accept_rollback(it.config.clone(), &it.clock, "the disk died").await.unwrap();
    it.append(799).await;
    it
}

/// How many rows each table has.
fn rows(database: &Path) -> [i64; 4] {
    let connection = Connection::open(database).unwrap();
    ["entry", "payload", "pruned_record", "tile"].map(|table| {
        let sql = format!("select count(*) from audit_log_{table}");
        connection.query_row(&sql, [], |row| row.get(0)).unwrap()
    })
}

#[tokio::test]
async fn entries_and_payloads_go_and_their_ids_and_tiles_stay() {
    let it = pruned().await;
    assert_eq!(rows(&it.config.database), [189, 189, 512, 2]);
}

#[tokio::test]
async fn the_handover_of_a_later_epoch_stays_and_older_epochs_are_pruned_too() {
    let it = two_epochs().await;
    let log = it.open().await;
    let asked = BTreeMap::from([(1, 512), (2, 768)]);
    let pruned = log.prune(&asked, "ops", "they are old").await.unwrap();
    assert_eq!((pruned.entries, pruned.below), (512 + 512, asked));
    let first = log.records_of(2, 0, 257).await.unwrap();
    assert_eq!((first[0].seq, first[255].seq, first[256].seq), (1, 256, 769));
    assert_eq!(log.records_of(1, 0, 1).await.unwrap()[0].seq, 513);
    assert_eq!(log.prunable(it.clock.now()).await.unwrap(), BTreeMap::new());
    log.close().await;
    // It opens again, also beside an outside copy that is of the first epoch.
    it.append(1).await;
}

#[tokio::test]
async fn nothing_goes_because_an_unsigned_row_says_so() {
    let it = Fixture::with_records(600).await;
    it.tamper("insert into audit_log_pruned values (1, 512)");
    let log = it.open().await;
    let why = "it never said what it has as pruned";
    let is_refused = |error: &ReadLogError| matches!(error, ReadLogError::Corrupt(it) if it == why);
    assert!(is_refused(&log.pruned().await.unwrap_err()));
    assert!(log.finish_pruning().await.is_err());
    assert!(log.prune(&[(1, 256)].into(), "ops", "they are old").await.is_err());
    assert_eq!(append(&log, &[it.record(600)]).await, [601]);
    log.close().await;
    assert_eq!(rows(&it.config.database)[0], 601);
}

#[tokio::test]
async fn nothing_goes_because_an_entry_that_nobody_signed_says_so() {
    let it = Fixture::with_records(600).await;
    let said = PruneStatement::new([(1, 256)].into()).unwrap();
    let log = it.open().await;
    let stored = log.records_after(399, 1).await.unwrap().remove(0);
    log.close().await;
    let entry = Entry {
        id: said.record(),
        kind: AuditEventKind::AdminLogPruned,
        reason: Some(said.text()),
        ..Entry::from_bytes(&stored.entry).unwrap()
    };
    it.tamper(&format!(
        "insert into audit_log_pruned values (1, 256);
         delete from audit_log_entry where seq = 400;
         insert into audit_log_entry values (1 << 40 | 400, x'{}', x'{}')",
        said.record().as_uuid().simple(),
        Hex(&entry.to_bytes().unwrap())
    ));
    let log = it.open().await;
    assert!(matches!(log.finish_pruning().await, Err(PruneError::Log(ReadLogError::Corrupt(_)))));
    log.close().await;
    assert_eq!(rows(&it.config.database)[0], 600);
}

#[tokio::test]
async fn nothing_goes_beyond_what_was_signed_when_a_row_is_moved() {
    let it = Fixture::with_records(1100).await;
    prune(&it, 256).await;
    it.tamper("update audit_log_pruned set below = 1024");
    let log = it.open().await;
    assert!(log.finish_pruning().await.is_err());
    log.close().await;
    assert_eq!(rows(&it.config.database)[0], 1101 - 256);
}

#[tokio::test]
async fn what_a_restored_tail_says_is_pruned_is_pruned_again_and_nothing_less_is_said() {
    let it = Fixture::with_records(600).await;
    let old = it.keep_database();
    it.export();
    prune(&it, 512).await;
    it.export();
    let log = it.open().await;
    it.copy_outside(&log).await;
    log.close().await;
    it.restore_database(&old);
    restore_tail(it.config.clone(), &it.clock, &it.export_dir()).await.unwrap();
    let log = it.open().await;
    assert_eq!(*log.pruned().await.unwrap().below(), [(1, 512)].into());
    assert_eq!(log.finish_pruning().await.unwrap(), 512);
    log.close().await;
    assert_eq!(prune(&it, 256).await.below, [(1, 512)].into());
    let report = it.verify_database();
    assert!(report.is_ok() && report.pruned == 512, "{:?}", report.first_bad());
}

#[tokio::test]
async fn the_schema_refuses_to_lose_what_is_not_pruned() {
    let it = pruned().await;
    let connection = Connection::open(&it.config.database).unwrap();
    for sql in [
        "delete from audit_log_entry where seq = 513",
        "delete from audit_log_pruned",
        "update audit_log_pruned set below = 256",
        "delete from audit_log_pruned_record",
    ] {
        assert!(connection.execute(sql, []).is_err(), "{sql}");
    }
}

#[test]
#[ignore = "plays the child of the next test"]
fn prunes_and_dies() {
    let Some(dir) = std::env::var_os(DIR).map(PathBuf::from) else { return };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async {
        let mut config = LogConfig::in_dir(&dir);
        config.domain = Some("example.com".to_owned());
        let log = SignedLog::open(config, Arc::new(SystemClock)).await.unwrap();
        log.prune(&[(1, 768)].into(), "ops", "they are old").await.unwrap();
    });
}

#[tokio::test]
async fn a_pruning_that_died_at_any_step_is_finished_by_the_next_and_said_once() {
    for (point, said, left) in [
        ("log-before-commit:1", false, 900),
        ("log-after-prune-statement:1", true, 901),
        ("log-between-pruned-bundles:1", true, 901 - 256),
        ("log-between-pruned-bundles:3", true, 901 - 768),
        ("store-before-commit:2", true, 901),
        ("store-after-commit:1", true, 901),
        ("store-after-commit:2", true, 901 - 256),
    ] {
        let it = Fixture::with_records(900).await;
        let mut child = Command::new(std::env::current_exe().unwrap());
        child.args(["--exact", "pruning::prunes_and_dies", "--ignored"]);
        child.env(DIR, it.folder.path()).env("GOV_CRASH_AT", point);
        child.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        assert!(!child.status().unwrap().success(), "{point}: it did not die");
        assert_eq!(rows(&it.config.database)[..2], [left, left], "{point}");
        // Between two steps the log is whole, too.
        it.export();
        for report in [it.verify_database(), it.verify_export()] {
            assert!(report.is_ok(), "{point}: {:?}", report.first_bad());
            let gone = if said { u64::try_from(901 - left).unwrap() } else { 0 };
            assert_eq!(report.pruned, gone, "{point}");
        }
        if said {
            let log = it.open().await;
            let finished = i64::try_from(log.finish_pruning().await.unwrap()).unwrap();
            assert_eq!(finished, left - (901 - 768), "{point}");
            log.close().await;
        }
        let pruned = prune(&it, 768).await;
        assert_eq!(pruned.record.is_none(), said, "{point}");
        assert_eq!(rows(&it.config.database), [901 - 768, 901 - 768, 768, 3], "{point}");
        let report = it.verify_database();
        assert!(report.is_ok() && report.pruned == 768, "{point}: {:?}", report.first_bad());
    }
}

#[tokio::test]
async fn postgresql_refuses_to_lose_what_is_not_pruned() {
    let Some(it) = Nodes::new().await else { return };
    let log = it.node(0).await;
    append(&log, &it.records(600)).await;
    log.prune(&[(1, 512)].into(), "ops", "they are old").await.unwrap();
    for sql in [
        "delete from audit_log_entry where seq = 513",
        "delete from audit_log_pruned",
        "truncate audit_log_entry",
        "delete from audit_log_pruned_record",
    ] {
        assert!(sqlx::query(sql).execute(&it.pool).await.is_err(), "{sql}");
    }
    it.assert_verifies().await;
    assert_eq!(it.judge(1).await.pruned, 512);
}
