//! Approvals that nobody can read, and closing them by hand.

use clap::Args;
use gov_core::{ApprovalId, text};
use serde_json::{Value, json};

use super::At;
use crate::{
    approvals::SetAsideList,
    cli::{
        Exit, Outcome, console,
        decider::Decider,
        target::{self, json_line},
    },
    client::Patience,
};

/// `gov approvals set-aside`.
#[derive(Debug, Args)]
pub struct SetAside {
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    at: At,
}

/// `gov approvals discard`.
#[derive(Debug, Args)]
pub struct Discard {
    /// The approval: `apr_…`.
    id: ApprovalId,
    /// Why: it becomes part of the record that says so.
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    at: At,
}

impl SetAside {
    pub(super) fn run(&self) -> Outcome {
        let server = Decider::at(&self.at.url)?.reader(Patience::default())?;
        let list: SetAsideList = target::ask(server.get("/v1/approvals/set-aside"))?;
        if self.json {
            json_line(&list)?;
            return Ok(Exit::Yes);
        }
        if list.items.is_empty() {
            console::line("every approval can be read")?;
        }
        for it in &list.items {
            console::line(&format!("{}  {}", it.id, text::escape(&it.reason)))?;
        }
        Ok(Exit::Yes)
    }
}

impl Discard {
    pub(super) fn run(&self) -> Outcome {
        let server = Decider::at(&self.at.url)?.reader(Patience::default())?;
        let body = json!({"reason": self.reason}).to_string().into_bytes();
        let path = format!("/v1/approvals/{}/discard", self.id);
        let discarded: Value = target::ask(server.post(&path, body))?;
        if self.json {
            json_line(&discarded)?;
        } else {
            console::line(&format!("{} is closed; its action can be asked for again", self.id))?;
        }
        Ok(Exit::Yes)
    }
}
