//! `gov approvals approve` and `reject`: a person's answer, asked for at the terminal.

use std::{
    fs::File,
    io::{self, BufRead as _, BufReader, Write as _},
};

use clap::Args;
use gov_core::{ApprovalId, text};
use gov_escalation::approval::Verdict;
use serde::Deserialize;
use serde_json::json;

use super::{At, get, show};
use crate::{
    cli::{Exit, Failure, Outcome, console, decider::Decider},
    client::{Reply, problem::Problem},
    offline,
};

/// The terminal of the process, whatever its standard streams are.
const TERMINAL: &str = "/dev/tty";

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
struct Decided {
    status: String,
    expires_at: Option<gov_core::Timestamp>,
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

/// The person before the screen.
struct Terminal {
    from: BufReader<File>,
    to: File,
}

impl Terminal {
    fn open() -> Result<Self, Failure> {
        let open = || -> io::Result<Self> {
            let to = File::options().write(true).open(TERMINAL)?;
            Ok(Self { from: BufReader::new(File::open(TERMINAL)?), to })
        };
        open().map_err(|error| {
            let what = "a decision is typed at a terminal, and there is none; decide in one, or on \
                        the server's page";
            Failure::because(Exit::Usage, what, error)
        })
    }

    fn ask(&mut self, question: &str) -> Result<String, Failure> {
        let failed = |error| Failure::because(Exit::NotJudged, "the terminal went away", error);
        self.to.write_all(question.as_bytes()).and_then(|()| self.to.flush()).map_err(failed)?;
        let mut typed = String::new();
        self.from.read_line(&mut typed).map_err(failed)?;
        Ok(typed.trim().to_owned())
    }
}

/// What the server made of it: 403 and 409 are a judgement.
fn said(id: ApprovalId, reply: &Reply) -> Result<String, Failure> {
    if reply.status == 200 {
        let read = serde_json::from_slice(&reply.body);
        let Decided { status, expires_at, record } = read
            .map_err(|error| Failure::because(Exit::NotJudged, "the answer is not ours", error))?;
        let until = expires_at.map(|at| format!(" until {at}")).unwrap_or_default();
        let (status, durability) = (text::escape(&status), text::escape(&record.durability));
        let record = text::escape(&record.id);
        return Ok(format!("{id} is {status}{until}; record {record}, {durability}"));
    }
    let problem = Problem::of(reply).to_string();
    Err(match reply.status {
        403 | 409 => Failure::new(Exit::JudgedNo, problem),
        500.. => Failure::new(Exit::NotJudged, problem),
        _ => Failure::new(Exit::Usage, problem),
    })
}
