//! `gov audit restore-tail`: what a database lost comes back from an export, and the log says so.

use std::path::PathBuf;

use clap::Args;
use gov_core::SystemClock;
use gov_deferred_audit::signed_log::{self, RestoreError, Restored};
use serde_json::json;

use super::{place::LogPlace, verify};
use crate::{
    cli::{Exit, Failure, Outcome, console},
    offline,
    server::StartError,
};

/// Puts back what the log's database has lost, from an export with payloads. The server must be
/// down, and the log lie in a file: PostgreSQL is restored from its own backups.
///
/// Nothing is taken that was not signed, and nothing less than what the outside copy knows; where
/// no export has it all, `gov audit accept-rollback` goes on without it.
#[derive(Debug, Args)]
pub struct RestoreTail {
    /// The export: a directory that `gov audit export` wrote.
    #[arg(long, value_name = "DIR")]
    from: PathBuf,
    #[command(flatten)]
    place: LogPlace,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

impl RestoreTail {
    pub(super) fn run(self) -> Outcome {
        let found = self.place.find()?;
        if found.is_shared() {
            let what = "a log in PostgreSQL is restored from the backups of its database, and \
                        `restore-tail` works on a file";
            return Err(Failure::new(Exit::Usage, what));
        }
        let lock = found.lock()?;
        let log = found.log.clone();
        let restored = signed_log::restore_tail(log, &SystemClock, &self.from);
        let restored = offline::block_on(restored)?.map_err(failure)?;
        drop(lock);
        let Restored { epoch, from, to, record } = restored;
        console::line(&if self.json {
            let place = |it: signed_log::Place| json!({"epoch": it.epoch, "size": it.size});
            let line = json!({
                "epoch": epoch, "from": place(from), "to": place(to),
                "record": record.to_string(),
            });
            line.to_string()
        } else {
            format!(
                "the database had {from}, and has {to} again; the log goes on in epoch {epoch}; \
                 record {record} says so"
            )
        })?;
        Ok(Exit::Yes)
    }
}

fn failure(error: RestoreError) -> Failure {
    let exit = match error {
        RestoreError::Open(error) => return StartError::from(error).into(),
        RestoreError::Unreadable(error) => return verify::failure(error),
        RestoreError::NothingKnown(_) | RestoreError::NotJudged(_) => Exit::NotJudged,
        _ => Exit::JudgedNo,
    };
    Failure::of(exit, error)
}
