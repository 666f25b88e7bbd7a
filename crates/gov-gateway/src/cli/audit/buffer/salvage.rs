//! `gov audit buffer salvage`: what can still be read of a buffer file that was set aside.

use std::path::PathBuf;

use clap::Args;
use gov_audit_buffer::{EventBuffer, buffer::TakeOverError};
use serde_json::json;

use super::desk::{self, File};
use crate::cli::{
    Exit, Failure, Outcome, console,
    target::{Target, json_line},
};

/// Puts the events that can still be read of a damaged buffer file into the buffer.
///
/// The file is one that was set aside, `audit-buffer.db.corrupt-…`, and stays as it is. What was
/// brought back from it before is passed over. Works while no server runs.
#[derive(Debug, Args)]
pub struct Salvage {
    /// The file that was set aside.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    target: Target,
}

impl Salvage {
    pub(super) fn run(&self) -> Outcome {
        let buffer = File::find(&self.target)?;
        // A server has no door for this.
        let in_use = |error| Failure::of(Exit::Unreachable, error);
        let take_over = async |it: &EventBuffer| it.take_over(&self.file).await.map_err(failure);
        let done = buffer.on_buffer(in_use, take_over)?;
        if self.target.json {
            json_line(&json!({ "new": done.new, "known": done.known }))?;
        } else {
            let (new, known) = (done.new, done.known);
            let line = format!("events brought back: {new}; brought back before: {known}");
            console::line(&line)?;
        }
        if done.new + done.known > 0 {
            return Ok(Exit::Yes);
        }
        // Whoever names another file than they meant must not take its silence for an answer.
        let what = format!("no event can be read from `{}`", self.file.display());
        Err(Failure::new(Exit::JudgedNo, what))
    }
}

fn failure(error: TakeOverError) -> Failure {
    match error {
        TakeOverError::Append(error) => desk::not_taken(error),
        other => Failure::of(Exit::Unreachable, other),
    }
}
