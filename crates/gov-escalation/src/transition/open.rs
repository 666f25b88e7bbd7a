//! A request becomes an approval.

use gov_core::{ApprovalId, AuditEventKind, Timestamp};
use serde_json::json;

use super::{Step, entry, message::told, routing::arrive};
use crate::{
    approval::{Approval, ApprovalRequest, HistoryEntry, Status},
    clock::RunningClock,
    roster::Roster,
};

/// A new approval: its first rung is asked at once, or the first that is not empty where the ones
/// before say that they may be skipped. Without a roster no rung counts as empty.
#[must_use]
pub fn open(
    id: ApprovalId,
    request: ApprovalRequest,
    people: Option<&Roster>,
    clock: RunningClock,
    now: Timestamp,
) -> Step {
    let begins = clock.at(now);
    let times_out = begins + request.chain.timeout.0;
    let mut content = json!({
        "approval_id": id,
        "action": request.content,
        "chain": request.chain.name,
        "expires_at": times_out,
        "risk": request.risk,
        "team_id": request.team_id,
    });
    if let (Some(from), Some(fields)) = (request.edited_from, content.as_object_mut()) {
        fields.insert("edited_from".to_owned(), json!(from));
    }
    let requested = HistoryEntry {
        policy_version: Some(request.policy_version),
        content,
        ..entry(now, AuditEventKind::ApprovalRequested, request.agent_id.as_str(), id)
    };
    let asked = Approval {
        id,
        status: Status::Pending,
        rung: 0,
        arrived_at: begins,
        submitted_at: now,
        expires_at: Some(times_out),
        due_at: None,
        chain_now: None,
        votes: Vec::new(),
        answer: None,
        consumption: None,
        calls_left: request.grant.as_ref().map(|it| it.calls),
        edited_into: None,
        generation: 1,
        clock,
        request,
    };
    let arrival = arrive(&asked, people, 0, begins, begins);
    let mut history = vec![requested];
    history.extend(arrival.skips(&asked, now));
    history.push(arrival.routed(&asked, now));
    let approval = arrival.move_there(asked);
    let outbox = told(&approval, now);
    Step { approval, history, outbox, used: None }
}
