//! `gov approvals approve` and `reject`: a person's answer, asked for at the terminal.

use clap::Args;
use gov_core::{ApprovalId, Timestamp, text};
use gov_escalation::approval::Verdict;
use serde::Deserialize;
use serde_json::json;

use super::{At, get, show, terminal::Terminal};
use crate::{
    cli::{Exit, Failure, Outcome, console, decider::Decider},
    client::{Reply, problem::Problem},
    offline,
};

/// `gov approvals approve` and `gov approvals reject`.
#[derive(Debug, Args)]
pub struct Decide {
    /// The approval: `apr_…`.
    id: ApprovalId,
    /// Why, in your own words: the agent and the history are told.
    #[arg(long)]
    comment: Option<String>,
    #[command(flatten)]
    at: At,
}

/// The approval after the decision, as far as it is shown.
#[derive(Deserialize)]
pub(super) struct Decided {
    status: String,
    expires_at: Option<Timestamp>,
    halted_at: Option<Timestamp>,
    record: Record,
}

#[derive(Deserialize)]
struct Record {
    id: String,
    durability: String,
}

impl Decide {
    pub(super) fn run(self, verdict: Verdict) -> Outcome {
        let server = Decider::at(&self.at.url)?.client()?;
        let mut terminal = Terminal::open()?;
        let approval = get(&server, self.id)?;
        let (status, word) = (approval.row.status.as_str(), verdict.as_str());
        if !matches!(status, "pending" | "parked") {
            let what = format!("the approval is `{}` already", text::escape(status));
            return Err(Failure::new(Exit::JudgedNo, what));
        }
        let question = format!(
            "{}\n\ntype `{word}` to {word} this, anything else to leave it: ",
            show::whole(&approval)
        );
        if terminal.ask(&question)? != word {
            return Err(Failure::new(Exit::JudgedNo, "nothing was decided"));
        }
        // The digest of what was shown: what changed since is not decided about.
        let body = json!({
            "decision": word, "digest": approval.row.digest, "comment": self.comment,
        });
        let path = format!("/v1/approvals/{}/decision", self.id);
        let reply = offline::block_on(server.post(&path, body.to_string().into_bytes()))?
            .map_err(|error| Failure::of(Exit::Unreachable, error))?;
        console::line(&said(self.id, &reply)?)?;
        Ok(Exit::Yes)
    }
}

impl Decided {
    /// In a line.
    pub(super) fn line(&self, id: &str) -> String {
        let until = show::until(self.expires_at, self.halted_at);
        let (status, record) = (text::escape(&self.status), text::escape(&self.record.id));
        let durability = text::escape(&self.record.durability);
        format!("{id} is {status}{until}; record {record}, {durability}")
    }
}

/// The request that the server opened, in a line.
pub(in crate::cli) fn asked(reply: &Reply) -> Result<String, Failure> {
    #[derive(Deserialize)]
    struct Asked {
        id: ApprovalId,
        #[serde(flatten)]
        asked: Decided,
    }
    let it: Asked = serde_json::from_slice(&reply.body)
        .map_err(|error| Failure::because(Exit::NotJudged, "the answer is not ours", error))?;
    Ok(it.asked.line(&it.id.to_string()))
}

/// What the server made of it: 403 and 409 are a judgement.
pub(super) fn said(id: ApprovalId, reply: &Reply) -> Result<String, Failure> {
    if reply.status == 200 {
        let decided: Decided = serde_json::from_slice(&reply.body)
            .map_err(|error| Failure::because(Exit::NotJudged, "the answer is not ours", error))?;
        return Ok(decided.line(&id.to_string()));
    }
    Err(Failure::new(judged(reply.status), Problem::of(reply).to_string()))
}

/// The exit code of a problem.
pub(in crate::cli) fn judged(status: u16) -> Exit {
    match status {
        403 | 409 => Exit::JudgedNo,
        500.. => Exit::NotJudged,
        _ => Exit::Usage,
    }
}
