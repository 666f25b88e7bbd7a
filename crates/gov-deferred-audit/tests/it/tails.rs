//! A log that ends early, at every length: found against what the outside knows.

use std::fs;

use gov_deferred_audit::{
    OpenError,
    signed_log::Place,
    verify::{Report, Verdict, VerifyOptions, verify_database, verify_export},
};
use rusqlite::Connection;

use crate::{
    fixture::{Fixture, append},
    mutants::rows::OldHead,
};

/// More than a tile, so that tiles on two levels go too.
const RECORDS: u64 = 260;

/// A log whose outside copy is up to date, and its head at every earlier size, the last first.
async fn log_with_its_past() -> (Fixture, Vec<OldHead>) {
    let it = Fixture::new();
    let log = it.open().await;
    let reader = Connection::open(&it.config.database).unwrap();
    let mut heads = vec![OldHead::read(&reader, 1)];
    for n in 0..RECORDS {
        append(&log, &[it.record(n)]).await;
        heads.push(OldHead::read(&reader, 1));
    }
    it.copy_outside(&log).await;
    log.close().await;
    heads.reverse();
    (it, heads)
}

fn assert_ends_early(report: &Report, size: u64, why: &str) {
    assert_eq!(report.integrity, Verdict::Ok, "{why}, {size}");
    let Verdict::Failed(finding) = &report.completeness else { panic!("{why}, {size}") };
    assert_eq!((finding.epoch, finding.index), (1, Some(size)), "{why}, {size}");
}

#[tokio::test]
async fn a_log_that_was_cut_to_any_length_is_found_by_what_the_outside_knows() {
    let (it, heads) = log_with_its_past().await;
    let known = heads[0].note.clone().into_bytes();
    let keys = VerifyOptions::trusting(vec![it.vkey(1)]);
    let auditor = VerifyOptions { from_checkpoints: vec![known], ..keys.clone() };
    it.export();
    assert!(verify_export(&it.export_dir(), &auditor).unwrap().is_ok());
    it.tamper("pragma synchronous = off");
    for head in heads.iter().skip(1) {
        let size = head.size;
        it.tamper(&format!("pragma synchronous = off; {} {}", head.sql(), head.cut_sql()));
        // By itself it is whole: the state of an earlier day.
        assert!(verify_database(&it.config.database, &keys).unwrap().is_ok(), "{size}");
        let report = verify_database(&it.config.database, &auditor).unwrap();
        assert_ends_early(&report, size, "the database");
        let OpenError::Rollback { database, outside, differs } = it.try_open().await.unwrap_err()
        else {
            panic!("{size}")
        };
        let place = |size| Place { epoch: 1, size };
        assert_eq!((database, outside, differs), (place(size), place(RECORDS), false));
    }
}

#[tokio::test]
async fn an_export_that_was_cut_to_any_length_is_found_by_the_last_checkpoint() {
    let (it, heads) = log_with_its_past().await;
    let known = heads[0].note.clone().into_bytes();
    let keys = VerifyOptions::trusting(vec![it.vkey(1)]);
    let auditor = VerifyOptions { from_checkpoints: vec![known], ..keys.clone() };
    for head in heads.iter().skip(1) {
        it.tamper(&format!("pragma synchronous = off; {} {}", head.sql(), head.cut_sql()));
        let _ = fs::remove_dir_all(it.export_dir());
        it.export();
        assert!(verify_export(&it.export_dir(), &keys).unwrap().is_ok(), "{}", head.size);
        let report = verify_export(&it.export_dir(), &auditor).unwrap();
        assert_ends_early(&report, head.size, "the export");
    }
}
