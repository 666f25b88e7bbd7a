//! `gov grants`: several calls of a tool, asked for at once.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::json;

use super::{
    Exit, Failure, Outcome,
    approvals::{At, cancel::Cancel, decide, edit::read, encoded, show},
    console,
    decider::Decider,
    target::{self, json_line},
};
use crate::{
    approvals::{GrantList, GrantRow},
    client::{Client, Patience, Token, problem::Problem},
    offline,
    reason::Reason,
};

/// `gov grants`.
#[derive(Debug, Subcommand)]
pub enum Grants {
    /// Ask people for several calls of a tool, under the token in `GOV_TOKEN`.
    ///
    /// An agent's token asks for the agent itself, an operator's or an admin's for one by name.
    Request(Request),
    /// List grants, the newest first, with what is left of them.
    List(List),
    /// End a grant, or withdraw the request for it.
    Revoke(Cancel),
}

/// `gov grants request`.
#[derive(Debug, Args)]
pub struct Request {
    /// The tool.
    #[arg(long)]
    tool: String,
    /// The server that offers it; without, a tool of the harness itself.
    #[arg(long)]
    server: Option<String>,
    /// What each argument may be, a file of JSON: `{"NAME": "any" or {"equals": …} or
    /// {"one_of": […]} or {"at_most": N} or {"at_least": N} or {"between": [N, N]}}`. A call with
    /// an argument that is not named is not covered.
    #[arg(long, value_name = "FILE")]
    arguments: Option<PathBuf>,
    /// How many calls, at most 20.
    #[arg(long)]
    calls: u32,
    /// How long from the approval on, at most `1h`.
    #[arg(long)]
    lasts: String,
    /// Whose calls.
    #[arg(long, value_name = "ID")]
    agent: Option<String>,
    /// Only in this run of the agent.
    #[arg(long, value_name = "ID")]
    session: Option<String>,
    /// Who is asked: a chain of the configuration.
    #[arg(long)]
    chain: Option<String>,
    /// Why: the people who are asked see it.
    #[arg(long)]
    reason: Option<Reason>,
    #[command(flatten)]
    at: At,
}

/// `gov grants list`.
#[derive(Debug, Args)]
pub struct List {
    /// Only those of this agent.
    #[arg(long, value_name = "ID")]
    agent: Option<String>,
    /// Only those with this status, such as `approved`; may come several times.
    #[arg(long)]
    status: Vec<String>,
    /// At most so many.
    #[arg(long, default_value_t = 50)]
    limit: u32,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    at: At,
}

impl Grants {
    /// Runs the command.
    ///
    /// # Errors
    ///
    /// [`Failure`]: what was asked for is not possible, or the server cannot be asked.
    pub fn run(self) -> Outcome {
        match self {
            Self::Request(it) => it.run(),
            Self::List(it) => it.run(),
            Self::Revoke(it) => it.run(),
        }
    }
}

impl Request {
    fn run(self) -> Outcome {
        let usage = |error| Failure::of(Exit::Usage, error);
        let token = Token::find(None).map_err(usage)?;
        let server = Client::new(&self.at.url, token.as_ref(), Patience::default());
        let server = server.map_err(|error| Failure::of(Exit::Usage, error))?;
        let body = json!({
            "agent_id": self.agent,
            "session_id": self.session,
            "server": self.server,
            "tool": self.tool,
            "arguments": self.arguments.map_or_else(|| Ok(json!({})), |it| read(&it))?,
            "calls": self.calls,
            "lasts": self.lasts,
            "chain": self.chain,
            "reason": self.reason.as_ref().map(Reason::as_str),
        });
        let reply = offline::block_on(server.post("/v1/grants", body.to_string().into_bytes()))?
            .map_err(|error| Failure::of(Exit::Unreachable, error))?;
        if reply.status != 201 {
            let what = Problem::of(&reply).to_string();
            return Err(Failure::new(decide::judged(reply.status), what));
        }
        console::line(&decide::asked(&reply)?)?;
        Ok(Exit::Yes)
    }
}

impl List {
    fn run(self) -> Outcome {
        let server = Decider::at(&self.at.url)?.reader(Patience::default())?;
        let agent = self.agent.iter().map(|it| format!("&agent={}", encoded(it)));
        let statuses = self.status.iter().map(|it| format!("&status={}", encoded(it)));
        let more: String = agent.chain(statuses).collect();
        let list: GrantList =
            target::ask(server.get(&format!("/v1/grants?limit={}{more}", self.limit)))?;
        if self.json {
            json_line(&list)?;
            return Ok(Exit::Yes);
        }
        if list.items.is_empty() {
            console::line("no grants")?;
        }
        list.items.iter().try_for_each(|it| console::line(&row(it)))?;
        if list.next.is_some() {
            console::line(
                "there are more; `--limit` shows up to 200, `--status` and `--agent` fewer",
            )?;
        }
        Ok(Exit::Yes)
    }
}

/// One line: what a list shows of every approval, and what is left.
fn row(it: &GrantRow) -> String {
    let left = it.grant.as_ref().map(|it| format!("  {} of {} left", it.calls_left, it.calls));
    format!("{}{}", show::row(&it.row), left.unwrap_or_default())
}
