//! The clock strikes: the next rung, or what silence means.

use gov_core::{AuditEventKind, Timestamp};
use serde_json::json;

use super::{SYSTEM_TIMEOUT, Step, answer, closed, ended, entry, message::told};
use crate::{
    approval::{Approval, HistoryEntry, HumanAnswer, Status},
    chain::{Fallback, Rung},
};

/// What the clock does to a due approval; `None` before its time and once it is over.
#[must_use]
pub fn fire(approval: &Approval, now: Timestamp) -> Option<Step> {
    approval.due_at.filter(|due| *due <= now)?;
    match approval.status {
        Status::Pending if approval.expires_at.is_some_and(|it| it <= now) => {
            Some(fall_back(approval, now))
        }
        Status::Pending => Some(escalate(approval, now)),
        Status::Approved => Some(expire(approval, now)),
        _ => None,
    }
}

fn escalate(approval: &Approval, now: Timestamp) -> Step {
    let rung = approval.rung.saturating_add(1);
    let chain = &approval.request.chain;
    let Some(next) = chain.rung(rung) else {
        // Only a chain that was stored by other hands has a deadline and no rung.
        return fall_back(approval, now);
    };
    let (from, to) = (chain.rung(approval.rung).map(Rung::audience), next.audience());
    let times_out = approval.expires_at.unwrap_or(now);
    let history = HistoryEntry {
        from_role: from.clone(),
        to_role: Some(to.clone()),
        content: json!({"approval_id": approval.id, "rung": rung, "from": from, "to": to}),
        ..entry(now, AuditEventKind::ApprovalEscalated, "system:chain", approval.id)
    };
    let after = Approval {
        rung,
        arrived_at: now,
        due_at: Some(chain.next_deadline(rung, now, times_out)),
        generation: approval.generation.saturating_add(1),
        ..approval.clone()
    };
    let outbox = told(&after, now);
    Step { approval: after, history: vec![history], outbox }
}

fn fall_back(approval: &Approval, now: Timestamp) -> Step {
    let fallback = approval.request.chain.fallback;
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
