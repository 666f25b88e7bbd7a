//! A rotated key begins a new epoch that hands over all of the old one.

use std::{fs, path::Path, process::Command};

use gov_core::{AuditEventKind, SystemClock};
use gov_deferred_audit::{
    LogConfig, OpenError, SignedLog,
    entry::Entry,
    epoch::Handover,
    outside_copy::OutsideCopy,
    signed_log::{EpochExtent, Place, Rotated, accept_rollback, rotate_key},
    tlog::note::Note,
    verify::{Report, VerifyOptions, verify_database, verify_export},
};

use crate::fixture::{Fixture, append};

pub(crate) async fn rotate(it: &Fixture) -> Result<Rotated, OpenError> {
    rotate_key(it.config.clone(), &it.clock, "it may have leaked").await
}

/// Three epochs of 5, 8 and 3 records, the handing over included.
pub(crate) async fn rotated_twice() -> Fixture {
    let it = Fixture::with_records(5).await;
    rotate(&it).await.unwrap();
    it.append(7).await;
    rotate(&it).await.unwrap();
    it.append(2).await;
    it
}

/// What an auditor says who holds the public keys of `epochs` and nothing else.
pub(crate) fn judged(it: &Fixture, epochs: u64) -> [Report; 2] {
    let options = VerifyOptions::trusting((1..=epochs).map(|epoch| it.vkey(epoch)).collect());
    it.export();
    [
        verify_database(&it.config.database, &options).unwrap(),
        verify_export(&it.export_dir(), &options).unwrap(),
    ]
}

fn copied(it: &Fixture) -> Vec<(String, u64)> {
    let lines = OutsideCopy::read_all(&it.config.outside_copy).unwrap();
    lines.into_iter().map(|it| (it.checkpoint.origin, it.checkpoint.size)).collect()
}

#[tokio::test]
async fn the_new_epoch_hands_over_the_final_checkpoint_under_both_keys() {
    let it = Fixture::with_records(5).await;
    let last = it.open().await.committed().borrow().checkpoint.clone();
    let rotated = rotate(&it).await.unwrap();
    assert_eq!((rotated.epoch, rotated.ended), (2, Place { epoch: 1, size: 5 }));
    let name = |epoch| format!("example.com/gov/e{epoch}");
    assert_eq!(copied(&it), [(name(1), 0), (name(1), 5), (name(2), 1)]);

    let log = it.open().await;
    assert_eq!((log.epoch(), log.key().name()), (2, "example.com/gov/e2"));
    let first = &log.records_after(0, 1).await.unwrap()[0];
    let entry = Entry::from_bytes(&first.entry).unwrap();
    assert_eq!((entry.kind, entry.id), (AuditEventKind::AdminKeyRotated, rotated.record));
    let handover: Handover = serde_json::from_str(&entry.reason.unwrap()).unwrap();
    assert_eq!((handover.checkpoint, handover.surviving_size), (last, 5));
    let payload = first.payload.as_ref().unwrap();
    assert!(String::from_utf8_lossy(payload.as_bytes()).contains("it may have leaked"));

    let committed = log.committed().borrow().clone();
    let note = Note::parse(committed.checkpoint.as_bytes()).unwrap();
    let keys = [it.vkey(1), it.vkey(2)];
    assert_eq!(note.verify(&keys).unwrap(), [&keys[1], &keys[0]]);
    assert_eq!(append(&log, &[it.record(9)]).await, [2]);
}

#[tokio::test]
async fn a_log_of_three_keys_verifies_with_their_public_halves_alone_and_lost_nothing() {
    let it = rotated_twice().await;
    for report in judged(&it, 3) {
        assert!(report.is_ok(), "{:?}", report.first_bad());
        assert_eq!(report.losses, []);
        assert_eq!(report.epochs.iter().map(|it| it.size).collect::<Vec<_>>(), [5, 8, 3]);
    }
    for missing in 1..=3 {
        let keys = (1..=3).filter(|epoch| *epoch != missing).map(|epoch| it.vkey(epoch)).collect();
        let report = verify_export(&it.export_dir(), &VerifyOptions::trusting(keys)).unwrap();
        assert!(!report.is_ok(), "without the key of epoch {missing}");
    }
}

#[tokio::test]
async fn an_epoch_without_a_record_and_one_right_after_another_are_rotated_too() {
    let it = Fixture::with_records(0).await;
    assert_eq!(rotate(&it).await.unwrap().ended, Place { epoch: 1, size: 0 });
    assert_eq!(rotate(&it).await.unwrap().ended, Place { epoch: 2, size: 1 });
    it.append(1).await;
    for report in judged(&it, 3) {
        assert!(report.is_ok(), "{:?}", report.first_bad());
    }
    // The checkpoint of nothing was handed over: without it something is missing.
    fs::remove_file(it.export_dir().join("epoch/1/checkpoint")).unwrap();
    let options = VerifyOptions::trusting((1..=3).map(|epoch| it.vkey(epoch)).collect());
    assert!(!verify_export(&it.export_dir(), &options).unwrap().is_ok());
}

#[tokio::test]
async fn where_no_log_is_none_is_made_and_a_rolled_back_one_is_not_rotated() {
    let it = Fixture::new();
    assert!(matches!(rotate(&it).await, Err(OpenError::NoLog)));
    assert_eq!(fs::read_dir(it.folder.path()).unwrap().count(), 0);

    it.append(3).await;
    let old = it.keep_database();
    it.append(2).await;
    it.copy_outside(&it.open().await).await;
    it.restore_database(&old);
    assert!(matches!(rotate(&it).await, Err(OpenError::Rollback { .. })));
    fs::remove_file(&it.config.database).unwrap();
    assert!(matches!(rotate(&it).await, Err(OpenError::Rollback { .. })));
    assert!(!it.config.database.exists());
}

#[tokio::test]
async fn the_old_private_key_is_not_needed_any_more() {
    let it = Fixture::with_records(5).await;
    rotate(&it).await.unwrap();
    fs::remove_file(it.config.keys.join("audit-log.e1.key")).unwrap();
    it.append(1).await;
    rotate(&it).await.unwrap();
    for report in judged(&it, 3) {
        assert!(report.is_ok(), "{:?}", report.first_bad());
    }
}

#[tokio::test]
async fn what_was_appended_before_a_rotation_is_known_after_it() {
    let it = Fixture::new();
    let (log, record) = (it.open().await, it.record(0));
    append(&log, std::slice::from_ref(&record)).await;
    log.close().await;
    rotate(&it).await.unwrap();
    let log = it.open().await;
    append(&log, &[record.clone(), it.record(1)]).await;
    let extent = |epoch, size| {
        let origin = format!("example.com/gov/e{epoch}");
        EpochExtent { epoch, origin, size }
    };
    assert_eq!(log.epochs().await.unwrap(), [extent(1, 1), extent(2, 2)]);
    assert_eq!(log.find(record.id).await.unwrap(), Some((1, 1)));
    assert_eq!(log.records_of(1, 0, 10).await.unwrap().len(), 1);
    assert_eq!(log.records_of(2, 0, 10).await.unwrap().len(), 2);
}

#[tokio::test]
async fn a_database_put_back_behind_a_rotation_is_refused_and_can_be_accepted() {
    let it = Fixture::with_records(5).await;
    let old = it.keep_database();
    rotate(&it).await.unwrap();
    it.restore_database(&old);
    assert!(matches!(it.try_open().await, Err(OpenError::Rollback { .. })));
    assert!(matches!(rotate(&it).await, Err(OpenError::Rollback { .. })));
    let accepted = accept_rollback(it.config.clone(), &it.clock, "the disk died").await.unwrap();
    assert_eq!(accepted.epoch, 3);
    rotate(&it).await.unwrap();
    it.export();
    let keys = (1..=4).map(|epoch| it.vkey(epoch)).collect();
    let options = VerifyOptions { from_epoch: 3, ..VerifyOptions::trusting(keys) };
    let report = verify_export(&it.export_dir(), &options).unwrap();
    assert!(report.is_ok(), "{:?}", report.first_bad());
}

const DIR: &str = "GOV_TEST_ROTATION_DIR";

#[test]
#[ignore = "plays the child of the next test"]
fn plays_who_rotates() {
    let Some(dir) = std::env::var_os(DIR) else { return };
    let config = LogConfig::in_dir(Path::new(&dir));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(rotate_key(config, &SystemClock, "in a child")).unwrap();
}

#[tokio::test]
async fn wherever_a_rotation_is_cut_short_the_log_opens_and_rotates() {
    let points = ["key", "final-copy", "commit", "first-copy"];
    for (point, epoch) in points.into_iter().zip([1, 1, 2, 2]) {
        let it = Fixture::with_records(5).await;
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "rotations::plays_who_rotates", "--ignored"])
            .env(DIR, it.folder.path())
            .env("GOV_CRASH_AT", format!("log-rotate-after-{point}"))
            .output()
            .unwrap();
        assert!(!child.status.success(), "{point} was never passed");
        let log: SignedLog = it.open().await;
        assert_eq!(log.epoch(), epoch, "{point}");
        log.close().await;
        assert_eq!(rotate(&it).await.unwrap().epoch, epoch + 1, "{point}");
        it.append(1).await;
        for report in judged(&it, epoch + 1) {
            assert!(report.is_ok(), "{point}: {:?}", report.first_bad());
        }
    }
}
