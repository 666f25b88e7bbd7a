//! The clock strikes: the next rung, or what silence means.

use gov_core::{AuditEventKind, Timestamp};
use serde_json::json;

use super::{
    SYSTEM_CHAIN, SYSTEM_TIMEOUT, Step, answer, closed, decide::settle, ended, entry,
    message::told, routing::arrive,
};
use crate::{
    approval::{Approval, HistoryEntry, HumanAnswer, Status},
    chain::{Fallback, Rung},
    roster::Roster,
};

/// What the clock does to a due approval; `None` before its time and once it is over. Without a
/// roster no rung counts as empty.
#[must_use]
pub fn fire(approval: &Approval, people: Option<&Roster>, now: Timestamp) -> Option<Step> {
    let shown = approval.clock.at(now);
    let due = approval.due_at.filter(|due| *due <= shown)?;
    match approval.status {
        Status::Pending if approval.expires_at.is_some_and(|it| it <= shown) => {
            Some(fall_back(approval, now))
        }
        Status::Pending => Some(escalate(approval, people, due, now)),
        Status::Approved => Some(expire(approval, now)),
        _ => None,
    }
}

/// The next rung arrived when the one before was due, however late that is noticed.
fn escalate(approval: &Approval, people: Option<&Roster>, due: Timestamp, now: Timestamp) -> Step {
    let next = approval.rung.saturating_add(1);
    if approval.chain().rung(next).is_none() {
        // Only a chain that was stored by other hands has a deadline and no rung.
        return fall_back(approval, now);
    }
    let arrival = arrive(approval, people, next, due, approval.clock.at(now));
    let audience = |rung| approval.chain().rung(rung).map(Rung::audience);
    let (from, to) = (audience(approval.rung), audience(arrival.rung));
    let escalated = HistoryEntry {
        from_role: from.clone(),
        to_role: to.clone(),
        content: json!({
            "approval_id": approval.id, "rung": arrival.rung, "from": from, "to": to,
            "passed": arrival.passed,
        }),
        ..entry(now, AuditEventKind::ApprovalEscalated, SYSTEM_CHAIN, approval.id)
    };
    let mut history = arrival.skips(approval, now);
    history.push(escalated);
    let after = arrival.move_there(approval.clone());
    // What was said on the rungs before may be all that this one needs.
    if let Some(last) = after.votes.last()
        && after.chain().satisfied_by(after.rung, &after.votes).is_some()
    {
        let settled = settle(&after, last, now);
        history.extend(settled.history);
        return Step { history, ..settled };
    }
    let after = Approval { generation: approval.generation.saturating_add(1), ..after };
    let outbox = told(&after, now);
    Step { approval: after, history, outbox, used: None }
}

fn fall_back(approval: &Approval, now: Timestamp) -> Step {
    let fallback = approval.fallback();
    let history = HistoryEntry {
        content: json!({
            "approval_id": approval.id, "actor": SYSTEM_TIMEOUT, "fallback": fallback,
            "rung": approval.rung,
        }),
        ..entry(now, AuditEventKind::ApprovalTimedOut, SYSTEM_TIMEOUT, approval.id)
    };
    let silence = HumanAnswer { actor: SYSTEM_TIMEOUT.to_owned(), at: now, comment: None };
    let after = match fallback {
        Fallback::Deny => answer(approval, Status::TimedOut, silence, now),
        Fallback::Allow => answer(approval, Status::Approved, silence, now),
        Fallback::Park => ended(approval, Status::Parked),
    };
    closed(after, history)
}

fn expire(approval: &Approval, now: Timestamp) -> Step {
    let history = HistoryEntry {
        content: json!({"approval_id": approval.id, "actor": SYSTEM_TIMEOUT}),
        ..entry(now, AuditEventKind::ApprovalExpired, SYSTEM_TIMEOUT, approval.id)
    };
    closed(ended(approval, Status::Expired), history)
}
