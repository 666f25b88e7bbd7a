//! A policy became stricter: what is missing is asked for.

use gov_core::{AuditEventKind, Timestamp};
use serde_json::json;

use super::{Refusal, Step, entry, message::told, routing::arrive};
use crate::{
    approval::{Approval, HistoryEntry, Status},
    chain::Chain,
    roster::Roster,
};

/// The clock starts anew, the first rung of the new chain is asked, and what was said still counts.
pub(super) fn reopen(
    approval: &Approval,
    chain: &Chain,
    policy_version: u64,
    roster: &Roster,
    now: Timestamp,
) -> Result<Step, Refusal> {
    let status = approval.status_at(now);
    if approval.status != Status::Approved || status != Status::Approved {
        return Err(Refusal::Status(status));
    }
    if approval.request.grant.is_some() {
        return Err(Refusal::NotCovered);
    }
    if approval.holds_under(chain) {
        return Err(Refusal::Satisfied);
    }
    let begins = approval.clock.at(now);
    let times_out = begins + chain.timeout.0;
    let asked = Approval {
        status: Status::Pending,
        chain_now: Some(chain.clone()),
        answer: None,
        expires_at: Some(times_out),
        generation: approval.generation.saturating_add(1),
        ..approval.clone()
    };
    let arrival = arrive(&asked, Some(roster), 0, begins, begins);
    if chain.satisfied_by(arrival.rung, &asked.votes).is_some() {
        return Err(Refusal::Satisfied);
    }
    let reopened = HistoryEntry {
        policy_version: Some(policy_version),
        content: json!({
            "approval_id": approval.id, "chain": chain.name, "expires_at": times_out,
            "votes": approval.votes.len(),
        }),
        ..entry(now, AuditEventKind::ApprovalReopened, "system:policy", approval.id)
    };
    let mut history = vec![reopened];
    history.extend(arrival.skips(&asked, now));
    history.push(arrival.routed(&asked, now));
    let after = arrival.move_there(asked);
    let outbox = told(&after, now);
    Ok(Step { approval: after, history, outbox, used: None })
}
