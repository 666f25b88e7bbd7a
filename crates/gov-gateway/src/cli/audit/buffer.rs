//! `gov audit buffer`: what waits for the sink of audit events, over HTTP while a server runs, else
//! in the file.

use clap::{Args, Subcommand};
use gov_core::{EventId, text};

use super::which::Which;
use crate::{
    audit_buffer::{BufferLetterView, BufferView, ShippedView, WaitingView},
    cli::{
        Exit, Failure, Outcome, console,
        target::{Target, json_line},
    },
};

mod desk;
mod salvage;

use self::desk::Desk;

/// `gov audit buffer`: audit events on their way to a sink.
///
/// Of the server that `GOV_URL` names, with an operator's or admin's `GOV_TOKEN`, else of the file
/// in the data directory: there it is shown at any time, and changed while no server runs.
#[derive(Debug, Subcommand)]
pub enum Buffer {
    /// Say how much waits, since when, and how the sink is.
    Status(Status),
    /// Show what the sink gets next.
    Peek(List),
    /// Show what the sink refused for good, and why.
    DeadLetters(List),
    /// Send dead letters once more, behind what waits; under their own ids, so that whoever has
    /// them has them once.
    Replay(Letters),
    /// Give dead letters up for good; an event says which.
    Discard(Letters),
    /// Put what can still be read of a damaged buffer file into the buffer.
    Salvage(salvage::Salvage),
}

/// Says how it stands.
#[derive(Debug, Args)]
pub struct Status {
    #[command(flatten)]
    target: Target,
}

/// Lists something.
#[derive(Debug, Args)]
pub struct List {
    /// At most so many.
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..))]
    limit: u64,
    #[command(flatten)]
    target: Target,
}

/// Which dead letters.
#[derive(Debug, Args)]
pub struct Letters {
    #[command(flatten)]
    which: Which<EventId>,
    #[command(flatten)]
    target: Target,
}

impl Buffer {
    pub(super) fn run(self) -> Outcome {
        match self {
            Self::Status(it) => it.run(),
            Self::Peek(it) => it.peek(),
            Self::DeadLetters(it) => it.dead_letters(),
            Self::Replay(it) => it.change(Desk::replay, "sent once more"),
            Self::Discard(it) => it.change(Desk::discard, "given up"),
            Self::Salvage(it) => it.run(),
        }
    }
}

impl Status {
    fn run(&self) -> Outcome {
        let status = Desk::of(&self.target)?.status()?;
        if self.target.json {
            json_line(&status)?;
        } else {
            console::line(&standing(&status))?;
        }
        Ok(Exit::Yes)
    }
}

impl List {
    fn peek(&self) -> Outcome {
        let waiting = Desk::of(&self.target)?.peek(self.limit)?;
        self.print(&waiting, "nothing waits", |it: &WaitingView| {
            format!("{}  {}", it.seq, event(&it.event))
        })
    }

    fn dead_letters(&self) -> Outcome {
        let letters = Desk::of(&self.target)?.dead_letters(self.limit)?;
        self.print(&letters, "the sink took everything", |it: &BufferLetterView| {
            let (dead_at, tries, reason) = (it.dead_at, it.tries, text::escape(&it.reason));
            format!("{}  dead since {dead_at} after {tries} tries  {reason}", event(&it.event))
        })
    }

    fn print<T: serde::Serialize>(
        &self,
        items: &[T],
        if_empty: &str,
        row: impl Fn(&T) -> String,
    ) -> Outcome {
        if items.is_empty() && !self.target.json {
            console::line(if_empty)?;
        }
        let print = |it: &T| if self.target.json { json_line(it) } else { console::line(&row(it)) };
        items.iter().try_for_each(print)?;
        Ok(Exit::Yes)
    }
}

impl Letters {
    fn change(
        &self,
        how: fn(&Desk, Option<&[EventId]>) -> Result<u64, Failure>,
        done_to: &str,
    ) -> Outcome {
        let ids = self.which.ids();
        let done = how(&Desk::of(&self.target)?, ids)?;
        if self.target.json {
            json_line(&serde_json::json!({ "done": done }))?;
        } else {
            console::line(&format!("dead letters {done_to}: {done}"))?;
        }
        // An id that names none was not meant so.
        let meant = ids.map_or(done, |it| it.len() as u64);
        Ok(if done < meant { Exit::JudgedNo } else { Exit::Yes })
    }
}

fn event(it: &ShippedView) -> String {
    let bytes = it.event.get().len();
    format!("{}  {}  {}  {bytes} bytes", it.at, it.id, text::escape(it.kind.as_str()))
}

fn standing(it: &BufferView) -> String {
    let since = it.oldest_waiting_at.map(|at| format!(", the first since {at}"));
    let mut lines = vec![
        format!("{:16}{}", "buffer", it.buffer_id),
        format!(
            "{:16}{} events, {} bytes{}",
            "waiting",
            it.waiting,
            it.waiting_bytes,
            since.unwrap_or_default()
        ),
        format!("{:16}{} of {}", "sink has", it.acked, it.last),
        format!("{:16}{} events, {} bytes in the file", "held", it.rows, it.file_bytes),
        format!("{:16}{}", "dead letters", it.dead_letters),
    ];
    if let Some(running) = &it.running {
        let retry = running.retry_at.map(|at| format!(" until {at}")).unwrap_or_default();
        let (sink, breaker) = (text::escape(&running.sink), text::escape(&running.breaker));
        lines.push(format!("{:16}{sink}, breaker {breaker}{retry}", "sink"));
        let (rejected, dropped) = (running.rejected, running.dropped);
        lines.push(format!("{:16}{rejected} rejected, {dropped} dropped", "since the start"));
    }
    lines.join("\n")
}
