//! `gov approvals`: who waits, what for, and what a person says to it.

use clap::{Args, Subcommand};
use gov_core::ApprovalId;

use super::{
    Exit, Failure, Outcome, console,
    decider::Decider,
    target::{self, json_line},
};
use crate::{
    approvals::{ApprovalList, ApprovalView},
    client::{self, Client, Patience},
};

pub(super) mod cancel;
pub(super) mod decide;
mod decide_all;
pub(super) mod edit;
mod set_aside;
pub(super) mod show;
mod terminal;
mod wait;

/// `gov approvals`.
#[derive(Debug, Subcommand)]
pub enum Approvals {
    /// List approvals, the newest first.
    List(List),
    /// Show what is asked for, whole, and what happened.
    Show(Show),
    /// Show it, ask at the terminal, and approve.
    Approve(decide::Decide),
    /// Show it, ask at the terminal, and reject.
    Reject(decide::Decide),
    /// Show many, ask at the terminal once, and decide about each by itself.
    ///
    /// Exit code 0: every decision counts; 1: one does not, and the others do.
    DecideAll(decide_all::DecideAll),
    /// Show it, put another action in its place, ask at the terminal, and approve that.
    Edit(edit::Edit),
    /// Withdraw a request that waits, or an answer that was not used.
    Cancel(cancel::Cancel),
    /// Wait for the answer.
    ///
    /// Exit code 0: approved; 1: rejected, timed out, or over in another way; 4: no answer yet.
    Wait(wait::Wait),
    /// List those that cannot be read: other hands have changed them.
    SetAside(set_aside::SetAside),
    /// Close one that cannot be read, so that its action can be asked for again.
    Discard(set_aside::Discard),
}

/// Which server.
#[derive(Debug, Args)]
pub(super) struct At {
    /// The server.
    #[arg(long, env = "GOV_URL", default_value = client::DEFAULT_URL)]
    pub(super) url: String,
}

/// `gov approvals list`.
#[derive(Debug, Args)]
pub struct List {
    /// Only those with this status, such as `pending`; may come several times.
    #[arg(long)]
    status: Vec<String>,
    /// Only those of this agent.
    #[arg(long, value_name = "ID")]
    agent: Option<String>,
    /// At most so many.
    #[arg(long, default_value_t = 50)]
    limit: u32,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    at: At,
}

/// `gov approvals show`.
#[derive(Debug, Args)]
pub struct Show {
    /// The approval: `apr_…`.
    id: ApprovalId,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    at: At,
}

impl Approvals {
    /// Runs the command.
    ///
    /// # Errors
    ///
    /// [`Failure`]: what was asked for is not possible, or the server cannot be asked.
    pub fn run(self) -> Outcome {
        match self {
            Self::List(it) => it.run(),
            Self::Show(it) => it.run(),
            Self::Approve(it) => it.run(gov_escalation::approval::Verdict::Approve),
            Self::Reject(it) => it.run(gov_escalation::approval::Verdict::Reject),
            Self::DecideAll(it) => it.run(),
            Self::Edit(it) => it.run(),
            Self::Cancel(it) => it.run(),
            Self::Wait(it) => it.run(),
            Self::SetAside(it) => it.run(),
            Self::Discard(it) => it.run(),
        }
    }
}

impl List {
    fn run(self) -> Outcome {
        let server = Decider::at(&self.at.url)?.reader(Patience::default())?;
        let list: ApprovalList = target::ask(server.get(&self.path()))?;
        if self.json {
            json_line(&list)?;
            return Ok(Exit::Yes);
        }
        if list.items.is_empty() {
            console::line("no approvals")?;
        }
        list.items.iter().try_for_each(|it| console::line(&show::row(it)))?;
        if list.next.is_some() {
            console::line(
                "there are more; `--limit` shows up to 200, `--status` and `--agent` fewer",
            )?;
        }
        Ok(Exit::Yes)
    }

    fn path(&self) -> String {
        let limit = ("limit", self.limit.to_string());
        let statuses = self.status.iter().map(|it| ("status", it.clone()));
        let agent = self.agent.iter().map(|it| ("agent", it.clone()));
        let pairs = [limit].into_iter().chain(statuses).chain(agent);
        let query: Vec<_> =
            pairs.map(|(name, value)| format!("{name}={}", encoded(&value))).collect();
        format!("/v1/approvals?{}", query.join("&"))
    }
}

impl Show {
    fn run(self) -> Outcome {
        let server = Decider::at(&self.at.url)?.reader(Patience::default())?;
        let approval = get(&server, self.id)?;
        if self.json {
            json_line(&approval)?;
        } else {
            console::line(&show::whole(&approval))?;
        }
        Ok(Exit::Yes)
    }
}

/// Reads one approval.
fn get(server: &Client, id: ApprovalId) -> Result<ApprovalView, Failure> {
    target::ask(server.get(&format!("/v1/approvals/{id}")))
}

/// A value as a URL takes it after its question mark (RFC 3986 §2.1).
pub(super) fn encoded(value: &str) -> String {
    let byte = |it: u8| {
        if it.is_ascii_alphanumeric() || b"-._~".contains(&it) {
            char::from(it).to_string()
        } else {
            format!("%{it:02X}")
        }
    };
    value.bytes().map(byte).collect()
}
