//! `gov audit accept-rollback`: the log goes on after a loss, and says so.

use clap::Args;
use gov_core::SystemClock;
use gov_deferred_audit::signed_log;
use serde_json::json;

use super::{place::LogPlace, reason::Reason};
use crate::{
    cli::{Exit, Outcome, console},
    offline,
    server::StartError,
};

/// Accepts that records were lost. The server must be down.
#[derive(Debug, Args)]
pub struct AcceptRollback {
    #[command(flatten)]
    reason: Reason,
    #[command(flatten)]
    place: LogPlace,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

impl AcceptRollback {
    pub(super) fn run(self) -> Outcome {
        let reason = self.reason.text()?;
        let found = self.place.find()?;
        let lock = found.lock()?;
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
