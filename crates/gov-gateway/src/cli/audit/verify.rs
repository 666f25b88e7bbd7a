//! `gov audit verify`: two verdicts over a log.

use std::{fs, path::PathBuf};

use clap::Args;
use gov_core::text;
use gov_deferred_audit::{
    entry::Entry,
    outside_copy::OutsideCopy,
    tlog::{bundle, key::VerifierKey, receipt::Receipt},
    verify::{
        KeySource, Report, SourceError, Verdict, VerifyOptions, verify_database, verify_export,
    },
};
use serde_json::{Value, json};

use crate::{
    cli::{Exit, Failure, Outcome, Places, console},
    data_dir::DataDir,
    server::log_config,
};

/// Judges a log.
#[derive(Debug, Args)]
pub struct Verify {
    /// Judge an exported directory instead of a data directory.
    #[arg(long, value_name = "DIR", conflicts_with = "data_dir")]
    export: Option<PathBuf>,
    /// A public key to trust, as text or file, once an epoch. Without it, the keys beside the log
    /// are taken, which proves only that the log fits itself.
    #[arg(long = "key", value_name = "VKEY")]
    keys: Vec<String>,
    /// A checkpoint that you kept: the log must have grown out of it.
    ///
    /// For a data directory the last one of the outside copy, if this is not given.
    #[arg(long, value_name = "FILE")]
    from_checkpoint: Option<PathBuf>,
    /// Do not count losses that a handover to this epoch, or an earlier one, admits.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    from_epoch: u64,
    /// Verify a receipt (`tlog-proof`) of one entry instead of a whole log; needs `--entry`.
    #[arg(long, value_name = "FILE", requires_all = ["entry", "keys"])]
    receipt: Option<PathBuf>,
    /// The entry that the receipt is about, its exact bytes.
    #[arg(long, value_name = "FILE", requires = "receipt")]
    entry: Option<PathBuf>,
    #[command(flatten)]
    places: Places,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

impl Verify {
    pub(super) fn run(self) -> Outcome {
        let keys = self.keys.iter().map(|it| key(it)).collect::<Result<Vec<_>, _>>()?;
        if let (Some(receipt), Some(entry)) = (&self.receipt, &self.entry) {
            return self.receipt(receipt, entry, &keys);
        }
        let kept = self.from_checkpoint.as_ref().map(read).transpose()?;
        let mut options = VerifyOptions {
            keys: (!keys.is_empty()).then_some(keys),
            from_epoch: self.from_epoch,
            from_checkpoint: kept,
            payloads: true,
        };
        let report = if let Some(dir) = &self.export {
            verify_export(dir, &options)
        } else {
            let config = self.places.load(&[])?.config;
            let dir = DataDir::open(&self.places.data_dir()?)?;
            let log = log_config(&config, &dir);
            if options.from_checkpoint.is_none() && log.outside_copy.exists() {
                let all = OutsideCopy::read_all(&log.outside_copy)
                    .map_err(|error| Failure::of(Exit::NotJudged, error))?;
                options.from_checkpoint = all.last().map(|it| it.note.clone().into_bytes());
            }
            verify_database(&log.database, &options)
        };
        let report = report.map_err(|error| {
            let exit = match error {
                SourceError::NoLog(_) | SourceError::File { .. } => Exit::Unreachable,
                _ => Exit::NotJudged,
            };
            Failure::of(exit, error)
        })?;
        console::line(&if self.json {
            as_json(&report).to_string()
        } else {
            for_people(&report, options.from_checkpoint.is_some())
        })?;
        Ok(exit(&report))
    }

    fn receipt(&self, receipt: &PathBuf, entry: &PathBuf, keys: &[VerifierKey]) -> Outcome {
        let no =
            |error: Box<dyn std::error::Error + Send + Sync>| Failure::of(Exit::JudgedNo, error);
        let (text, entry) = (String::from_utf8(read(receipt)?), read(entry)?);
        let receipt = Receipt::parse(&text.map_err(|error| no(error.into()))?)
            .map_err(|error| no(error.into()))?;
        let at = receipt.verify(&entry, keys).map_err(|error| no(error.into()))?;
        let record = Entry::from_bytes(&entry).map(|it| it.id.to_string());
        let record = record.unwrap_or_else(|_| "of a later format".to_owned());
        console::line(&if self.json {
            json!({"included": true, "index": receipt.index, "record": record,
                "origin": at.origin, "size": at.size})
            .to_string()
        } else {
            format!(
                "record {record} is at index {} of {} ({} records)",
                receipt.index,
                text::escape(&at.origin),
                at.size
            )
        })?;
        Ok(Exit::Yes)
    }
}

/// A key's text, or the file that holds it.
fn key(given: &str) -> Result<VerifierKey, Failure> {
    let text = match given.parse::<VerifierKey>() {
        Ok(key) => return Ok(key),
        Err(_) => fs::read_to_string(given),
    };
    let wrong = |cause: Box<dyn std::error::Error + Send + Sync>| {
        let what =
            format!("`--key {}` is neither a public key nor a file of one", text::escape(given));
        Failure::because(Exit::Usage, what, cause)
    };
    text.map_err(|error| wrong(error.into()))?
        .trim_end_matches('\n')
        .parse()
        .map_err(|error: gov_deferred_audit::tlog::key::KeyError| wrong(error.into()))
}

/// What was given on the command line: at most as much as a checkpoint or an entry can have.
fn read(path: &PathBuf) -> Result<Vec<u8>, Failure> {
    let cannot = |cause: Box<dyn std::error::Error + Send + Sync>| {
        Failure::because(Exit::Usage, format!("cannot read `{}`", path.display()), cause)
    };
    let size = fs::metadata(path).map_err(|error| cannot(error.into()))?.len();
    if size > u64::try_from(bundle::MAX_ENTRY_BYTES).unwrap_or(u64::MAX) {
        return Err(cannot(format!("it has {size} bytes, too many for what it should be").into()));
    }
    fs::read(path).map_err(|error| cannot(error.into()))
}

/// No beats «could not be judged»: whoever sees one bad record need not wait for the rest.
fn exit(report: &Report) -> Exit {
    let verdicts = [&report.integrity, &report.completeness];
    if verdicts.iter().any(|it| matches!(it, Verdict::Failed(_))) {
        Exit::JudgedNo
    } else if report.is_ok() {
        Exit::Yes
    } else {
        Exit::NotJudged
    }
}

fn for_people(report: &Report, kept: bool) -> String {
    let mut lines = Vec::new();
    for epoch in &report.epochs {
        lines.push(format!("epoch {}: {}, {} records", epoch.epoch, epoch.origin, epoch.size));
    }
    for loss in &report.losses {
        let lost = loss.known.saturating_sub(loss.survived);
        lines.push(format!(
            "epoch {}: {lost} records are known to be lost ({} of {} are left)",
            loss.epoch, loss.survived, loss.known
        ));
    }
    lines.push(match report.keys {
        KeySource::Given => "keys: yours".to_owned(),
        KeySource::BesideTheLog => "keys: those beside the log, so this shows that the log fits \
            itself; give the key you trust with --key"
            .to_owned(),
    });
    if kept {
        lines.push("grown out of the kept checkpoint: judged".to_owned());
    }
    let payloads = &report.payloads;
    lines.push(format!("payloads: {} compared, {} not here", payloads.checked, payloads.not_kept));
    lines.push(format!("integrity: {}", report.integrity));
    lines.push(format!("completeness: {}", report.completeness));
    let lines: Vec<_> = lines.iter().map(|it| text::escape(it)).collect();
    lines.join("\n")
}

fn as_json(report: &Report) -> Value {
    let epochs: Vec<_> = report
        .epochs
        .iter()
        .map(|it| json!({"epoch": it.epoch, "origin": it.origin, "size": it.size}))
        .collect();
    let losses: Vec<_> = report
        .losses
        .iter()
        .map(|it| json!({"epoch": it.epoch, "survived": it.survived, "known": it.known}))
        .collect();
    let first_bad = report
        .first_bad()
        .map(|it| json!({"epoch": it.epoch, "index": it.index, "what": it.what, "why": it.why}));
    json!({
        "ok": report.is_ok(),
        "integrity": verdict(&report.integrity),
        "completeness": verdict(&report.completeness),
        "keys": match report.keys {
            KeySource::Given => "given",
            KeySource::BesideTheLog => "beside_the_log",
        },
        "epochs": epochs,
        "losses": losses,
        "payloads": {"checked": report.payloads.checked, "not_kept": report.payloads.not_kept},
        "first_bad": first_bad,
        "findings": report.findings.len(),
    })
}

fn verdict(verdict: &Verdict) -> Value {
    match verdict {
        Verdict::Ok => json!({"verdict": "ok"}),
        Verdict::Failed(finding) => json!({"verdict": "failed", "why": finding.to_string()}),
        Verdict::NotJudged(why) => json!({"verdict": "not_judged", "why": why}),
    }
}
