//! `gov audit export`: the log as static files.

use std::path::PathBuf;

use clap::Args;
use gov_core::text;
use gov_deferred_audit::export::{self, ExportError, ExportOptions};
use serde_json::json;

use super::{at_rest, place::LogPlace};
use crate::{
    cli::{Exit, Failure, Outcome, console},
    offline,
};

/// Writes the log as static files.
#[derive(Debug, Args)]
pub struct Export {
    /// Where to: an empty or new directory, or an earlier export of this log.
    #[arg(value_name = "DIR")]
    to: PathBuf,
    /// Leave out what the records are about; a proof stays possible, reading does not.
    #[arg(long)]
    without_payloads: bool,
    #[command(flatten)]
    place: LogPlace,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

impl Export {
    pub(super) fn run(self) -> Outcome {
        let found = self.place.find()?;
        let options = ExportOptions { with_payloads: !self.without_payloads };
        let shared =
            found.on_shared(async |pool| export::export_postgres(pool, &self.to, options).await)?;
        let exported = match shared {
            Some(exported) => exported,
            None => {
                at_rest::read(&found.log.database, |file| export::export(file, &self.to, options))?
            }
        };
        let exported = exported.map_err(failure)?;
        let path = self.to.display().to_string();
        let shown = text::escape(&path);
        if self.json {
            let line = json!({
                "directory": path, "epoch": exported.epoch, "size": exported.size,
                "bytes": exported.bytes, "written": exported.written, "removed": exported.removed,
                "with_payloads": options.with_payloads,
            });
            console::line(&line.to_string())?;
        } else {
            console::line(&format!(
                "{} records of epoch {} exported to {shown} ({} bytes, {} files written)\n\
                 verify: gov audit verify --export {shown} --key VKEY, or Go's sumdb \
                 (tests/judge in gov's sources)\n\
                 the public key is {shown}/vkey; who verifies should have it from somewhere else",
                exported.size, exported.epoch, exported.bytes, exported.written
            ))?;
        }
        Ok(Exit::Yes)
    }
}

fn failure(error: ExportError) -> Failure {
    let exit = match error {
        ExportError::Schema(error) => return offline::schema(error),
        ExportError::Foreign(_) => Exit::Usage,
        ExportError::NoLog | ExportError::File { .. } => Exit::Unreachable,
        _ => Exit::NotJudged,
    };
    Failure::of(exit, error)
}
