//! `gov halt` and `gov resume`: the kill switch, over HTTP while a server runs, else on the files.

use std::sync::Arc;

use clap::Args;
use gov_core::text;
use serde_json::json;

use super::{
    Exit, Failure, Outcome, console,
    target::{self, Target, json_line},
    tokens::files,
};
use crate::{
    clocks,
    data_dir::DataDir,
    offline,
    reason::Reason,
    registry::{HaltOutcome, HaltView, Registry, RegistryError},
};

/// Refuses every check from now on, until `gov resume`.
///
/// What is halted stays so over restarts. Halting twice changes nothing.
#[derive(Debug, Args)]
pub struct Halt {
    #[command(flatten)]
    switch: Switch,
}

/// Judges checks again after `gov halt`.
#[derive(Debug, Args)]
pub struct Resume {
    #[command(flatten)]
    switch: Switch,
}

#[derive(Debug, Args)]
struct Switch {
    /// Why: agents are told of a halt, and the history of both.
    #[arg(long, value_name = "TEXT")]
    reason: Reason,
    #[command(flatten)]
    at: Target,
}

impl Halt {
    /// Runs the command.
    ///
    /// # Errors
    ///
    /// [`Failure`]: neither server nor files can be used.
    pub fn run(self) -> Outcome {
        let Switch { reason, at } = self.switch;
        let outcome = match at.server()? {
            Some(server) => target::ask(server.post("/v1/halt", body(&reason)))?,
            None => on_files(&at, async |it| it.halt(&reason, "gov halt").await)?,
        };
        print(&at, &outcome)
    }
}

impl Resume {
    /// Runs the command.
    ///
    /// # Errors
    ///
    /// [`Failure`]: neither server nor files can be used.
    pub fn run(self) -> Outcome {
        let Switch { reason, at } = self.switch;
        let outcome = match at.server()? {
            Some(server) => target::ask(server.post("/v1/resume", body(&reason)))?,
            None => on_files(&at, async |it| it.resume(&reason, "gov resume").await)?,
        };
        print(&at, &outcome)
    }
}

/// Where no server runs that would make the clocks of approvals follow.
fn on_files(
    at: &Target,
    switch: impl AsyncFnOnce(&Registry) -> Result<HaltOutcome, RegistryError>,
) -> Result<HaltOutcome, Failure> {
    offline::change_in(&at.places, DataDir::open_or_create, async |storage| {
        let registry = files::registry(Arc::clone(&storage.store)).await?;
        let outcome = switch(&registry).await?;
        let last = registry.directory().halts().borrow().clone();
        if let Some(halt) = last {
            let clocks = clocks::of(&storage.kind);
            let followed = if outcome.changed {
                clocks::follow(&*clocks, &halt).await
            } else {
                clocks::catch_up(&*clocks, &halt).await
            };
            followed.map_err(|it| Failure::of(Exit::NotJudged, it))?;
        }
        Ok(outcome)
    })
}

fn body(reason: &Reason) -> Vec<u8> {
    json!({ "reason": reason.as_str() }).to_string().into_bytes()
}

fn print(at: &Target, outcome: &HaltOutcome) -> Result<Exit, Failure> {
    if at.json {
        json_line(outcome)?;
        return Ok(Exit::Yes);
    }
    let HaltView { halted_at, reason, who, .. } = &outcome.view;
    let line = match (halted_at, outcome.changed) {
        (Some(since), true) => format!("every check is refused since {since}"),
        (Some(since), false) => {
            let (who, reason) = (who.as_deref(), reason.as_deref());
            let who = text::escape(who.unwrap_or_default());
            let reason = text::escape(reason.unwrap_or_default());
            format!("every check is refused already, since {since} by {who}: {reason}")
        }
        (None, true) => "checks are judged again".to_owned(),
        (None, false) => "nothing is halted".to_owned(),
    };
    console::line(&line)?;
    if let Some(confirmed) = outcome.confirmed {
        console::line(&confirmed.to_string())?;
    }
    Ok(Exit::Yes)
}
