//! `gov approvals cancel`: what was asked for is no longer wanted.

use clap::Args;
use gov_core::ApprovalId;
use serde_json::json;

use super::{At, decide::said};
use crate::{
    cli::{Exit, Failure, Outcome, console, decider::Decider},
    client::Patience,
    offline,
    reason::Reason,
};

/// `gov approvals cancel`.
#[derive(Debug, Args)]
pub struct Cancel {
    /// The approval: `apr_…`.
    id: ApprovalId,
    /// Why: the history says so.
    #[arg(long)]
    reason: Option<Reason>,
    #[command(flatten)]
    at: At,
}

impl Cancel {
    /// Lets nothing happen, so it needs no terminal: an agent withdraws what it asked for itself.
    pub(in crate::cli) fn run(self) -> Outcome {
        let server = Decider::at(&self.at.url)?.reader(Patience::default())?;
        let body = json!({ "reason": self.reason.as_ref().map(Reason::as_str) });
        let path = format!("/v1/approvals/{}/cancel", self.id);
        let reply = offline::block_on(server.post(&path, body.to_string().into_bytes()))?
            .map_err(|error| Failure::of(Exit::Unreachable, error))?;
        console::line(&said(self.id, &reply)?)?;
        Ok(Exit::Yes)
    }
}
