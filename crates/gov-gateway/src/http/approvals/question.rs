//! What is asked of the approvals in a URL.

use std::{fmt::Display, time::Duration};

use gov_core::ApprovalId;
use gov_escalation::{approval::Status, store::ApprovalFilter};

use super::LONGEST_WAIT;
use crate::{config::span, http::Problem};

/// How many approvals are shown to whoever names no limit.
const UNASKED_LIMIT: u32 = 50;

/// The largest page.
const MAX_LIMIT: u32 = 200;

/// One page of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ListQuestion {
    pub(super) filter: ApprovalFilter,
    pub(super) before: Option<ApprovalId>,
    pub(super) limit: u32,
}

impl ListQuestion {
    /// Reads `status` (as often as there are), `agent`, `limit` and `cursor`.
    pub(super) fn read(parameters: &[(String, String)]) -> Result<Self, Problem> {
        let mut question =
            Self { filter: ApprovalFilter::default(), before: None, limit: UNASKED_LIMIT };
        for (index, (name, value)) in parameters.iter().enumerate() {
            let before = parameters.iter().take(index);
            if name != "status" && before.clone().any(|(it, _)| it == name) {
                return Err(refused(name, "must come once", value));
            }
            question.set(name, value)?;
        }
        Ok(question)
    }

    fn set(&mut self, name: &str, value: &str) -> Result<(), Problem> {
        match name {
            "status" => {
                let status = Status::from_word(value).ok_or_else(|| {
                    let words = Status::ALL.map(|it| format!("`{}`", it.as_str()));
                    refused(name, format!("must be one of {}", words.join(", ")), value)
                })?;
                self.filter.statuses.push(status);
            }
            "agent" => {
                let agent = value.parse();
                self.filter.agent_id = Some(
                    agent.map_err(|error| refused(name, format!("is no name: {error}"), value))?,
                );
            }
            "limit" => {
                let limit = value.parse().ok().filter(|it| (1..=MAX_LIMIT).contains(it));
                let wanted = format!("must be a whole number from 1 to {MAX_LIMIT}");
                self.limit = limit
                    .ok_or_else(|| refused(name, wanted, value).with_limit(MAX_LIMIT.into()))?;
            }
            "cursor" => {
                let wanted = "must be the `next` of the page before";
                self.before = Some(value.parse().map_err(|_| refused(name, wanted, value))?);
            }
            _ => return Err(unknown(name, &["status", "agent", "limit", "cursor"])),
        }
        Ok(())
    }
}

/// Reads `wait`, the only parameter of one approval.
pub(super) fn wait(parameters: &[(String, String)]) -> Result<Option<Duration>, Problem> {
    let mut wait = None;
    for (name, value) in parameters {
        if name != "wait" {
            return Err(unknown(name, &["wait"]));
        }
        if wait.is_some() {
            return Err(refused(name, "must come once", value));
        }
        let span = span::parse(value).filter(|it| *it <= LONGEST_WAIT);
        let longest = span::show(LONGEST_WAIT);
        wait = Some(span.ok_or_else(|| {
            let problem =
                refused(name, format!("must be a span up to {longest}, such as `30s`"), value);
            problem.with_limit(LONGEST_WAIT.as_secs())
        })?);
    }
    Ok(wait)
}

fn unknown(name: &str, known: &[&str]) -> Problem {
    let shown = gov_core::text::escape(name).into_owned();
    let known: Vec<_> = known.iter().map(|it| format!("`{it}`")).collect();
    let detail = format!("`{shown}` is no parameter; known are {}", known.join(", "));
    Problem::bad_field(shown, detail)
}

fn refused(name: &str, problem: impl Display, value: &str) -> Problem {
    let shown = gov_core::text::escape(value).into_owned();
    Problem::bad_field(name, format!("`{name}` {problem}")).with_received(shown)
}
