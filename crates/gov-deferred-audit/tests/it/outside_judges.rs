//! Two outside judges accept a log of 70,000 records, and see a flipped byte.
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

use gov_deferred_audit::SignedLog;

use crate::fixture::{Fixture, append};

const RECORDS: u64 = 70_000;

#[tokio::test]
async fn a_log_of_70_000_records_is_accepted_by_two_outside_judges() {
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
    judges.both_see_a_flip("tile/entries/200", 0);
    judges.both_see_a_flip("tile/0/017", 0);
    judges.both_see_a_flip("checkpoint", 0);
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
        let path = self.export.join(file);
        let whole = fs::read(&path).unwrap();
        let mut flipped = whole.clone();
        flipped[whole.len() / 2] ^= 1;
        fs::write(&path, flipped).unwrap();
        self.both_refuse(pruned_below, file);
        fs::write(&path, whole).unwrap();
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
