//! `gov audit receipt`: the proof that the log holds one record, for whoever asks.

use std::{
    fs,
    path::{Path, PathBuf},
};

use clap::Args;
use gov_core::{RecordId, text};
use gov_deferred_audit::{
    entry::Entry,
    lookup::{self, Proved, RecordPlace, Wanted},
};
use serde_json::json;

use super::{at_rest, place::LogPlace, verify};
use crate::cli::{Exit, Failure, Outcome, console};

/// Writes the proof that the log holds one record: a receipt (C2SP tlog-proof).
///
/// Whoever judges it needs three things, and neither the log nor this machine: the receipt, the
/// record's entry (`--entry` writes it), and the log's public key from a place that they trust.
/// `gov audit verify --receipt FILE --entry FILE --key VKEY` judges it.
#[derive(Debug, Args)]
pub struct Receipt {
    /// Which record: its id, `rec_…`, or its sequence number.
    #[arg(value_name = "REC|SEQ", value_parser = record)]
    record: Named,
    /// The epoch that a sequence number counts in; by default the current one.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    epoch: Option<u64>,
    /// Where the receipt goes; by default to standard output.
    #[arg(short, long = "output", value_name = "FILE")]
    output: Option<PathBuf>,
    /// Where the record's entry goes: its exact bytes, which the receipt is judged with.
    #[arg(long, value_name = "FILE")]
    entry: Option<PathBuf>,
    #[command(flatten)]
    place: LogPlace,
    /// Print JSON: the receipt is in it, and the entry.
    #[arg(long)]
    json: bool,
}

/// How a record is named on the command line.
#[derive(Clone, Copy, Debug)]
enum Named {
    Id(RecordId),
    Seq(u64),
}

impl Receipt {
    pub(super) fn run(self) -> Outcome {
        let wanted = match (self.record, self.epoch) {
            (Named::Id(_), Some(_)) => {
                let what = "`--epoch` goes with a sequence number: a record's id is of one epoch";
                return Err(Failure::new(Exit::Usage, what));
            }
            (Named::Id(id), None) => Wanted::Record(id),
            (Named::Seq(seq), None) => Wanted::Seq(seq),
            (Named::Seq(seq), Some(epoch)) => Wanted::Place(RecordPlace { epoch, seq }),
        };
        let found = self.place.find()?;
        let shared = found.on_shared(async |pool| lookup::prove_postgres(pool, wanted).await)?;
        let proved = match shared {
            Some(proved) => proved,
            None => at_rest::read(&found.log.database, |file| lookup::prove(file, wanted))?,
        };
        match proved.map_err(verify::failure)? {
            Some(proved) => self.hand_out(&proved),
            None => Err(Failure::new(Exit::JudgedNo, "the log has no such record")),
        }
    }

    fn hand_out(&self, proved: &Proved) -> Outcome {
        let receipt = proved.receipt.to_string();
        let entry = proved.entry.as_deref();
        if let Some(path) = &self.entry {
            let gone = "the record's entry was pruned; whoever kept it can still judge the receipt";
            write(path, entry.ok_or_else(|| Failure::new(Exit::JudgedNo, gone))?)?;
        }
        if let Some(path) = &self.output {
            write(path, receipt.as_bytes())?;
        }
        let RecordPlace { epoch, seq } = proved.place;
        if self.json {
            let record = entry.and_then(|it| Entry::from_bytes(it).ok());
            let line = json!({
                "record": record.map(|it| it.id.to_string()), "epoch": epoch, "seq": seq,
                "origin": proved.origin, "size": proved.size, "receipt": receipt,
                "entry": entry.map(String::from_utf8_lossy),
            });
            console::line(&line.to_string())?;
        } else if let Some(path) = &self.output {
            let shown = |path: &Path| text::escape(&path.display().to_string()).into_owned();
            let entry = self.entry.as_deref().map_or("ENTRY".to_owned(), shown);
            let without = if self.entry.is_none() { " (`--entry ENTRY` writes it)" } else { "" };
            let path = shown(path);
            console::line(&format!(
                "record {seq} of {} is in epoch {epoch}, {}: {path}\n\
                 who judges it needs the entry{without} and the public key from somewhere else:\n\
                 gov audit verify --receipt {path} --entry {entry} --key VKEY",
                proved.size,
                text::escape(&proved.origin),
            ))?;
        } else {
            console::line(receipt.strip_suffix('\n').unwrap_or(&receipt))?;
        }
        Ok(Exit::Yes)
    }
}

fn record(given: &str) -> Result<Named, String> {
    if given.starts_with("rec_") {
        return given.parse().map(Named::Id).map_err(|error| format!("{error}"));
    }
    let seq = given.parse().ok().filter(|it| *it > 0);
    seq.map(Named::Seq).ok_or_else(|| {
        "it must be a record's id, `rec_` and 32 hex digits, or a sequence number from 1".to_owned()
    })
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    fs::write(path, bytes).map_err(|error| {
        Failure::because(Exit::Unreachable, format!("cannot write `{}`", path.display()), error)
    })
}
