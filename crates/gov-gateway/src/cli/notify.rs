//! `gov notify`: who is told about approvals, and whether it arrives. Asks a running server.

use clap::{Args, Subcommand};
use gov_core::text;

use super::{
    Exit, Failure, Outcome, console,
    target::{self, Target, json_line},
};
use crate::{
    client::{Client, segment},
    logged::Changed,
    notifications::{Enabled, TargetView, Tried},
    registry::List,
};

/// `gov notify`.
#[derive(Debug, Subcommand)]
pub enum Notify {
    /// List the targets, and how they are.
    List(Target),
    /// Send a target a message that is about no approval. Exit code 1: it did not take it.
    Test(Named),
    /// Let a target have messages again, and forget what it failed.
    Enable(Named),
}

/// Which target.
#[derive(Debug, Args)]
pub struct Named {
    /// The target, as `[notify.NAME]` calls it.
    name: String,
    #[command(flatten)]
    at: Target,
}

impl Notify {
    /// Runs the command.
    ///
    /// # Errors
    ///
    /// [`Failure`]: no server can be asked, or there is no such target.
    pub fn run(self) -> Outcome {
        match self {
            Self::List(at) => list(&at).map(|()| Exit::Yes),
            Self::Test(it) => it.test(),
            Self::Enable(it) => it.enable(),
        }
    }
}

fn list(at: &Target) -> Result<(), Failure> {
    let list: List<TargetView> = target::ask(server(at)?.get("/v1/notify/targets"))?;
    at.print_list(&list, row, "no targets")
}

impl Named {
    fn test(self) -> Outcome {
        let tried: Tried = self.post("test")?;
        if self.at.json {
            json_line(&tried)?;
        } else {
            let name = text::escape(&tried.name);
            console::line(&match &tried.error {
                None => format!("{name} took the message"),
                Some(why) => format!("{name} did not take it: {}", text::escape(why)),
            })?;
        }
        Ok(if tried.delivered { Exit::Yes } else { Exit::JudgedNo })
    }

    fn enable(self) -> Outcome {
        let enabled: Changed<Enabled> = self.post("enable")?;
        if self.at.json {
            json_line(&enabled)?;
        } else {
            let name = text::escape(&enabled.view.name);
            let done = if enabled.view.changed { "is enabled" } else { "was well" };
            console::line(&format!("{name} {done}"))?;
        }
        Ok(Exit::Yes)
    }

    fn post<T: serde::de::DeserializeOwned>(&self, what: &str) -> Result<T, Failure> {
        let path = format!("/v1/notify/targets/{}/{what}", segment(&self.name));
        target::ask(server(&self.at)?.post(&path, b"{}".to_vec()))
    }
}

fn server(at: &Target) -> Result<Client, Failure> {
    at.server()?.ok_or_else(|| {
        let why = "a server sends the messages: set GOV_URL and GOV_TOKEN, and ask it";
        Failure::new(Exit::Usage, why.to_owned())
    })
}

fn row(it: &TargetView) -> String {
    let state = match (it.disabled_at, it.configured) {
        (Some(since), _) => format!("disabled since {since}"),
        (None, false) => "not configured".to_owned(),
        (None, true) if it.failures > 0 => format!("{} tries failed", it.failures),
        (None, true) => "well".to_owned(),
    };
    let why = it.last_error.as_deref().map(|it| format!("  {}", text::escape(it)));
    format!(
        "{}  {state}  {} wait  {} given up{}",
        text::escape(&it.name),
        it.waiting,
        it.given_up,
        why.unwrap_or_default()
    )
}
