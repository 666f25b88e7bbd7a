//! `gov approvals wait`: until somebody has answered.

use std::time::Duration;

use clap::Args;
use gov_core::{ApprovalId, Clock as _, SystemClock, text};

use super::At;
use crate::{
    approvals::ApprovalView,
    cli::{
        Exit, Outcome, console,
        decider::Decider,
        target::{self, json_line},
    },
    client::Patience,
    config::span,
};

/// How long one request waits: below what a server of the defaults allows.
const ONE_WAIT: Duration = Duration::from_secs(20);

/// `gov approvals wait`.
#[derive(Debug, Args)]
pub struct Wait {
    /// The approval: `apr_…`.
    id: ApprovalId,
    /// How long, such as `10m`; for ever if not given.
    #[arg(long, value_name = "SPAN", value_parser = read_span)]
    timeout: Option<Duration>,
    /// Print the approval as JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    at: At,
}

impl Wait {
    pub(super) fn run(self) -> Outcome {
        let patience = Patience { answer: ONE_WAIT * 2, ..Patience::default() };
        let server = Decider::at(&self.at.url)?.reader(patience)?;
        let until = self.timeout.map(|it| SystemClock.now() + it);
        let approval = loop {
            let left = until.map_or(ONE_WAIT, |it| it.since(SystemClock.now())).min(ONE_WAIT);
            let path = format!("/v1/approvals/{}?wait={}", self.id, span::show(left));
            let approval: ApprovalView = target::ask(server.get(&path))?;
            let over = until.is_some_and(|it| it <= SystemClock.now() + Duration::from_millis(1));
            if !awaits_answer(&approval) || over {
                break approval;
            }
        };
        let status = approval.row.status.as_str();
        if self.json {
            json_line(&approval)?;
        } else {
            console::line(&format!("{} is {}", self.id, text::escape(status)))?;
        }
        Ok(match status {
            "approved" | "consumed" => Exit::Yes,
            _ if awaits_answer(&approval) => Exit::NotJudged,
            _ => Exit::JudgedNo,
        })
    }
}

fn awaits_answer(approval: &ApprovalView) -> bool {
    matches!(approval.row.status.as_str(), "pending" | "parked")
}

fn read_span(text: &str) -> Result<Duration, String> {
    span::parse(text).ok_or_else(|| "must be a span, such as `10m`".to_owned())
}
