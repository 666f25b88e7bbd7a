//! An accepted rollback opens a new epoch that says what was lost.

use std::fs;

use gov_core::AuditEventKind;
use gov_deferred_audit::{
    OpenError,
    entry::Entry,
    epoch::Handover,
    outside_copy::OutsideCopy,
    signed_log::{Accepted, EpochExtent, Place, accept_rollback, conformance::rebuilt},
    tlog::note::Note,
    verify::{Loss, Report, Verdict, VerifyOptions, verify_database, verify_export},
};

use crate::fixture::{Fixture, append};

pub(crate) async fn accept(it: &Fixture) -> Result<Accepted, OpenError> {
    accept_rollback(it.config.clone(), &it.clock, "the disk died").await
}

pub(crate) async fn grow(it: &Fixture, count: u64) {
    let log = it.open().await;
    let batch: Vec<_> = (0..count).map(|n| it.record(n)).collect();
    append(&log, &batch).await;
    it.copy_outside(&log).await;
    log.close().await;
}

/// A log of 5 records that was rolled back from 300, accepted, and grown by 10.
pub(crate) async fn rolled_back() -> Fixture {
    let it = Fixture::new();
    grow(&it, 5).await;
    let old = it.keep_database();
    grow(&it, 295).await;
    it.restore_database(&old);
    accept(&it).await.unwrap();
    grow(&it, 10).await;
    it
}

#[tokio::test]
async fn an_epoch_that_ended_is_still_read_from_outside() {
    let it = rolled_back().await;
    let log = it.open().await;
    assert_eq!((rebuilt(&log, 1).await, rebuilt(&log, 2).await), (5, 11));
    assert_eq!(log.key_of(1).await.unwrap(), Some(it.vkey(1)));
    assert_eq!(log.receipt_of(1, 6).await.unwrap(), None);
}

fn both(it: &Fixture, from_epoch: u64) -> [Report; 2] {
    let keys = vec![it.vkey(1), it.vkey(2)];
    let options = VerifyOptions { from_epoch, ..VerifyOptions::trusting(keys) };
    it.export();
    [
        verify_database(&it.config.database, &options).unwrap(),
        verify_export(&it.export_dir(), &options).unwrap(),
    ]
}

#[tokio::test]
async fn the_new_epoch_begins_with_what_was_known_and_what_survived() {
    let it = Fixture::new();
    grow(&it, 5).await;
    let old = it.keep_database();
    grow(&it, 3).await;
    let known = OutsideCopy::read_all(&it.config.outside_copy).unwrap().pop().unwrap();
    it.restore_database(&old);
    let accepted = accept(&it).await.unwrap();
    let place = |size| Place { epoch: 1, size };
    assert_eq!((accepted.epoch, accepted.known, accepted.survived), (2, place(8), place(5)));

    let log = it.open().await;
    assert_eq!((log.epoch(), log.key().name()), (2, "example.com/gov/e2"));
    let first = &log.records_after(0, 1).await.unwrap()[0];
    let entry = Entry::from_bytes(&first.entry).unwrap();
    assert_eq!((entry.kind, entry.id), (AuditEventKind::AdminRollbackAccepted, accepted.record));
    let handover: Handover = serde_json::from_str(&entry.reason.unwrap()).unwrap();
    assert_eq!((handover.checkpoint, handover.surviving_size), (known.note, 5));
    let payload = first.payload.as_ref().unwrap();
    assert!(String::from_utf8_lossy(payload.as_bytes()).contains("the disk died"));

    let committed = log.committed().borrow().clone();
    let note = Note::parse(committed.checkpoint.as_bytes()).unwrap();
    let keys = [it.vkey(1), it.vkey(2)];
    assert_eq!(note.verify(&keys).unwrap(), [&keys[1], &keys[0]]);
    assert_eq!(append(&log, &[it.record(9)]).await, [2]);
}

#[tokio::test]
async fn every_epoch_is_read_under_its_own_name() {
    let it = rolled_back().await;
    let log = it.open().await;
    let extent = |epoch, size| {
        let origin = format!("example.com/gov/e{epoch}");
        EpochExtent { epoch, origin, size }
    };
    assert_eq!(log.epochs().await.unwrap(), [extent(1, 5), extent(2, 11)]);
    for (epoch, size) in [(1, 5), (2, 11), (3, 0)] {
        let records = log.records_of(epoch, 0, 100).await.unwrap();
        assert_eq!(records.len(), size, "epoch {epoch}");
        let origins = records.iter().map(|it| Entry::from_bytes(&it.entry).unwrap().origin);
        assert!(origins.into_iter().all(|it| it == format!("example.com/gov/e{epoch}")));
    }
    assert_eq!(log.records_after(10, 100).await.unwrap()[0].seq, 11);
}

#[tokio::test]
async fn an_accepted_loss_is_named_and_settled_only_by_the_verifiers_own_policy() {
    let it = rolled_back().await;
    for report in both(&it, 1) {
        assert_eq!(report.integrity, Verdict::Ok);
        let Verdict::Failed(finding) = &report.completeness else { panic!("{report:?}") };
        assert_eq!((finding.epoch, finding.index), (1, Some(5)));
        assert!(finding.why.contains("records 5 to 299 are lost"), "{finding}");
        assert_eq!(report.losses, [Loss { epoch: 1, survived: 5, known: 300 }]);
        assert_eq!(report.epochs.iter().map(|it| it.size).collect::<Vec<_>>(), [5, 11]);
    }
    for report in both(&it, 2) {
        assert!(report.is_ok(), "{:?}", report.first_bad());
        assert_eq!(report.losses.len(), 1);
    }
}

#[tokio::test]
async fn a_log_whose_database_is_gone_goes_on_too() {
    let it = Fixture::new();
    grow(&it, 5).await;
    fs::remove_file(&it.config.database).unwrap();
    let accepted = accept(&it).await.unwrap();
    assert_eq!(accepted.survived, Place { epoch: 1, size: 0 });
    grow(&it, 3).await;
    for report in both(&it, 2) {
        assert!(report.is_ok(), "{:?}", report.first_bad());
        assert_eq!(report.losses, [Loss { epoch: 1, survived: 0, known: 5 }]);
    }
}

#[tokio::test]
async fn an_end_between_the_database_and_the_outside_copy_is_no_second_rollback() {
    let it = Fixture::new();
    grow(&it, 5).await;
    let old = it.keep_database();
    grow(&it, 3).await;
    it.restore_database(&old);
    let copy = fs::read(&it.config.outside_copy).unwrap();
    accept(&it).await.unwrap();
    fs::write(&it.config.outside_copy, copy).unwrap();
    grow(&it, 1).await;
    let lines = OutsideCopy::read_all(&it.config.outside_copy).unwrap();
    assert_eq!(lines.last().unwrap().checkpoint.origin, "example.com/gov/e2");
}

#[tokio::test]
async fn there_is_nothing_to_accept_where_nothing_is_lost() {
    let it = Fixture::new();
    assert!(matches!(accept(&it).await.unwrap_err(), OpenError::NoRollback));
    grow(&it, 5).await;
    assert!(matches!(accept(&it).await.unwrap_err(), OpenError::NoRollback));
    it.append(5).await;
    assert!(matches!(accept(&it).await.unwrap_err(), OpenError::NoRollback));
    assert_eq!(it.open().await.epoch(), 1);
}

#[tokio::test]
async fn rolling_back_behind_an_accepted_rollback_is_found_and_can_be_accepted() {
    let it = Fixture::new();
    grow(&it, 5).await;
    let old = it.keep_database();
    grow(&it, 3).await;
    it.restore_database(&old);
    accept(&it).await.unwrap();
    grow(&it, 2).await;
    it.restore_database(&old);
    assert!(matches!(it.try_open().await.unwrap_err(), OpenError::Rollback { .. }));
    let accepted = accept(&it).await.unwrap();
    assert_eq!((accepted.epoch, accepted.survived), (3, Place { epoch: 2, size: 0 }));
    grow(&it, 1).await;
    it.export();
    let keys = [1, 2, 3].map(|epoch| it.vkey(epoch)).to_vec();
    let options = VerifyOptions { from_epoch: 3, ..VerifyOptions::trusting(keys) };
    for report in [
        verify_database(&it.config.database, &options).unwrap(),
        verify_export(&it.export_dir(), &options).unwrap(),
    ] {
        assert!(report.is_ok(), "{:?}", report.first_bad());
    }
}
