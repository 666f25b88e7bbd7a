//! `gov approvals decide-all`: many answers of a person, asked for at the terminal once.

use std::{fmt::Write as _, fs::File, io::Read as _, path::PathBuf};

use clap::Args;
use gov_core::{ApprovalId, text};
use gov_escalation::approval::Verdict;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    At,
    decide::{Decided, judged},
    show,
    terminal::Terminal,
};
use crate::{
    approvals::ApprovalView,
    cli::{Exit, Failure, Outcome, console, decider::Decider, target},
    client::{Client, Reply, problem::Problem},
    offline,
};

/// How many the server decides about at once.
const AT_ONCE: usize = 100;

/// The largest file, in bytes.
const MAX_BYTES: u64 = 1024 * 1024;

/// `gov approvals decide-all`.
#[derive(Debug, Args)]
pub struct DecideAll {
    /// A decision a line, as JSON: `{"id", "decision": "approve" or "reject", "digest",
    /// "comment"?}`; `-` is standard input.
    file: PathBuf,
    #[command(flatten)]
    at: At,
}

/// One line.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Line {
    id: ApprovalId,
    decision: Word,
    digest: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    comment: Option<String>,
}

#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
enum Word {
    Approve,
    Reject,
}

#[derive(Deserialize)]
struct Answer {
    items: Vec<Item>,
}

#[derive(Deserialize)]
struct Item {
    id: Value,
    decided: Option<Decided>,
    problem: Option<Value>,
}

impl DecideAll {
    pub(super) fn run(self) -> Outcome {
        let server = Decider::at(&self.at.url)?.client()?;
        let lines = lines(&self.read()?)?;
        let mut terminal = Terminal::open()?;
        let mut question = String::new();
        for line in &lines {
            // Writing to a `String` cannot fail.
            let _ = writeln!(question, "{}\n", asked(&server, line)?);
        }
        let count = lines.len();
        let _ = write!(
            question,
            "type `decide {count}` to decide so about all {count}, anything else to leave them: "
        );
        if terminal.ask(&question)? != format!("decide {count}") {
            return Err(Failure::new(Exit::JudgedNo, "nothing was decided"));
        }
        let mut exit = Exit::Yes;
        for lines in lines.chunks(AT_ONCE) {
            let body = json!({ "items": lines }).to_string().into_bytes();
            let answer: Answer = target::ask(server.post("/v1/approvals/decisions", body))?;
            for item in answer.items {
                console::line(&item.line(&mut exit))?;
            }
        }
        Ok(exit)
    }

    fn read(&self) -> Result<String, Failure> {
        let mut text = String::new();
        let read = if self.file.as_os_str() == "-" {
            std::io::stdin().take(MAX_BYTES + 1).read_to_string(&mut text)
        } else {
            File::open(&self.file).and_then(|it| it.take(MAX_BYTES + 1).read_to_string(&mut text))
        };
        let shown = self.file.display();
        let bytes = read.map_err(|error| {
            Failure::because(Exit::Usage, format!("cannot read `{shown}`"), error)
        })?;
        if bytes as u64 > MAX_BYTES {
            let what = format!("`{shown}` must be at most {MAX_BYTES} bytes long");
            return Err(Failure::new(Exit::Usage, what));
        }
        Ok(text)
    }
}

/// What is decided about, whole, and how.
fn asked(server: &Client, line: &Line) -> Result<String, Failure> {
    let path = format!("/v1/approvals/{}", line.id);
    let reply = offline::block_on(server.get(&path))?
        .map_err(|error| Failure::of(Exit::Unreachable, error))?;
    let shown = match reply.status {
        // Decided about like the others, so that the answer says what is wrong with it.
        400..500 => format!("{}: {}", line.id, Problem::of(&reply)),
        _ => show::whole(&target::read::<ApprovalView>(Ok(reply))?),
    };
    let comment = line.comment.as_deref().map(text::escape);
    let comment = comment.map(|it| format!(", saying: {it}")).unwrap_or_default();
    Ok(format!("{shown}\nto {} this{comment}", line.decision.verdict().as_str()))
}

fn lines(file: &str) -> Result<Vec<Line>, Failure> {
    let numbered = file.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    let lines: Vec<Line> = numbered
        .map(|(index, line)| {
            serde_json::from_str(line).map_err(|error| {
                let what = format!("line {} is no decision", index.saturating_add(1));
                Failure::because(Exit::Usage, what, error)
            })
        })
        .collect::<Result<_, _>>()?;
    if lines.is_empty() {
        return Err(Failure::new(Exit::Usage, "there is no decision in it; give one a line"));
    }
    Ok(lines)
}

impl Word {
    fn verdict(self) -> Verdict {
        match self {
            Self::Approve => Verdict::Approve,
            Self::Reject => Verdict::Reject,
        }
    }
}

impl Item {
    /// In a line; the worst of all items is the exit code.
    fn line(self, exit: &mut Exit) -> String {
        let id = text::escape(self.id.as_str().unwrap_or_default()).into_owned();
        if let Some(decided) = self.decided {
            return decided.line(&id);
        }
        let problem = self.problem.unwrap_or_default();
        let status = problem.get("status").and_then(Value::as_u64);
        let status = status.and_then(|it| u16::try_from(it).ok()).unwrap_or(500);
        *exit = match judged(status) {
            Exit::NotJudged => Exit::NotJudged,
            _ if *exit == Exit::NotJudged => Exit::NotJudged,
            _ => Exit::JudgedNo,
        };
        let reply = Reply { status, body: problem.to_string().into_bytes() };
        format!("{id}: {}", Problem::of(&reply))
    }
}
