//! An export is one consistent state, as files that outside tools read.

use std::fs;

use gov_deferred_audit::{
    export::{ExportError, ExportOptions, export},
    tlog::checkpoint::Checkpoint,
    verify::{Payloads, VerifyOptions, verify_export},
};

use crate::fixture::{Fixture, append, files};

#[tokio::test]
async fn the_layout_is_that_of_tlog_tiles() {
    let it = Fixture::with_records(300).await;
    let exported = it.export();
    assert_eq!((exported.epoch, exported.size, exported.removed), (1, 300, 0));
    let dir = it.export_dir();
    let names =
        files(&dir).into_iter().map(|path| path.strip_prefix(&dir).unwrap().display().to_string());
    let wanted = [
        "checkpoint",
        "payload/000",
        "payload/001.p/44",
        "tile/0/000",
        "tile/0/001.p/44",
        "tile/1/000.p/1",
        "tile/entries/000",
        "tile/entries/001.p/44",
        "vkey",
    ];
    assert_eq!(names.collect::<Vec<_>>(), wanted);
    assert_eq!(fs::read(dir.join("tile/0/000")).unwrap().len(), 256 * 32);
    let report = it.verify_export();
    assert!(report.is_ok());
    assert_eq!(report.payloads, Payloads { checked: 300, not_kept: 0 });
}

#[tokio::test]
async fn an_empty_log_is_exported_and_verified_too() {
    let it = Fixture::with_records(0).await;
    it.export();
    assert_eq!(files(&it.export_dir()).len(), 2);
    assert!(it.verify_export().is_ok());
    assert!(it.verify_database().is_ok());
}

#[tokio::test]
async fn exporting_again_brings_the_directory_up_to_date_and_leaves_nothing_stale() {
    let it = Fixture::with_records(10).await;
    assert_eq!(it.export().written, 5);
    assert_eq!(it.export().written, 0, "nothing changed");
    it.append(260).await;
    let exported = it.export();
    assert_eq!((exported.size, exported.removed), (270, 3));
    // What an export leaves that was cut short.
    fs::write(it.export_dir().join("checkpoint.new"), "half").unwrap();
    assert_eq!(it.export().removed, 1);
    let report = it.verify_export();
    assert!(report.is_ok(), "{:?}", report.first_bad());
}

#[tokio::test]
async fn a_directory_that_holds_something_else_is_left_alone() {
    let it = Fixture::with_records(1).await;
    let other = Fixture::with_records(1).await;
    let dir = other.export_dir();
    let foreign = |it: &Fixture| {
        matches!(
            export(&it.config.database, &dir, ExportOptions::default()),
            Err(ExportError::Foreign(_))
        )
    };
    fs::create_dir(&dir).unwrap();
    fs::write(dir.join("letters"), "dear").unwrap();
    assert!(foreign(&it));
    fs::remove_file(dir.join("letters")).unwrap();
    other.export();
    assert!(foreign(&it), "another log's export");
    fs::write(dir.join("letters"), "dear").unwrap();
    assert!(foreign(&other), "an export with something else in it");
    assert_eq!(fs::read_to_string(dir.join("letters")).unwrap(), "dear");
}

#[tokio::test]
async fn an_export_beside_the_running_log_is_one_state_of_it() {
    let it = Fixture::new();
    let log = it.open().await;
    for n in 0..5 {
        let batch: Vec<_> = (0..100).map(|k| it.record(n * 100 + k)).collect();
        append(&log, &batch).await;
        let exported = it.export();
        assert_eq!(exported.size, (n + 1) * 100);
        let note = fs::read(it.export_dir().join("checkpoint")).unwrap();
        let signed = Checkpoint::open(&note, &[log.key().clone()]).unwrap();
        assert_eq!(signed.size, exported.size);
        assert!(it.verify_export().is_ok());
        assert!(it.verify_database().is_ok());
    }
}

#[tokio::test]
async fn payloads_stay_at_home_if_asked_and_the_report_says_so() {
    let it = Fixture::with_records(10).await;
    it.export();
    let options = ExportOptions { with_payloads: false };
    export(&it.config.database, &it.export_dir(), options).unwrap();
    assert!(!it.export_dir().join("payload").exists());
    let report = it.verify_export();
    assert!(report.is_ok());
    assert_eq!(report.payloads, Payloads { checked: 0, not_kept: 10 });
}

#[tokio::test]
async fn a_log_that_lost_a_record_is_not_exported() {
    let it = Fixture::with_records(10).await;
    it.tamper("delete from audit_log_entry where seq = 4");
    let error =
        export(&it.config.database, &it.export_dir(), ExportOptions::default()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the log is corrupt: record 4 is missing; run `gov audit verify`"
    );
    let missing = it.folder.path().join("none.db");
    assert!(export(&missing, &it.export_dir(), ExportOptions::default()).is_err());
    assert!(verify_export(&it.folder.path().join("none"), &VerifyOptions::default()).is_err());
}
