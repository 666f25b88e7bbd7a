//! `gov audit export`: the log as static files.

use std::path::PathBuf;

use clap::Args;
use gov_deferred_audit::export::{self, ExportError, ExportOptions};
use serde_json::json;

use crate::{
    cli::{Exit, Failure, Outcome, Places, console},
    data_dir::DataDir,
    server::log_config,
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
    places: Places,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

impl Export {
    pub(super) fn run(self) -> Outcome {
        let config = self.places.load(&[])?.config;
        let dir = DataDir::open(&self.places.data_dir()?)?;
        let options = ExportOptions { with_payloads: !self.without_payloads };
        let exported = export::export(&log_config(&config, &dir).database, &self.to, options)
            .map_err(failure)?;
        let path = self.to.display().to_string();
        if self.json {
            let line = json!({
                "directory": path, "epoch": exported.epoch, "size": exported.size,
                "written": exported.written, "removed": exported.removed,
                "with_payloads": options.with_payloads,
            });
            console::line(&line.to_string())?;
        } else {
            console::line(&format!(
                "{} records of epoch {} exported to {path} ({} files written)\n\
                 verify: gov audit verify --export {path} --key {path}/vkey\n\
                 (take the key from somebody else than who gave you the files)",
                exported.size, exported.epoch, exported.written
            ))?;
        }
        Ok(Exit::Yes)
    }
}

fn failure(error: ExportError) -> Failure {
    let exit = match error {
        ExportError::Foreign(_) => Exit::Usage,
        ExportError::NoLog | ExportError::File { .. } => Exit::Unreachable,
        _ => Exit::NotJudged,
    };
    Failure::of(exit, error)
}
