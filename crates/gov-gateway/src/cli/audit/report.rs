//! How the two verdicts are shown, and which exit code they are.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use gov_core::{Timestamp, text};
use gov_deferred_audit::verify::{Report, Verdict};
use serde_json::{Value, json};

use crate::cli::Exit;

/// Whose keys the verdict rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trust {
    /// Given on the command line.
    Given,
    /// The public keys of the data directory, apart from the database.
    KeyDir,
    /// Those that came with the log.
    BesideTheLog,
}

impl Trust {
    fn name(self) -> &'static str {
        match self {
            Self::Given => "given",
            Self::KeyDir => "key_directory",
            Self::BesideTheLog => "beside_the_log",
        }
    }

    fn for_people(self) -> &'static str {
        match self {
            Self::Given => "keys: yours",
            Self::KeyDir => "keys: those of the data directory, kept apart from the database",
            Self::BesideTheLog => {
                "keys: those beside the log, so this shows that the log fits itself; give the key \
                 you trust with --key"
            }
        }
    }
}

/// No beats «could not be judged»: whoever sees one bad record need not wait for the rest.
pub(super) fn exit(report: &Report) -> Exit {
    let verdicts = [&report.integrity, &report.completeness];
    if verdicts.iter().any(|it| matches!(it, Verdict::Failed(_))) {
        Exit::JudgedNo
    } else if report.is_ok() {
        Exit::Yes
    } else {
        Exit::NotJudged
    }
}

/// A few lines; `kept` is how many checkpoints from outside the log had to grow out of.
pub(super) fn for_people(report: &Report, trust: Trust, kept: usize) -> String {
    let mut lines = Vec::new();
    for epoch in &report.epochs {
        lines.push(format!("epoch {}: {}, {} records", epoch.epoch, epoch.origin, epoch.size));
        lines.push(format!("  root {}, key {}", STANDARD.encode(epoch.root), epoch.key));
    }
    for loss in &report.losses {
        let lost = loss.known.saturating_sub(loss.survived);
        lines.push(format!(
            "epoch {}: {lost} records are known to be lost ({} of {} are left)",
            loss.epoch, loss.survived, loss.known
        ));
    }
    lines.push(trust.for_people().to_owned());
    lines.push(format!("checkpoints from outside that it was held against: {kept}"));
    for it in &report.witnesses {
        lines.push(format!(
            "witness {}: cosigned {} records of epoch {} at {}",
            it.witness.name(),
            it.size,
            it.epoch,
            seconds(it.seconds)
        ));
    }
    let payloads = &report.payloads;
    lines.push(format!("payloads: {} compared, {} not here", payloads.checked, payloads.not_kept));
    if report.pruned > 0 {
        lines.push(format!("pruned, as the log says itself: {} entries", report.pruned));
    }
    lines.push(format!("integrity: {}", report.integrity));
    lines.push(format!("completeness: {}", report.completeness));
    let lines: Vec<_> = lines.iter().map(|it| text::escape(it)).collect();
    lines.join("\n")
}

/// The same as one JSON object.
pub(super) fn as_json(report: &Report, trust: Trust, kept: usize) -> Value {
    let epochs: Vec<_> = report
        .epochs
        .iter()
        .map(|it| {
            json!({
                "epoch": it.epoch, "origin": it.origin, "size": it.size,
                "root": STANDARD.encode(it.root), "key": it.key.to_string(),
            })
        })
        .collect();
    let losses: Vec<_> = report
        .losses
        .iter()
        .map(|it| json!({"epoch": it.epoch, "survived": it.survived, "known": it.known}))
        .collect();
    let witnesses: Vec<_> = report
        .witnesses
        .iter()
        .map(|it| {
            json!({
                "witness": it.witness.name(), "epoch": it.epoch, "size": it.size,
                "at": seconds(it.seconds),
            })
        })
        .collect();
    let first_bad = report
        .first_bad()
        .map(|it| json!({"epoch": it.epoch, "index": it.index, "what": it.what, "why": it.why}));
    json!({
        "ok": report.is_ok(),
        "integrity": verdict(&report.integrity),
        "completeness": verdict(&report.completeness),
        "keys": trust.name(),
        "outside_checkpoints": kept,
        "epochs": epochs,
        "losses": losses,
        "witnesses": witnesses,
        "payloads": {"checked": report.payloads.checked, "not_kept": report.payloads.not_kept},
        "pruned": report.pruned,
        "first_bad": first_bad,
        "findings": report.findings.len(),
    })
}

/// A witness's clock says whole seconds.
fn seconds(seconds: u64) -> Timestamp {
    let micros = seconds.saturating_mul(1_000_000);
    Timestamp::from_micros_clamped(i64::try_from(micros).unwrap_or(i64::MAX))
}

fn verdict(verdict: &Verdict) -> Value {
    match verdict {
        Verdict::Ok => json!({"verdict": "ok"}),
        Verdict::Failed(finding) => json!({"verdict": "failed", "why": finding.to_string()}),
        Verdict::NotJudged(why) => json!({"verdict": "not_judged", "why": why}),
    }
}
