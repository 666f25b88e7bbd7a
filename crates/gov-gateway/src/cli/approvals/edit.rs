//! `gov approvals edit`: a person changes what is asked for, and says yes to that.

use std::{fs, path::PathBuf};

use clap::Args;
use gov_core::{ApprovalId, text};
use serde_json::{Map, Value, json};

use super::{
    At,
    decide::{asked, judged},
    get, show,
    terminal::Terminal,
};
use crate::{
    cli::{Exit, Failure, Outcome, console, decider::Decider, target::block},
    client::problem::Problem,
    offline,
};

/// `gov approvals edit`.
#[derive(Debug, Args)]
pub struct Edit {
    /// The approval: `apr_…`.
    id: ApprovalId,
    /// What is allowed instead, a file of JSON: an action as `gov approvals show --json` gives it.
    #[arg(long, value_name = "FILE")]
    action: PathBuf,
    /// What is said beside it, a file of JSON; without, what the agent said.
    #[arg(long, value_name = "FILE")]
    context: Option<PathBuf>,
    /// Why, in your own words: the agent and the history are told.
    #[arg(long)]
    comment: Option<String>,
    #[command(flatten)]
    at: At,
}

impl Edit {
    pub(super) fn run(self) -> Outcome {
        let server = Decider::at(&self.at.url)?.client()?;
        let mut terminal = Terminal::open()?;
        let action = read(&self.action)?;
        let context = self.context.as_ref().map(read).transpose()?;
        let approval = get(&server, self.id)?;
        let status = approval.row.status.as_str();
        if !matches!(status, "pending" | "parked") {
            let what = format!("the approval is `{}` already", text::escape(status));
            return Err(Failure::new(Exit::JudgedNo, what));
        }
        let beside = context.as_ref().map(|it| format!("\ncontext{}", block(it)));
        let question = format!(
            "{}\n\ninstead{}{}\n\ntype `edit` to put this in its place and approve it, anything else \
             to leave it: ",
            show::whole(&approval),
            block(&action),
            beside.unwrap_or_default()
        );
        if terminal.ask(&question)? != "edit" {
            return Err(Failure::new(Exit::JudgedNo, "nothing was decided"));
        }
        // The digest of what was shown: what changed since is not edited.
        let mut body = Map::new();
        body.insert("digest".to_owned(), json!(approval.row.digest));
        body.insert("action".to_owned(), action);
        body.insert("comment".to_owned(), json!(self.comment));
        body.extend(context.map(|it| ("context".to_owned(), it)));
        let path = format!("/v1/approvals/{}/edit", self.id);
        let body = Value::Object(body).to_string().into_bytes();
        let reply = offline::block_on(server.post(&path, body))?
            .map_err(|error| Failure::of(Exit::Unreachable, error))?;
        if reply.status != 201 {
            return Err(Failure::new(judged(reply.status), Problem::of(&reply).to_string()));
        }
        console::line(&asked(&reply)?)?;
        Ok(Exit::Yes)
    }
}

/// A file of JSON, read as strictly as the server reads it.
pub(in crate::cli) fn read(file: &PathBuf) -> Result<Value, Failure> {
    let shown = text::escape(&file.to_string_lossy()).into_owned();
    let text = fs::read(file).map_err(|error| {
        Failure::because(Exit::Usage, format!("`{shown}` cannot be read"), error)
    })?;
    gov_core::json::parse_value(&text)
        .map_err(|error| Failure::because(Exit::Usage, format!("`{shown}` is no JSON"), error))
}
