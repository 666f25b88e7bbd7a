//! `gov audit accept-rollback`: the log goes on after a loss, and says so.

use clap::Args;
use gov_core::SystemClock;
use gov_deferred_audit::{record::MAX_REASON_BYTES, signed_log};
use gov_store::lock::DataDirLock;
use serde_json::json;

use super::place::LogPlace;
use crate::{
    cli::{Exit, Failure, Outcome, console},
    offline,
    server::StartError,
};

/// Accepts that records were lost. The server must be down.
#[derive(Debug, Args)]
pub struct AcceptRollback {
    /// Why: it becomes part of the record that says so.
    #[arg(long, value_name = "TEXT")]
    reason: String,
    #[command(flatten)]
    place: LogPlace,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

impl AcceptRollback {
    pub(super) fn run(self) -> Outcome {
        let reason = self.reason.trim();
        if reason.is_empty() || reason.len() > MAX_REASON_BYTES {
            let got = reason.len();
            let what =
                format!("`--reason` must be 1 to {MAX_REASON_BYTES} bytes long; received {got}");
            return Err(Failure::new(Exit::Usage, what));
        }
        let found = self.place.find()?;
        let lock = DataDirLock::acquire(found.dir.path())
            .map_err(|error| Failure::of(Exit::Unreachable, error))?;
        let shared = found.on_shared(async |pool| {
            let places = found.log.places();
            signed_log::accept_rollback_postgres(pool.clone(), places, &SystemClock, reason).await
        })?;
        let accepted = if let Some(accepted) = shared {
            accepted
        } else {
            let log = found.log.clone();
            offline::block_on(signed_log::accept_rollback(log, &SystemClock, reason))?
        };
        let accepted = accepted.map_err(StartError::from)?;
        drop(lock);
        if self.json {
            let place = |it: signed_log::Place| json!({"epoch": it.epoch, "size": it.size});
            let line = json!({
                "epoch": accepted.epoch, "record": accepted.record.to_string(),
                "known": place(accepted.known), "survived": place(accepted.survived),
            });
            console::line(&line.to_string())?;
        } else {
            console::line(&format!(
                "known outside: {}; left: {}\nthe log goes on as epoch {}; record {} says so",
                accepted.known, accepted.survived, accepted.epoch, accepted.record
            ))?;
        }
        Ok(Exit::Yes)
    }
}
