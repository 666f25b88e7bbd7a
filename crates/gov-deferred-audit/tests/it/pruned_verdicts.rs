//! Verdicts and exports of a pruned log: whole where the log says so, signed, and only there.

use std::fs;

use gov_core::AuditEventKind;
use gov_deferred_audit::{
    LogRecord, Verdict as Decided,
    export::{ExportOptions, export},
    pruned::PruneStatement,
    verify::{
        Finding, Payloads, Report, Verdict, VerifyOptions, Which, verify_database, verify_export,
    },
};

use crate::{
    fixture::{Fixture, append, files},
    pruning::{prune, pruned, two_epochs},
};

/// What an auditor says who kept these checkpoints.
fn both(it: &Fixture, options: &VerifyOptions) -> [Report; 2] {
    it.export();
    [
        verify_database(&it.config.database, options).unwrap(),
        verify_export(&it.export_dir(), options).unwrap(),
    ]
}

fn trusting(it: &Fixture) -> VerifyOptions {
    VerifyOptions::trusting(vec![it.vkey(1)])
}

/// A record that says what `statement` says, as the log itself would.
fn statement(it: &Fixture, reason: &str) -> LogRecord {
    let said = PruneStatement::parse(reason);
    let record = it.record(0);
    let verdict = Decided { reason: Some(reason.to_owned()), ..record.verdict.clone().unwrap() };
    LogRecord {
        id: said.map_or(record.id, |it| it.record()),
        kind: AuditEventKind::AdminLogPruned,
        verdict: Some(verdict),
        ..record
    }
}

#[tokio::test]
async fn a_pruned_log_is_whole_also_for_who_kept_a_checkpoint_within_what_went() {
    let it = Fixture::new();
    let mut kept = Vec::new();
    for count in [100, 156, 1, 255, 188] {
        it.append(count).await;
        it.export();
        kept.push(fs::read(it.export_dir().join("checkpoint")).unwrap());
    }
    fs::remove_dir_all(it.export_dir()).unwrap();
    prune(&it, 512).await;
    it.append(300).await;
    let options = VerifyOptions { from_checkpoints: kept, ..trusting(&it) };
    for report in both(&it, &options) {
        assert!(report.is_ok(), "{:?}", report.first_bad());
        assert_eq!(
            (report.pruned, report.epochs[0].pruned, report.epochs[0].size),
            (512, 512, 1001)
        );
        assert_eq!(report.payloads, Payloads { checked: 489, not_kept: 0 });
    }
    assert_eq!(it.export().pruned, 512);
    for gone in ["tile/entries/000", "payload/001"] {
        assert!(!it.export_dir().join(gone).exists(), "{gone}");
    }
    let mut forked = options;
    forked.from_checkpoints = vec![{
        let other = Fixture::new();
        fs::create_dir(&other.config.keys).unwrap();
        for file in ["audit-log.e1.key", "audit-log.e1.vkey"] {
            fs::copy(it.config.keys.join(file), other.config.keys.join(file)).unwrap();
        }
        other.append(100).await;
        other.export();
        fs::read(other.export_dir().join("checkpoint")).unwrap()
    }];
    for report in both(&it, &forked) {
        assert!(matches!(report.integrity, Verdict::Failed(_)), "another first hundred");
    }
}

#[tokio::test]
async fn an_export_keeps_what_an_earlier_one_wrote_and_it_is_judged() {
    let it = Fixture::with_records(700).await;
    it.export();
    prune(&it, 512).await;
    let exported = it.export();
    assert_eq!((exported.pruned, exported.size), (512, 701));
    let report = it.verify_export();
    assert!(report.is_ok(), "{:?}", report.first_bad());
    assert_eq!((report.pruned, report.payloads.checked), (0, 701));
    for file in ["tile/entries/001", "payload/001"] {
        let path = it.export_dir().join(file);
        let whole = fs::read(&path).unwrap();
        let mut changed = whole.clone();
        changed[5000] ^= 1;
        fs::write(&path, changed).unwrap();
        let report = it.verify_export();
        assert!(!report.is_ok(), "{file}");
        assert!(report.first_bad().unwrap().index.is_some_and(|it| (256..512).contains(&it)));
        fs::write(&path, whole).unwrap();
    }
    // What was kept may be thrown away: then it is pruned.
    fs::remove_file(it.export_dir().join("tile/entries/000")).unwrap();
    let report = it.verify_export();
    assert_eq!(report.first_bad().unwrap().why, "256 lie here without their entries");
    fs::remove_file(it.export_dir().join("payload/000")).unwrap();
    let report = it.verify_export();
    assert!(report.is_ok() && report.pruned == 256, "{:?}", report.first_bad());
}

#[tokio::test]
async fn payloads_of_what_is_pruned_stay_out_if_asked_and_are_not_missed_later() {
    let it = Fixture::with_records(700).await;
    it.export();
    prune(&it, 512).await;
    let without = ExportOptions { with_payloads: false };
    export(&it.config.database, &it.export_dir(), without).unwrap();
    assert!(!it.export_dir().join("payload").exists());
    it.export();
    let report = it.verify_export();
    assert!(report.is_ok(), "{:?}", report.first_bad());
    assert_eq!(report.payloads, Payloads { checked: 189, not_kept: 512 });
    assert_eq!(report.pruned, 0);
}

#[tokio::test]
async fn all_epochs_may_be_pruned_and_a_later_one_says_so() {
    let it = two_epochs().await;
    let log = it.open().await;
    log.prune(&[(1, 512)].into(), "ops", "they are old").await.unwrap();
    log.prune(&[(2, 768)].into(), "ops", "they are old, too").await.unwrap();
    log.close().await;
    let keys = vec![it.vkey(1), it.vkey(2)];
    let options = VerifyOptions { from_epoch: 2, ..VerifyOptions::trusting(keys) };
    for report in both(&it, &options) {
        assert!(report.is_ok(), "{:?}", report.first_bad());
        let pruned: Vec<_> = report.epochs.iter().map(|it| it.pruned).collect();
        assert_eq!((report.pruned, pruned), (1024, vec![512, 512]));
    }
    // Without the key of the epoch that says so it cannot be judged, and is not whole.
    let options = VerifyOptions::trusting(vec![it.vkey(1)]);
    for report in both(&it, &options) {
        assert!(matches!(report.completeness, Verdict::NotJudged(_)), "{:?}", report.first_bad());
        assert_eq!(report.pruned, 0);
    }
    // The handover may not go, whatever is said.
    it.tamper(
        "delete from audit_log_entry where epoch = 2 and seq <= 256;
         delete from audit_log_payload where epoch = 2 and seq <= 256",
    );
    let keys = vec![it.vkey(1), it.vkey(2)];
    let options = VerifyOptions { from_epoch: 2, ..VerifyOptions::trusting(keys) };
    let report = verify_database(&it.config.database, &options).unwrap();
    assert!(matches!(report.completeness, Verdict::Failed(_)));
}

#[tokio::test]
async fn what_no_statement_covers_is_missing_at_its_place() {
    for (sql, index, what) in [
        ("delete from audit_log_entry where seq <= 768", 512, "entry"),
        ("delete from audit_log_entry where seq = 600", 599, "entry"),
        ("delete from audit_log_payload where seq = 600", 599, "payload"),
        ("delete from audit_log_tile where tile = 1 and level = 0", 256, "tile/0/001"),
    ] {
        let it = Fixture::with_records(1100).await;
        prune(&it, 512).await;
        it.tamper(sql);
        let report = it.verify_database();
        let Verdict::Failed(finding) = &report.completeness else {
            panic!("{sql}: {:?}", report.first_bad())
        };
        assert_eq!((finding.index, finding.what.as_str()), (Some(index), what), "{sql}");
    }
    // Not a word about pruning at all.
    let it = Fixture::with_records(600).await;
    it.export();
    it.tamper("delete from audit_log_entry where seq <= 256");
    fs::remove_file(it.export_dir().join("tile/entries/001")).unwrap();
    for (report, index) in [(it.verify_database(), 0), (it.verify_export(), 256)] {
        let Verdict::Failed(finding) = &report.completeness else {
            panic!("{:?}", report.first_bad())
        };
        assert_eq!((finding.index, report.pruned), (Some(index), 0));
    }
}

#[tokio::test]
async fn a_bundle_that_is_there_in_part_is_found_although_it_is_pruned() {
    let kept = Fixture::with_records(700).await;
    kept.export();
    prune(&kept, 512).await;
    kept.export();
    // The archive's bundle loses its last entry, and then all but its first.
    let path = kept.export_dir().join("tile/entries/001");
    let entries = fs::read(&path).unwrap();
    let parts = gov_deferred_audit::tlog::bundle::split(&entries).unwrap();
    for count in [255, 1] {
        let length: usize = parts[..count].iter().map(|it| it.len() + 2).sum();
        fs::write(&path, &entries[..length]).unwrap();
        let Verdict::Failed(finding) = kept.verify_export().completeness else { panic!() };
        assert_eq!(finding.index, Some(256 + count as u64));
    }
    // A single row of the database comes back.
    let it = pruned().await;
    it.tamper("insert into audit_log_entry values (1 << 40 | 300, zeroblob(16), x'00')");
    let report = it.verify_database();
    assert!(matches!(report.completeness, Verdict::Failed(_)), "{:?}", report.first_bad());
    let it = pruned().await;
    it.tamper("insert into audit_log_payload values (1 << 40 | 300, zeroblob(16), x'00')");
    let Verdict::Failed(finding) = it.verify_database().integrity else { panic!() };
    assert_eq!((finding.index, finding.what.as_str()), (Some(299), "payload"));
}

#[tokio::test]
async fn a_statement_that_nobody_signed_covers_nothing() {
    // In a bundle whose tile tells, and in one that has none yet.
    for seq in [300, 600] {
        let it = Fixture::with_records(600).await;
        forge(&it, seq).await;
        let report = it.verify_database();
        assert_eq!(matches!(report.completeness, Verdict::Failed(_)), seq == 300);
        assert!(!report.is_ok() && report.completeness != Verdict::Ok && report.pruned == 0);
        let first = report.first_bad().map(|it| (it.index, it.which));
        assert_eq!(first == Some((Some(0), Which::Completeness)), seq == 300, "{first:?}");
    }
}

/// Replaces an entry by a statement, and takes away what it names.
async fn forge(it: &Fixture, seq: u64) {
    let forger = Fixture::with_records(u32::try_from(seq - 1).unwrap()).await;
    let log = forger.open().await;
    append(&log, &[statement(&forger, r#"{"pruned":[{"below":256,"epoch":1}]}"#)]).await;
    log.close().await;
    it.tamper(&format!(
        "attach '{}' as forged;
         delete from audit_log_entry where seq <= 256 or seq = {seq};
         delete from audit_log_payload where seq <= 256;
         insert into audit_log_entry select place, record_id, entry
         from forged.audit_log_entry where seq = {seq}",
        forger.config.database.display()
    ));
}

#[tokio::test]
async fn a_signed_statement_that_lies_or_takes_back_is_found() {
    for (reasons, why) in [
        (vec![r#"{"pruned":[{"below":768,"epoch":1}]}"#], "more was pruned than there was"),
        (vec![r#"{"pruned":[{"below":512,"epoch":2}]}"#], "more was pruned than there was"),
        (vec![r#"{"pruned":[{"below":300,"epoch":1}]}"#], "not say what was pruned"),
        (vec![r#"{"below":256}"#], "not say what was pruned"),
        (
            vec![
                r#"{"pruned":[{"below":512,"epoch":1}]}"#,
                r#"{"pruned":[{"below":256,"epoch":1}]}"#,
            ],
            "less was pruned than was said before",
        ),
    ] {
        let it = Fixture::with_records(600).await;
        let log = it.open().await;
        let records: Vec<_> = reasons.iter().map(|reason| statement(&it, reason)).collect();
        append(&log, &records).await;
        log.close().await;
        for report in both(&it, &trusting(&it)) {
            let found: Vec<&Finding> = report.findings.iter().collect();
            let [finding] = found[..] else { panic!("{reasons:?}: {found:?}") };
            assert!(finding.which == Which::Integrity && finding.what == "reason");
            assert_eq!(finding.index, Some(599 + reasons.len() as u64));
            assert!(finding.why.contains(why), "{finding}");
        }
    }
    // A name alone says nothing.
    let it = Fixture::with_records(10).await;
    let log = it.open().await;
    let record = LogRecord { kind: AuditEventKind::AdminLogPruned, verdict: None, ..it.record(9) };
    append(&log, &[record]).await;
    log.close().await;
    assert!(it.verify_database().is_ok());
}

#[tokio::test]
async fn one_changed_byte_in_any_file_of_a_pruned_export_is_found_and_a_tile_is_named() {
    let it = pruned().await;
    it.export();
    let all = files(&it.export_dir());
    assert_eq!(all.len(), 8, "{all:?}");
    for file in all {
        let whole = fs::read(&file).unwrap();
        for at in [0, whole.len() / 3, whole.len() / 2, whole.len() - 1] {
            let mut changed = whole.clone();
            changed[at] ^= 1;
            fs::write(&file, changed).unwrap();
            let report = it.verify_export();
            assert!(!report.is_ok(), "{}, byte {at}", file.display());
            if file.ends_with("tile/0/001") {
                let finding = report.first_bad().unwrap();
                assert_eq!((finding.index, finding.what.as_str()), (Some(256), "tile/0/001"));
                assert!(
                    matches!(report.completeness, Verdict::NotJudged(_)),
                    "{:?}",
                    report.first_bad()
                );
            }
        }
        fs::remove_file(&file).unwrap();
        let judged = verify_export(&it.export_dir(), &trusting(&it));
        assert!(!judged.is_ok_and(|report| report.is_ok()), "{} missing", file.display());
        fs::write(&file, whole).unwrap();
    }
    assert!(it.verify_export().is_ok());
    // The same in the database, where the tile above is not stored.
    it.tamper(
        "update audit_log_tile set hashes = cast(zeroblob(32) || substr(hashes, 33) as blob)
         where tile = 0",
    );
    let report = it.verify_database();
    assert!(
        matches!(report.integrity, Verdict::Failed(_)) && report.pruned == 0,
        "{:?}",
        report.first_bad()
    );
}
