//! Verdicts: ok only for what was judged and found whole, and the first bad place is named.

use std::fs;

use gov_deferred_audit::{
    tlog::{key::PrivateKey, note::Note},
    verify::{KeySource, Verdict, VerifyOptions, Which, verify_database, verify_export},
};

use crate::{
    fixture::{Fixture, files},
    rollbacks::rolled_back,
    rotations::rotated_twice,
};

#[tokio::test]
async fn one_changed_byte_in_any_exported_file_is_found_with_and_without_an_own_key() {
    for (it, epochs, count) in [
        (Fixture::with_records(260).await, 1, 9),
        (rolled_back().await, 2, 11),
        (rotated_twice().await, 3, 17),
    ] {
        it.export();
        let keys = (1..=epochs).map(|epoch| it.vkey(epoch)).collect();
        let trusting = VerifyOptions { from_epoch: epochs, ..VerifyOptions::trusting(keys) };
        let alone = VerifyOptions { keys: None, ..trusting.clone() };
        let files = files(&it.export_dir());
        assert_eq!(files.len(), count);
        for file in files {
            let whole = fs::read(&file).unwrap();
            for at in [0, whole.len() / 3, whole.len() / 2, whole.len() - 1] {
                let mut changed = whole.clone();
                changed[at] ^= 1;
                fs::write(&file, changed).unwrap();
                for options in [&trusting, &alone] {
                    let report = verify_export(&it.export_dir(), options).unwrap();
                    assert!(!report.is_ok(), "{}, byte {at}, {options:?}", file.display());
                }
            }
            fs::remove_file(&file).unwrap();
            let judged = verify_export(&it.export_dir(), &trusting);
            assert!(!judged.is_ok_and(|report| report.is_ok()), "{} missing", file.display());
            fs::write(&file, whole).unwrap();
        }
        for options in [&trusting, &alone] {
            let report = verify_export(&it.export_dir(), options).unwrap();
            assert!(report.is_ok(), "{:?}", report.first_bad());
        }
    }
}

#[tokio::test]
async fn a_file_too_many_is_found_wherever_it_lies() {
    let it = Fixture::with_records(10).await;
    it.export();
    for stray in ["letter", "tile/0/001", "tile/0/000.p/9", "payload/x", "epoch/1/vkey", "tile/9/x"]
    {
        let path = it.export_dir().join(stray);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, "").unwrap();
        let report = it.verify_export();
        let Verdict::Failed(finding) = report.integrity else { panic!("{stray}") };
        assert_eq!(finding.what, stray);
        fs::remove_file(path).unwrap();
    }
    assert!(it.verify_export().is_ok());
}

#[tokio::test]
async fn without_a_key_nothing_is_ok() {
    let it = Fixture::with_records(10).await;
    it.export();
    let other = PrivateKey::generate("example.com/gov/e2").unwrap().verifier();
    for keys in [vec![], vec![other]] {
        let options = VerifyOptions::trusting(keys);
        for report in [
            verify_export(&it.export_dir(), &options).unwrap(),
            verify_database(&it.config.database, &options).unwrap(),
        ] {
            assert!(matches!(report.integrity, Verdict::NotJudged(_)));
            assert!(matches!(report.completeness, Verdict::NotJudged(_)));
        }
    }
    let report = verify_export(&it.export_dir(), &VerifyOptions::default()).unwrap();
    assert!(report.is_ok());
    assert_eq!(report.keys, KeySource::BesideTheLog);
}

#[tokio::test]
async fn a_log_rewritten_with_the_forgers_own_key_fits_itself_and_not_the_auditors_key() {
    let (it, forger) = (Fixture::with_records(10).await, Fixture::with_records(9).await);
    forger.export();
    let alone = verify_export(&forger.export_dir(), &VerifyOptions::default()).unwrap();
    assert!(alone.is_ok() && alone.keys == KeySource::BesideTheLog);
    let options = VerifyOptions::trusting(vec![it.vkey(1)]);
    let report = verify_export(&forger.export_dir(), &options).unwrap();
    assert!(matches!(report.integrity, Verdict::Failed(_)));
}

#[tokio::test]
async fn the_checkpoint_that_an_auditor_kept_finds_a_shortened_and_a_rewritten_log() {
    let it = Fixture::with_records(270).await;
    it.export();
    let early = fs::read(it.export_dir().join("checkpoint")).unwrap();
    let old = it.keep_database();
    it.append(10).await;
    it.export();
    let late = fs::read(it.export_dir().join("checkpoint")).unwrap();
    let judge_all = |kept: &[&[u8]]| {
        let keys = VerifyOptions::trusting(vec![it.vkey(1)]);
        let options =
            VerifyOptions { from_checkpoints: kept.iter().map(|it| it.to_vec()).collect(), ..keys };
        verify_export(&it.export_dir(), &options).unwrap()
    };
    let judge = |kept: &[u8]| judge_all(&[kept]);
    assert!(judge_all(&[&early, &late]).is_ok());
    // Somebody puts the log back, and goes on with other records.
    it.restore_database(&old);
    it.export();
    let report = judge(&late);
    assert_eq!(report.integrity, Verdict::Ok);
    let Verdict::Failed(finding) = report.completeness else { panic!() };
    assert_eq!((finding.index, finding.what.as_str()), (Some(270), "from-checkpoint"));
    it.append(20).await;
    it.export();
    assert!(matches!(judge(&late).integrity, Verdict::Failed(_)));
    assert!(judge(&early).is_ok());
    for both in [[&*early, &*late], [&*late, &*early]] {
        assert!(!judge_all(&both).is_ok(), "each of them counts");
    }
    let mut forged = late.clone();
    forged[25] ^= 1;
    assert!(matches!(judge(&forged).completeness, Verdict::NotJudged(_)));
}

#[tokio::test]
async fn the_first_bad_index_and_field_are_named() {
    let text = |from: &str, to: &str, seq: u64| {
        format!(
            "update audit_log_entry set entry = cast(replace(cast(entry as text), '{from}', '{to}')
             as blob) where seq = {seq}"
        )
    };
    for (sql, which, index, what) in [
        (text("refuse", "permit", 8), Which::Integrity, 7, "entry"),
        (text("\"seq\":8", "\"seq\":9", 8), Which::Integrity, 7, "seq"),
        (text("\"session\":\"s-1\"", "\"session\":7", 8), Which::Integrity, 7, "session"),
        (text("com/gov/e1", "com/gov/e2", 8), Which::Integrity, 7, "origin"),
        ("delete from audit_log_entry where seq = 8".into(), Which::Completeness, 7, "entry"),
        ("delete from audit_log_entry where seq > 256".into(), Which::Completeness, 256, "entry"),
        (
            "update audit_log_payload set payload = x'7b7d' where seq = 8".into(),
            Which::Integrity,
            7,
            "payload",
        ),
        (
            "update audit_log_payload set salt = zeroblob(16) where seq = 8".into(),
            Which::Integrity,
            7,
            "payload",
        ),
        ("delete from audit_log_payload where seq = 8".into(), Which::Completeness, 7, "payload"),
        (
            "update audit_log_tile set hashes = cast(zeroblob(32) || substr(hashes, 33) as blob)"
                .into(),
            Which::Integrity,
            0,
            "tile/0/000",
        ),
        ("delete from audit_log_tile".into(), Which::Completeness, 0, "tile/0/000"),
        (
            "update audit_log_entry set record_id = zeroblob(16) where seq = 8".into(),
            Which::Integrity,
            7,
            "record_id",
        ),
        (
            "insert into audit_log_entry values (1 << 40 | 301, zeroblob(16), x'00')".into(),
            Which::Integrity,
            300,
            "entry",
        ),
    ] {
        let it = Fixture::with_records(300).await;
        it.tamper(&sql);
        let report = it.verify_database();
        let verdict = match which {
            Which::Integrity => &report.integrity,
            Which::Completeness => &report.completeness,
        };
        let Verdict::Failed(finding) = verdict else { panic!("{sql}: {report:?}") };
        assert_eq!((finding.index, finding.what.as_str()), (Some(index), what), "{sql}");
        assert_eq!(report.first_bad().unwrap().index, Some(index), "{sql}");
    }
}

#[tokio::test]
async fn an_entry_of_a_later_version_is_not_judged_to_be_good() {
    let it = Fixture::with_records(10).await;
    it.tamper(
        "update audit_log_entry set
         entry = cast(replace(cast(entry as text), '\"v\":1}', '\"v\":2}') as blob) where seq = 8",
    );
    let report = it.verify_database();
    assert!(!report.is_ok());
    // Under a checkpoint that covers it, it would be a later build's good entry.
    let finding = report.findings.iter().find(|it| it.what != "root");
    assert_eq!(finding, None, "{:?}", report.findings);
}

#[tokio::test]
async fn a_signature_line_that_nobody_vouches_for_is_found() {
    let it = Fixture::with_records(10).await;
    it.export();
    let path = it.export_dir().join("checkpoint");
    let note = Note::parse(&fs::read(&path).unwrap()).unwrap();
    let witness = PrivateKey::generate("witness.example").unwrap();
    let signature = witness.sign(note.text().as_bytes());
    let note = note.with_signature(&witness.verifier(), signature);
    fs::write(&path, note.to_string()).unwrap();
    let Verdict::Failed(finding) = it.verify_export().integrity else { panic!() };
    assert_eq!(finding.why, "it has a line of an unknown signer");
}

#[tokio::test]
async fn an_older_epoch_that_was_shortened_is_found_by_what_was_handed_over() {
    let it = rolled_back().await;
    it.export();
    let keys = vec![it.vkey(1), it.vkey(2)];
    let options = VerifyOptions { from_epoch: 2, ..VerifyOptions::trusting(keys) };
    assert!(verify_export(&it.export_dir(), &options).unwrap().is_ok());
    // The same log as it was before: whole by itself.
    let (early, keys) = (Fixture::new(), it.config.keys.clone());
    fs::create_dir(&early.config.keys).unwrap();
    for file in ["audit-log.e1.key", "audit-log.e1.vkey"] {
        fs::copy(keys.join(file), early.config.keys.join(file)).unwrap();
    }
    early.append(3).await;
    early.export();
    let dir = it.export_dir().join("epoch/1");
    fs::remove_dir_all(&dir).unwrap();
    for file in files(&early.export_dir()) {
        let to = dir.join(file.strip_prefix(early.export_dir()).unwrap());
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::copy(file, to).unwrap();
    }
    let report = verify_export(&it.export_dir(), &options).unwrap();
    let Verdict::Failed(finding) = report.integrity else { panic!("{report:?}") };
    assert_eq!((finding.epoch, finding.what.as_str()), (2, "reason"));
    assert_eq!(finding.why, "it says that 5 records survived, and there are 3");
    fs::remove_dir_all(&dir).unwrap();
    assert!(!verify_export(&it.export_dir(), &options).unwrap().is_ok());
}

#[tokio::test]
async fn payloads_are_compared_only_if_asked() {
    let it = Fixture::with_records(10).await;
    it.tamper("update audit_log_payload set payload = x'7b7d' where seq = 8");
    let options = VerifyOptions { payloads: false, ..VerifyOptions::trusting(vec![it.vkey(1)]) };
    let report = verify_database(&it.config.database, &options).unwrap();
    assert!(report.is_ok());
    assert_eq!((report.payloads.checked, report.payloads.not_kept), (0, 10));
}
