//! `gov audit verify`: two verdicts over a log.

use std::{
    fs,
    path::{Path, PathBuf},
    str::FromStr,
};

use clap::Args;
use gov_core::text;
use gov_deferred_audit::{
    entry::Entry,
    outside_copy::OutsideCopy,
    signer::KeyDir,
    tlog::{
        bundle,
        cosignature::WitnessKey,
        key::{KeyError, VerifierKey},
        receipt::Receipt,
    },
    verify::{
        Report, SourceError, Verdict, VerifyOptions, verify_database, verify_export,
        verify_postgres,
    },
};
use serde_json::json;

use super::{
    at_rest,
    place::LogPlace,
    report::{self, Trust},
};
use crate::{
    cli::{Exit, Failure, Outcome, console},
    offline,
};

/// Judges a log.
#[derive(Debug, Args)]
pub struct Verify {
    /// Judge an exported directory instead of a data directory.
    #[arg(long, value_name = "DIR", conflicts_with = "data_dir")]
    export: Option<PathBuf>,
    /// A public key to trust, as text or file, once an epoch.
    ///
    /// Without it, a data directory is judged by the public keys in its key directory, and an
    /// export by those in it, which proves only that the log fits itself.
    #[arg(long = "key", value_name = "VKEY")]
    keys: Vec<String>,
    /// A checkpoint that you kept: the log must have grown out of it. May be given more than once.
    ///
    /// For a data directory the last one of the outside copy is always among them.
    #[arg(long = "from-checkpoint", value_name = "FILE")]
    from_checkpoints: Vec<PathBuf>,
    /// Do not count losses that a handover to this epoch, or an earlier one, admits.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    from_epoch: u64,
    /// A witness that must have cosigned the newest checkpoint (C2SP tlog-cosignature): its public
    /// key, as text or file. May be given more than once.
    ///
    /// A checkpoint with its line, given with `--from-checkpoint`, counts like the log's own.
    #[arg(long = "witness-key", value_name = "VKEY", conflicts_with = "receipt")]
    witnesses: Vec<String>,
    /// Judge a receipt (C2SP tlog-proof) of one record instead of a whole log.
    ///
    /// Needs the record's entry, `--entry`, and the log's public key, `--key`, and neither the log
    /// nor a data directory. `gov audit receipt` writes receipt and entry.
    #[arg(long, value_name = "FILE", requires_all = ["entry", "keys"])]
    receipt: Option<PathBuf>,
    /// The entry that the receipt is about: its exact bytes, as in the log.
    #[arg(long, value_name = "FILE", requires = "receipt")]
    entry: Option<PathBuf>,
    #[command(flatten)]
    place: LogPlace,
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
        let witnesses = self.witnesses.iter().map(|it| key_of("--witness-key", it));
        let witnesses = witnesses.collect::<Result<Vec<WitnessKey>, _>>()?;
        let given = self.from_checkpoints.iter().map(read).collect::<Result<_, _>>()?;
        let trust = if keys.is_empty() { Trust::BesideTheLog } else { Trust::Given };
        let options = VerifyOptions {
            keys: (!keys.is_empty()).then_some(keys),
            from_epoch: self.from_epoch,
            from_checkpoints: given,
            witnesses,
            payloads: true,
        };
        let (report, trust, kept) = match &self.export {
            Some(dir) => {
                let report = verify_export(dir, &options).map_err(failure)?;
                (report, trust, options.from_checkpoints.len())
            }
            None => self.in_place(options, trust)?,
        };
        console::line(&if self.json {
            report::as_json(&report, trust, kept).to_string()
        } else {
            report::for_people(&report, trust, kept)
        })?;
        Ok(report::exit(&report))
    }

    /// Judges a data directory: its own keys and outside copy stand in for what is not given.
    fn in_place(
        &self,
        mut options: VerifyOptions,
        mut trust: Trust,
    ) -> Result<(Report, Trust, usize), Failure> {
        let found = self.place.find()?;
        let log = &found.log;
        let copied = if log.outside_copy.exists() {
            OutsideCopy::read_all(&log.outside_copy)
                .map_err(|error| Failure::of(Exit::NotJudged, error))?
        } else {
            Vec::new()
        };
        let copied = copied.last().map(|it| it.note.clone().into_bytes());
        let knows_records = copied.is_some();
        options.from_checkpoints.extend(copied);
        if options.keys.is_none() {
            let own = own_keys(&log.keys)?;
            if !own.is_empty() {
                (options.keys, trust) = (Some(own), Trust::KeyDir);
            }
        }
        let shared = found.on_shared(async |pool| verify_postgres(pool, options.clone()).await)?;
        let report = match shared {
            Some(report) => report,
            None if knows_records && !log.database.exists() => {
                let what = "the database is missing, and the outside copy knows of records in it; \
                            restore it, or see `gov audit accept-rollback`";
                return Err(Failure::new(Exit::JudgedNo, what));
            }
            None => at_rest::read(&log.database, |file| verify_database(file, &options))?,
        };
        let mut report = report.map_err(failure)?;
        let kept = options.from_checkpoints.len();
        if kept == 0 && report.completeness == Verdict::Ok {
            report.completeness = Verdict::NotJudged(format!(
                "the outside copy `{}` is missing or empty; name it with --checkpoint-log, or give \
                 a checkpoint that you kept with --from-checkpoint",
                log.outside_copy.display()
            ));
        }
        Ok((report, trust, kept))
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

pub(super) fn failure(error: SourceError) -> Failure {
    let exit = match error {
        SourceError::Schema(error) => return offline::schema(error),
        SourceError::NoLog(_) | SourceError::File { .. } => Exit::Unreachable,
        _ => Exit::NotJudged,
    };
    Failure::of(exit, error)
}

/// The public keys in a key directory, one an epoch, as far as they go without a gap.
fn own_keys(dir: &Path) -> Result<Vec<VerifierKey>, Failure> {
    let dir = KeyDir::new(dir);
    let paths = (1..).map(|epoch| dir.public_key_path(epoch)).take_while(|it| it.exists());
    paths.map(|path| key(&path.to_string_lossy())).collect()
}

fn key(given: &str) -> Result<VerifierKey, Failure> {
    key_of("--key", given)
}

/// A key's text, or the file that holds it.
fn key_of<K: FromStr<Err = KeyError>>(flag: &str, given: &str) -> Result<K, Failure> {
    let text = match given.parse::<K>() {
        Ok(key) => return Ok(key),
        Err(_) => fs::read_to_string(given),
    };
    let wrong = |cause: Box<dyn std::error::Error + Send + Sync>| {
        let what =
            format!("`{flag} {}` is neither a public key nor a file of one", text::escape(given));
        Failure::because(Exit::Usage, what, cause)
    };
    text.map_err(|error| wrong(error.into()))?
        .trim_end_matches('\n')
        .parse()
        .map_err(|error: KeyError| wrong(error.into()))
}

/// What was given on the command line: at most as much as a checkpoint or an entry can have.
fn read(path: impl AsRef<Path>) -> Result<Vec<u8>, Failure> {
    let path = path.as_ref();
    let cannot = |cause: Box<dyn std::error::Error + Send + Sync>| {
        Failure::because(Exit::Usage, format!("cannot read `{}`", path.display()), cause)
    };
    let size = fs::metadata(path).map_err(|error| cannot(error.into()))?.len();
    if size > u64::try_from(bundle::MAX_ENTRY_BYTES).unwrap_or(u64::MAX) {
        return Err(cannot(format!("it has {size} bytes, too many for what it should be").into()));
    }
    fs::read(path).map_err(|error| cannot(error.into()))
}
