//! `gov audit dlq`: what the signed log did not take, over HTTP while a server runs, else on the
//! files.

use clap::{Args, Subcommand};
use gov_core::{RecordId, text};
use serde::Serialize;
use serde_json::{Value, json};

use super::{place::LogPlace, reason::Reason, which::Which};
use crate::{
    cli::{
        Exit, Failure, Outcome, console,
        target::{self, json_line},
    },
    dead_letters::{DeadLetterRow, DeadLetterView, DiscardView, ReplayView},
};

mod desk;

use self::desk::Desk;

/// `gov audit dlq`: records that the signed log did not take, kept whole.
///
/// Of the server that `GOV_URL` names, with an operator's or admin's `GOV_TOKEN`, else of the
/// files: there they are shown at any time, and handed in or given up while no server runs.
#[derive(Debug, Subcommand)]
pub enum Dlq {
    /// List them, the longest dead first, and why the log did not take them.
    List(List),
    /// Show all that one of them holds; what could deceive a terminal is escaped.
    Show(One),
    /// Hand them in again, as they were submitted; a start does so too.
    Replay(Replay),
    /// Give one up for good: the log takes a record that says so, and what it held is gone.
    Discard(Discard),
}

/// Where they lie and how it is told.
#[derive(Debug, Args)]
struct At {
    #[command(flatten)]
    place: LogPlace,
    /// Print JSON, an object a line.
    #[arg(long)]
    json: bool,
}

/// Lists them.
#[derive(Debug, Args)]
pub struct List {
    /// At most so many.
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u64).range(1..))]
    limit: u64,
    #[command(flatten)]
    at: At,
}

/// One of them.
#[derive(Debug, Args)]
pub struct One {
    /// Which record.
    #[arg(value_name = "REC")]
    id: RecordId,
    #[command(flatten)]
    at: At,
}

/// Hands them in again.
#[derive(Debug, Args)]
pub struct Replay {
    #[command(flatten)]
    which: Which<RecordId>,
    #[command(flatten)]
    at: At,
}

/// Gives one up.
#[derive(Debug, Args)]
pub struct Discard {
    /// Which record.
    #[arg(value_name = "REC")]
    id: RecordId,
    #[command(flatten)]
    reason: Reason,
    #[command(flatten)]
    at: At,
}

impl Dlq {
    pub(super) fn run(self) -> Outcome {
        match self {
            Self::List(it) => it.run(),
            Self::Show(it) => it.run(),
            Self::Replay(it) => it.run(),
            Self::Discard(it) => it.run(),
        }
    }
}

impl List {
    fn run(&self) -> Outcome {
        let rows = Desk::of(&self.at.place)?.list(self.limit)?;
        if rows.is_empty() && !self.at.json {
            console::line("the log took everything")?;
        }
        rows.iter().try_for_each(|it| self.at.print(it, || row(it)))?;
        Ok(Exit::Yes)
    }
}

impl One {
    fn run(&self) -> Outcome {
        let letter = Desk::of(&self.at.place)?.show(self.id)?;
        self.at.print(&letter, || whole(&letter))?;
        Ok(Exit::Yes)
    }
}

impl Replay {
    fn run(&self) -> Outcome {
        let mut still_dead = false;
        let done = Desk::of(&self.at.place)?.replay(self.which.ids(), |it| {
            still_dead |= it.seq.is_none();
            self.at.print(&it, || outcome(&it))
        })?;
        if done == 0 && !self.at.json {
            console::line("the log took everything")?;
        }
        Ok(if still_dead { Exit::JudgedNo } else { Exit::Yes })
    }
}

impl Discard {
    fn run(&self) -> Outcome {
        let reason = self.reason.text()?;
        let given_up: DiscardView = Desk::of(&self.at.place)?.discard(self.id, reason)?;
        self.at.print(&given_up, || {
            let (id, record) = (given_up.id, &given_up.record);
            format!("{id} is given up; record {}, {} of the log, says so", record.id, record.seq)
        })?;
        Ok(Exit::Yes)
    }
}

impl At {
    fn print(&self, it: &impl Serialize, text: impl FnOnce() -> String) -> Result<(), Failure> {
        if self.json { json_line(it) } else { console::line(&text()) }
    }
}

fn row(it: &DeadLetterRow) -> String {
    let agent = it.agent_id.as_deref().unwrap_or("-");
    format!(
        "{}  {}  dead since {}  {}  {}{}",
        it.id,
        text::escape(&it.kind),
        it.dead_at,
        text::escape(agent),
        text::escape(&it.why),
        if it.lies == "table" { "" } else { "  (in the quarantine)" }
    )
}

fn outcome(it: &ReplayView) -> String {
    match (it.seq, &it.why) {
        (Some(seq), _) => format!("{} is record {seq} of the log", it.id),
        (None, Some(why)) => format!("{} stays dead: {}", it.id, text::escape(why)),
        (None, None) => format!("{} stays dead", it.id),
    }
}

/// A line a part; a part that is missing has none.
fn whole(it: &DeadLetterView) -> String {
    let (row, fields) = (&it.row, json!(it));
    let parts = [
        "at",
        "kind",
        "agent_id",
        "session_id",
        "policy_version",
        "action_kind",
        "digest",
        "decision",
        "rule_id",
        "reason",
        "payload_commit",
        "payload_b64",
    ];
    let shown = |value: &Value| match value {
        Value::String(text) => text::escape(text).into_owned(),
        other => text::escape(&other.to_string()).into_owned(),
    };
    let mut lines = vec![
        format!("{:16}{}", "dead letter", row.id),
        format!("{:16}{}", "why", text::escape(&row.why)),
        format!("{:16}{}, in the {}", "dead since", row.dead_at, text::escape(&row.lies)),
    ];
    let of = |name: &&str| fields.get(*name).filter(|it| !it.is_null());
    lines.extend(parts.iter().filter_map(|name| Some(format!("{name:16}{}", shown(of(name)?)))));
    if let Some(payload) = &it.payload {
        lines.push(format!("{:16}{}", "payload", target::block(payload)));
    }
    lines.join("\n")
}
