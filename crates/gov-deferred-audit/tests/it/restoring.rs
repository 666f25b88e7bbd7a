//! What a database lost comes back from an export, if that is what was signed.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use gov_core::{AuditEventKind, SystemClock};
use gov_deferred_audit::{
    LogConfig, OpenError,
    entry::Entry,
    export::{ExportOptions, export},
    outside_copy::OutsideCopy,
    signed_log::{Place, RestoreError, Restored, accept_rollback, restore_tail},
    verify::{VerifyOptions, verify_database, verify_export},
};

use crate::{
    fixture::{Fixture, append, files},
    pruning::prune,
    rotations::{judged, rotate, rotated_twice},
};

async fn restore(it: &Fixture) -> Result<Restored, RestoreError> {
    restore_tail(it.config.clone(), &it.clock, &it.export_dir()).await
}

/// Tries to restore, which changes nothing, and gives the reason.
async fn refused(it: &Fixture) -> RestoreError {
    let before = it.config.database.exists().then(|| contents(it));
    let error = restore(it).await.unwrap_err();
    assert!(before == it.config.database.exists().then(|| contents(it)), "{error}");
    error
}

/// Appends to the closed log, and brings the outside copy up to date.
async fn grow(it: &Fixture, count: u32) {
    it.append(count).await;
    let log = it.open().await;
    it.copy_outside(&log).await;
    log.close().await;
}

fn lose_database(it: &Fixture) {
    for file in files(it.folder.path()) {
        if file.file_name().unwrap().to_string_lossy().starts_with("audit-log.db") {
            fs::remove_file(file).unwrap();
        }
    }
}

fn place(epoch: u64, size: u64) -> Place {
    Place { epoch, size }
}

/// Every record of the log, payloads and all, as an export has it.
fn contents(it: &Fixture) -> Vec<(PathBuf, Vec<u8>)> {
    let dir = tempfile::tempdir().unwrap();
    export(&it.config.database, dir.path(), ExportOptions::default()).unwrap();
    let name = |path: &Path| path.strip_prefix(dir.path()).unwrap().to_owned();
    files(dir.path()).iter().map(|path| (name(path), fs::read(path).unwrap())).collect()
}

#[tokio::test]
async fn the_records_that_a_database_put_back_has_lost_come_back_and_a_record_says_so() {
    let it = Fixture::with_records(300).await;
    let old = it.keep_database();
    it.append(1).await;
    let log = it.open().await;
    let lost = it.record(9);
    append(&log, std::slice::from_ref(&lost)).await;
    log.close().await;
    grow(&it, 500).await;
    it.export();
    it.restore_database(&old);
    assert!(matches!(it.try_open().await, Err(OpenError::Rollback { .. })));

    let restored = restore(&it).await.unwrap();
    assert_eq!((restored.epoch, restored.from, restored.to), (1, place(1, 300), place(1, 802)));
    let log = it.open().await;
    let records = log.records_after(0, 1_000).await.unwrap();
    assert_eq!(records.len(), 803);
    assert!(records.iter().all(|it| it.payload.is_some()));
    let said = Entry::from_bytes(&records[802].entry).unwrap();
    assert_eq!((said.kind, said.id), (AuditEventKind::AdminTailRestored, restored.record));
    // What was lost is known again, and not appended twice.
    assert_eq!(append(&log, &[lost, it.record(10)]).await, [302, 804]);
    log.close().await;
    let copied = OutsideCopy::read_last(&it.config.outside_copy).unwrap().unwrap();
    assert_eq!(copied.checkpoint.size, 803);
    for report in judged(&it, 1) {
        assert!(report.is_ok(), "{:?}", report.first_bad());
        assert_eq!(report.losses, []);
    }
}

#[tokio::test]
async fn whatever_length_of_the_tail_is_lost_the_log_is_what_it_was() {
    let it = Fixture::with_records(250).await;
    let mut states = Vec::new();
    for _ in 0..10 {
        states.push(it.keep_database());
        grow(&it, 1).await;
    }
    it.export();
    let copy = fs::read(&it.config.outside_copy).unwrap();
    let mut wanted = None;
    for (lost, state) in (1..=10).rev().zip(states) {
        it.restore_database(&state);
        fs::write(&it.config.outside_copy, &copy).unwrap();
        let restored = restore(&it).await.unwrap();
        assert_eq!((restored.from, restored.to), (place(1, 260 - lost), place(1, 260)));
        let whole = contents(&it).into_iter().filter(|(path, _)| {
            // The last bundle has the record of this restoration.
            path.ends_with("tile/0/000") || path.ends_with("entries/000") || path.ends_with("vkey")
        });
        let whole: Vec<_> = whole.collect();
        assert_eq!(whole.len(), 3);
        assert!(*wanted.get_or_insert_with(|| whole.clone()) == whole, "{lost} lost");
        let report = it.verify_database();
        assert!(report.is_ok(), "{lost} lost: {:?}", report.first_bad());
        assert_eq!(report.payloads.checked, 261);
    }
}

#[tokio::test]
async fn a_database_that_is_gone_comes_back_whole_with_all_its_epochs() {
    let it = rotated_twice().await;
    it.export();
    lose_database(&it);
    let restored = restore(&it).await.unwrap();
    assert_eq!((restored.epoch, restored.from, restored.to), (3, place(0, 0), place(3, 3)));
    assert_eq!(it.open().await.epochs().await.unwrap().len(), 3);
    for report in judged(&it, 3) {
        assert!(report.is_ok(), "{:?}", report.first_bad());
    }
}

#[tokio::test]
async fn a_database_put_back_behind_a_rotation_gets_the_end_of_its_epoch_and_all_of_the_next() {
    let it = Fixture::with_records(5).await;
    let old = it.keep_database();
    it.append(300).await;
    rotate(&it).await.unwrap();
    grow(&it, 4).await;
    it.export();
    it.restore_database(&old);
    let restored = restore(&it).await.unwrap();
    assert_eq!((restored.from, restored.to), (place(1, 5), place(2, 5)));
    for report in judged(&it, 2) {
        assert!(report.is_ok(), "{:?}", report.first_bad());
        assert_eq!(report.epochs.iter().map(|it| it.size).collect::<Vec<_>>(), [305, 6]);
    }
}

#[tokio::test]
async fn an_epoch_of_which_nothing_was_left_is_restored_as_that() {
    let it = Fixture::with_records(5).await;
    lose_database(&it);
    accept_rollback(it.config.clone(), &it.clock, "the disk died").await.unwrap();
    grow(&it, 2).await;
    it.export();
    lose_database(&it);
    assert_eq!(restore(&it).await.unwrap().to, place(2, 3));
    it.export();
    let keys = vec![it.vkey(1), it.vkey(2)];
    let options = VerifyOptions { from_epoch: 2, ..VerifyOptions::trusting(keys) };
    assert!(verify_export(&it.export_dir(), &options).unwrap().is_ok());
    assert!(verify_database(&it.config.database, &options).unwrap().is_ok());
}

#[tokio::test]
async fn an_export_ahead_of_the_outside_copy_comes_back_whole() {
    let it = Fixture::new();
    grow(&it, 5).await;
    let old = it.keep_database();
    // Signed and exported; the copy had no time to follow.
    let copy = fs::read(&it.config.outside_copy).unwrap();
    it.append(3).await;
    it.export();
    fs::write(&it.config.outside_copy, copy).unwrap();
    it.restore_database(&old);
    assert_eq!(restore(&it).await.unwrap().to, place(1, 8));
    assert!(it.verify_database().is_ok());
}

#[tokio::test]
async fn a_whole_database_and_one_that_is_further_on_need_nothing() {
    let it = Fixture::new();
    grow(&it, 5).await;
    it.export();
    assert!(matches!(refused(&it).await, RestoreError::NothingMissing(p) if p == place(1, 5)));
    let copy = fs::read(&it.config.outside_copy).unwrap();
    it.append(300).await;
    assert!(matches!(refused(&it).await, RestoreError::NothingMissing(p) if p == place(1, 305)));
    rotate(&it).await.unwrap();
    fs::write(&it.config.outside_copy, copy).unwrap();
    assert!(matches!(refused(&it).await, RestoreError::NothingMissing(p) if p == place(2, 1)));
}

#[tokio::test]
async fn an_export_that_ends_too_early_is_refused() {
    let it = Fixture::new();
    grow(&it, 5).await;
    it.export();
    let old = it.keep_database();
    grow(&it, 3).await;
    it.restore_database(&old);
    let error = refused(&it).await;
    assert!(matches!(error, RestoreError::Behind { .. }));
    assert!(error.to_string().contains("gov audit accept-rollback"), "{error}");
    lose_database(&it);
    assert!(matches!(refused(&it).await, RestoreError::Behind { .. }));
}

#[tokio::test]
async fn an_export_without_payloads_is_refused() {
    let it = Fixture::new();
    grow(&it, 5).await;
    let options = ExportOptions { with_payloads: false };
    export(&it.config.database, &it.export_dir(), options).unwrap();
    lose_database(&it);
    let error = refused(&it).await;
    assert!(matches!(error, RestoreError::NoPayloads), "{error}");
}

#[tokio::test]
async fn one_changed_byte_anywhere_in_the_export_restores_nothing() {
    let it = Fixture::new();
    grow(&it, 5).await;
    it.export();
    lose_database(&it);
    for file in files(&it.export_dir()) {
        let whole = fs::read(&file).unwrap();
        for at in [0, whole.len() / 2, whole.len() - 1] {
            let mut changed = whole.clone();
            changed[at] ^= 1;
            fs::write(&file, changed).unwrap();
            refused(&it).await;
        }
        fs::remove_file(&file).unwrap();
        refused(&it).await;
        fs::write(&file, whole).unwrap();
    }
    restore(&it).await.unwrap();
}

#[tokio::test]
async fn another_history_of_the_same_key_is_no_tail_of_this_one() {
    let it = Fixture::new();
    grow(&it, 5).await;
    let old = it.keep_database();
    let copy = fs::read(&it.config.outside_copy).unwrap();
    grow(&it, 5).await;
    it.export();
    // Put back with its outside copy, and gone on with others, fewer and more of them.
    for (count, size) in [(2, 7), (5, 10), (300, 305)] {
        it.restore_database(&old);
        fs::write(&it.config.outside_copy, &copy).unwrap();
        it.append(count).await;
        let error = refused(&it).await;
        let RestoreError::OtherHistory { database } = error else { panic!("{error:?}") };
        assert_eq!(database, place(1, size));
    }
    // The outside copy knows the others: then the export is the one that is wrong.
    it.restore_database(&old);
    grow(&it, 5).await;
    lose_database(&it);
    let error = refused(&it).await;
    let RestoreError::NotWhole(finding) = error else { panic!("{error:?}") };
    assert_eq!(finding.what, "from-checkpoint");
}

#[tokio::test]
async fn the_same_records_in_another_order_are_another_history() {
    let it = Fixture::new();
    grow(&it, 1).await;
    let old = it.keep_database();
    let copy = fs::read(&it.config.outside_copy).unwrap();
    let records = [it.record(1), it.record(2)];
    let log = it.open().await;
    append(&log, &records).await;
    log.close().await;
    it.export();
    it.restore_database(&old);
    fs::write(&it.config.outside_copy, copy).unwrap();
    let log = it.open().await;
    append(&log, &records[1..]).await;
    log.close().await;
    let error = refused(&it).await;
    assert!(matches!(error, RestoreError::OtherHistory { .. }), "{error}");
}

#[tokio::test]
async fn without_an_outside_copy_or_a_key_nothing_is_restored() {
    let it = Fixture::new();
    grow(&it, 5).await;
    it.export();
    lose_database(&it);
    let key = it.config.keys.join("audit-log.e1.key");
    let text = fs::read_to_string(&key).unwrap();
    fs::remove_file(&key).unwrap();
    assert!(matches!(refused(&it).await, RestoreError::Open(OpenError::Key(_))));
    fs::rename(key.with_extension("vkey"), key.with_extension("aside")).unwrap();
    assert!(matches!(refused(&it).await, RestoreError::Open(OpenError::Key(_))));
    fs::rename(key.with_extension("aside"), key.with_extension("vkey")).unwrap();
    // Another log's key, of the same name.
    let other = Fixture::with_records(1).await;
    fs::copy(other.config.keys.join("audit-log.e1.vkey"), key.with_extension("vkey")).unwrap();
    assert!(matches!(refused(&it).await, RestoreError::NotWhole(_)));
    fs::remove_file(&it.config.outside_copy).unwrap();
    assert!(matches!(refused(&it).await, RestoreError::NothingKnown(_)));
    let nowhere = it.folder.path().join("nowhere");
    let restored = restore_tail(it.config.clone(), &it.clock, &nowhere).await;
    assert!(restored.is_err() && !text.is_empty());
}

/// A log of 600 records and the statement that those below 512 are pruned, exported after that.
async fn pruned_and_exported() -> (Fixture, Vec<u8>) {
    let it = Fixture::with_records(600).await;
    let old = it.keep_database();
    prune(&it, 512).await;
    let log = it.open().await;
    it.copy_outside(&log).await;
    log.close().await;
    it.export();
    (it, old)
}

#[tokio::test]
async fn the_tail_of_a_pruned_export_comes_back_and_what_it_said_is_pruned_goes_again() {
    let (it, old) = pruned_and_exported().await;
    it.restore_database(&old);
    assert_eq!(restore(&it).await.unwrap().to, place(1, 601));
    assert!(it.verify_database().is_ok(), "{:?}", it.verify_database().first_bad());
    let log = it.open().await;
    assert_eq!(log.records_after(0, 1_000).await.unwrap().len(), 602);
    assert_eq!(log.finish_pruning().await.unwrap(), 512);
    log.close().await;
    let report = it.verify_database();
    assert!(report.is_ok(), "{:?}", report.first_bad());
    assert_eq!(report.pruned, 512);
}

#[tokio::test]
async fn what_was_pruned_does_not_come_back_into_a_database_that_is_gone() {
    let (it, _) = pruned_and_exported().await;
    lose_database(&it);
    let error = restore(&it).await.unwrap_err();
    let RestoreError::Pruned { epoch: 1, index: 0 } = error else { panic!("{error:?}") };
    // Nothing was begun: the loss is as it was.
    assert!(matches!(it.try_open().await, Err(OpenError::Rollback { .. })));
}

const DIR: &str = "GOV_TEST_RESTORE_DIR";

#[test]
#[ignore = "plays the child of the next test"]
fn plays_who_restores() {
    let Some(dir) = std::env::var_os(DIR).map(PathBuf::from) else { return };
    let (config, export) = (LogConfig::in_dir(&dir), dir.join("export"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(restore_tail(config, &SystemClock, &export)).unwrap();
}

#[tokio::test]
async fn a_restoration_that_is_cut_short_happened_with_its_record_or_not_at_all() {
    let points = [
        ("log-before-commit", false),
        ("store-after-commit", true),
        ("log-restore-after-commit", true),
    ];
    for (point, happened) in points {
        let it = Fixture::new();
        grow(&it, 300).await;
        it.export();
        lose_database(&it);
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "restoring::plays_who_restores", "--ignored"])
            .env(DIR, it.folder.path())
            .env("GOV_CRASH_AT", point)
            .output()
            .unwrap();
        assert!(!child.status.success(), "{point} was never passed");
        assert_eq!(it.try_open().await.is_ok(), happened, "{point}");
        match restore(&it).await {
            Ok(restored) => assert_eq!((restored.to, happened), (place(1, 300), false)),
            Err(error) => assert!(matches!(error, RestoreError::NothingMissing(_)), "{error}"),
        }
        assert_eq!(it.open().await.committed().borrow().size, 301, "{point}");
        assert!(it.verify_database().is_ok(), "{point}");
    }
}
