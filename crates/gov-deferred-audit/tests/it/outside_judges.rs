//! Two outside judges accept a log of 70,000 records, whole and pruned, and see a flipped byte.
//!
//! Go's sumdb packages and the Python package `metamorphic-log` share no code with gov.
//! `GOV_TEST_PYTHON` names a Python that has the package; `cargo xtask test` makes one.

#[path = "../../../../tests/judge/go.rs"]
mod go;

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use gov_deferred_audit::{SignedLog, tlog::leaf_hash};

use crate::fixture::{Fixture, append};

const RECORDS: u64 = 70_000;

/// Whole bundles, below record 40,000.
const PRUNED: u64 = 39_936;

#[tokio::test]
async fn a_log_of_70_000_records_is_accepted_by_two_outside_judges_whole_and_pruned() {
    let it = Fixture::new();
    let log = it.open().await;
    let kept = it.folder.path().join("kept");
    let receipts = it.folder.path().join("receipts");
    fs::create_dir(&receipts).unwrap();
    fill(&it, &log, &kept).await;
    let older = fs::read_dir(&kept).unwrap().count();
    write_receipts(&log, &receipts).await;
    it.export();
    let judges = Judges { export: it.export_dir(), kept, receipts };
    judges.both_say("70000 records ok\n", "70000 records ok: 70000 entries hashed", 0);
    assert_eq!(older, 6);
    for file in ["tile/entries/200", "tile/0/017", "tile/1/000", "checkpoint"] {
        judges.both_see_a_flip(file, 0);
    }
    judges.both_see_a_record_rewritten_together_with_its_hash();

    log.prune(&[(1, PRUNED)].into(), "admin", "older than a year").await.unwrap();
    write_receipts(&log, &judges.receipts).await;
    fs::remove_dir_all(&judges.export).unwrap();
    it.export();
    assert!(!judges.export.join("tile/entries/155").exists());
    judges.both_refuse(0, "a missing bundle that nobody allowed");
    judges.both_refuse(PRUNED - 256, "a missing bundle above what is allowed");
    // The pruning is a record too.
    judges.both_say(
        "70001 records ok, the entries of 39936 are pruned\n",
        "70001 records ok: 30065 entries hashed",
        PRUNED,
    );
    for file in ["tile/entries/200", "tile/0/017", "tile/1/000", "checkpoint"] {
        judges.both_see_a_flip(file, PRUNED);
    }
    assert!(it.verify_export().is_ok());
    log.close().await;
}

/// Appends everything, and keeps some checkpoints on the way.
async fn fill(it: &Fixture, log: &SignedLog, kept: &Path) {
    fs::create_dir(kept).unwrap();
    let keep_at = [1, 4, 156, 157, 200, 256];
    for batch in 0..RECORDS.div_ceil(256) {
        let first = batch * 256;
        let records: Vec<_> = (first..(first + 256).min(RECORDS)).map(|n| it.record(n)).collect();
        append(log, &records).await;
        if keep_at.contains(&(batch + 1)) {
            let head = log.committed().borrow().clone();
            fs::write(kept.join(head.size.to_string()), head.checkpoint).unwrap();
        }
    }
}

async fn write_receipts(log: &SignedLog, receipts: &Path) {
    for seq in [1, 2, 255, 256, 257, 39_936, 39_937, 65_536, 65_537, RECORDS - 1, RECORDS] {
        let receipt = log.receipt(seq).await.unwrap().unwrap();
        fs::write(receipts.join(seq.to_string()), receipt.to_string()).unwrap();
    }
}

struct Judges {
    export: PathBuf,
    kept: PathBuf,
    receipts: PathBuf,
}

impl Judges {
    fn go(&self, pruned_below: u64) -> Option<Output> {
        let mut judge = go::go_judge()?;
        judge.arg("-pruned-below").arg(pruned_below.to_string()).arg(&self.export);
        Some(judge.stdin(Stdio::null()).output().unwrap())
    }

    fn python(&self, pruned_below: u64) -> Option<Output> {
        let mut judge = Command::new(python()?);
        judge.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/judge/judge.py"));
        judge.arg(&self.export).arg("--pruned-below").arg(pruned_below.to_string());
        judge.arg("--receipts").arg(&self.receipts);
        for kept in fs::read_dir(&self.kept).unwrap() {
            judge.arg("--grown-from").arg(kept.unwrap().path());
        }
        Some(judge.stdin(Stdio::null()).output().unwrap())
    }

    fn both(&self, pruned_below: u64) -> impl Iterator<Item = Output> {
        [self.go(pruned_below), self.python(pruned_below)].into_iter().flatten()
    }

    #[track_caller]
    fn both_say(&self, go: &str, python: &str, pruned_below: u64) {
        for (judged, wanted) in [(self.go(pruned_below), go), (self.python(pruned_below), python)] {
            let Some(judged) = judged else { continue };
            let said = String::from_utf8_lossy(&judged.stdout);
            assert!(judged.status.success() && said.starts_with(wanted), "{judged:?}");
            std::io::stdout().write_all(said.as_bytes()).unwrap();
        }
    }

    #[track_caller]
    fn both_refuse(&self, pruned_below: u64, why: &str) {
        for judged in self.both(pruned_below) {
            assert_eq!(judged.status.code(), Some(1), "{why}: {judged:?}");
        }
    }

    /// Flips the middle byte of one file.
    #[track_caller]
    fn both_see_a_flip(&self, file: &str, pruned_below: u64) {
        let whole = self.change(file, |bytes| {
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
        });
        self.both_refuse(pruned_below, file);
        fs::write(self.export.join(file), whole).unwrap();
    }

    /// The last byte of a bundle's first entry, and the leaf hash that fits it.
    #[track_caller]
    fn both_see_a_record_rewritten_together_with_its_hash(&self) {
        let mut hash = [0; 32];
        let entries = self.change("tile/entries/200", |bytes| {
            let length = usize::from(u16::from_be_bytes([bytes[0], bytes[1]]));
            bytes[1 + length] ^= 1;
            hash = leaf_hash(&bytes[2..2 + length]);
        });
        let hashes = self.change("tile/0/200", |bytes| bytes[..32].copy_from_slice(&hash));
        self.both_refuse(0, "a record and its hash");
        fs::write(self.export.join("tile/entries/200"), entries).unwrap();
        fs::write(self.export.join("tile/0/200"), hashes).unwrap();
    }

    /// Changes a file; gives what it was.
    fn change(&self, file: &str, change: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
        let path = self.export.join(file);
        let whole = fs::read(&path).unwrap();
        let mut changed = whole.clone();
        change(&mut changed);
        assert_ne!(changed, whole);
        fs::write(&path, changed).unwrap();
        whole
    }
}

fn python() -> Option<String> {
    if let Ok(python) = std::env::var("GOV_TEST_PYTHON") {
        return Some(python);
    }
    let missing = "the second outside judge needs GOV_TEST_PYTHON, a Python that has the package \
                   metamorphic-log (`cargo xtask test` makes one)";
    assert!(std::env::var("CI").as_deref() != Ok("true"), "{missing}");
    // Not `eprintln!`: the test harness swallows it.
    std::io::stderr().write_all(format!("skipped: {missing}\n").as_bytes()).unwrap();
    None
}
