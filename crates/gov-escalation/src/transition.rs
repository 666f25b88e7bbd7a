//! The rules of one approval, as pure functions: what a change does to it, and what it writes.
//!
//! Every backend reads the row, asks here, and writes what comes back in the same transaction.

use gov_core::{ActionDigest, ApprovalId, AuditEventKind, NotificationId, Timestamp};
use serde_json::{Map, Value, json};

use crate::{
    approval::{
        Approval, ApprovalRequest, Consumption, Decider, HistoryEntry, HumanAnswer, Notification,
        Status, Verdict,
    },
    chain::{Fallback, Rung},
};

#[cfg(all(test, feature = "test-util"))]
mod tests;

/// Who acts where nobody answered.
pub const SYSTEM_TIMEOUT: &str = "system:timeout";

/// A change that somebody asks for.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// A person answers. Whether they may is asked before.
    Decide {
        /// Yes or no.
        verdict: Verdict,
        /// The digest that the person saw.
        digest: ActionDigest,
        /// The person.
        decider: Decider,
        /// In their own words.
        comment: Option<String>,
    },
    /// The approved action is released, once.
    Consume {
        /// The digest of the action that is about to happen.
        digest: ActionDigest,
        /// The policy version that was asked again.
        policy_version: u64,
        /// The caller's key: a repeat of it gets the same answer.
        idempotency_key: Option<String>,
    },
    /// It is withdrawn, or overtaken.
    Cancel {
        /// Who does it: `per_…`, an agent's id, or `system:policy`.
        actor: String,
        /// Why.
        reason: String,
        /// The policy version that overtook it.
        policy_version: Option<u64>,
    },
}

/// What a change does: written whole, or not at all.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// The approval after it.
    pub approval: Approval,
    /// What the history says, in order.
    pub history: Vec<HistoryEntry>,
    /// Who is told.
    pub outbox: Vec<Notification>,
}

/// Why a change is not made; the approval stays as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// It is not in a state for that: look at its status.
    #[error("the approval is `{}`", .0.as_str())]
    Status(Status),
    /// The digest is another action's: look at what is asked, and decide about that.
    #[error("the digest is not the one of this approval")]
    OtherDigest,
    /// It was used with this key before: the answer of then still holds.
    #[error("the approval was consumed under this key before")]
    Replayed,
}

/// A new approval: rung 0 is asked at once.
#[must_use]
pub fn open(id: ApprovalId, request: ApprovalRequest, now: Timestamp) -> Step {
    let times_out = now + request.chain.timeout.0;
    let audience = request.chain.rung(0).map(Rung::audience).unwrap_or_default();
    let requested = HistoryEntry {
        policy_version: Some(request.policy_version),
        content: json!({
            "approval_id": id,
            "action": request.content,
            "chain": request.chain.name,
            "expires_at": times_out,
            "risk": request.risk,
            "team_id": request.team_id,
        }),
        ..entry(now, AuditEventKind::ApprovalRequested, request.agent_id.as_str(), id)
    };
    let routed = HistoryEntry {
        to_role: Some(audience.clone()),
        content: json!({"approval_id": id, "rung": 0, "to": audience}),
        ..entry(now, AuditEventKind::ApprovalRouted, "system:chain", id)
    };
    let approval = Approval {
        id,
        status: Status::Pending,
        rung: 0,
        arrived_at: now,
        submitted_at: now,
        expires_at: Some(times_out),
        due_at: Some(request.chain.next_deadline(0, now, times_out)),
        answer: None,
        consumption: None,
        generation: 1,
        request,
    };
    let outbox = told(&approval, now);
    Step { approval, history: vec![requested, routed], outbox }
}

/// What `change` does at `now`.
///
/// # Errors
///
/// [`Refusal`]: nothing.
pub fn apply(approval: &Approval, change: &Change, now: Timestamp) -> Result<Step, Refusal> {
    match change {
        Change::Decide { verdict, digest, decider, comment } => {
            decide(approval, *verdict, digest, *decider, comment.as_deref(), now)
        }
        Change::Consume { digest, policy_version, idempotency_key } => {
            consume(approval, digest, *policy_version, idempotency_key.as_deref(), now)
        }
        Change::Cancel { actor, reason, policy_version } => {
            cancel(approval, actor, reason, *policy_version, now)
        }
    }
}

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

fn decide(
    approval: &Approval,
    verdict: Verdict,
    digest: &ActionDigest,
    decider: Decider,
    comment: Option<&str>,
    now: Timestamp,
) -> Result<Step, Refusal> {
    // The time-out may have passed, and only its timer be late: then silence has won already.
    let status = approval.status_at(now);
    if !status.awaits_answer() {
        return Err(Refusal::Status(status));
    }
    if approval.request.digest != *digest {
        return Err(Refusal::OtherDigest);
    }
    let actor = decider.person_id.to_string();
    let (status, kind) = match verdict {
        Verdict::Approve => (Status::Approved, AuditEventKind::ApprovalApproved),
        Verdict::Reject => (Status::Rejected, AuditEventKind::ApprovalRejected),
    };
    let answered =
        HumanAnswer { actor: actor.clone(), at: now, comment: comment.map(str::to_owned) };
    let history = HistoryEntry {
        content: json!({
            "approval_id": approval.id, "actor": actor, "comment": comment, "rung": approval.rung,
        }),
        ..entry(now, kind, &actor, approval.id)
    };
    Ok(closed(answer(approval, status, answered, now), history))
}

fn consume(
    approval: &Approval,
    digest: &ActionDigest,
    policy_version: u64,
    key: Option<&str>,
    now: Timestamp,
) -> Result<Step, Refusal> {
    if approval.request.digest != *digest {
        return Err(Refusal::OtherDigest);
    }
    let used_with = approval.consumption.as_ref().and_then(|it| it.idempotency_key.as_deref());
    if approval.status == Status::Consumed && key.is_some() && used_with == key {
        return Err(Refusal::Replayed);
    }
    if approval.status != Status::Approved {
        return Err(Refusal::Status(approval.status));
    }
    if approval.expires_at.is_some_and(|it| it <= now) {
        return Err(Refusal::Status(Status::Expired));
    }
    let approver = approval.answer.as_ref().map(|it| it.actor.as_str());
    let history = HistoryEntry {
        policy_version: Some(policy_version),
        content: json!({
            "approval_id": approval.id,
            "approved_by": approver,
            "requested_under_policy": approval.request.policy_version,
            "consumed_under_policy": policy_version,
        }),
        ..entry(
            now,
            AuditEventKind::ApprovalConsumed,
            approval.request.agent_id.as_str(),
            approval.id,
        )
    };
    let consumption =
        Consumption { at: now, policy_version, idempotency_key: key.map(str::to_owned) };
    let after = Approval { consumption: Some(consumption), ..ended(approval, Status::Consumed) };
    Ok(closed(after, history))
}

fn cancel(
    approval: &Approval,
    actor: &str,
    reason: &str,
    policy_version: Option<u64>,
    now: Timestamp,
) -> Result<Step, Refusal> {
    if !approval.status.is_open() {
        return Err(Refusal::Status(approval.status));
    }
    let history = HistoryEntry {
        policy_version,
        content: json!({"approval_id": approval.id, "actor": actor, "reason": reason}),
        ..entry(now, AuditEventKind::ApprovalCancelled, actor, approval.id)
    };
    Ok(closed(ended(approval, Status::Cancelled), history))
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

/// The approval with an answer; a yes may be used for a while.
fn answer(approval: &Approval, status: Status, answer: HumanAnswer, now: Timestamp) -> Approval {
    let until = (status == Status::Approved).then(|| now + approval.request.chain.approved_for.0);
    Approval { answer: Some(answer), expires_at: until, due_at: until, ..ended(approval, status) }
}

/// The approval in a status without a clock.
fn ended(approval: &Approval, status: Status) -> Approval {
    Approval {
        status,
        expires_at: None,
        due_at: None,
        generation: approval.generation.saturating_add(1),
        ..approval.clone()
    }
}

fn closed(approval: Approval, history: HistoryEntry) -> Step {
    Step { approval, history: vec![history], outbox: Vec::new() }
}

fn entry(at: Timestamp, kind: AuditEventKind, actor: &str, id: ApprovalId) -> HistoryEntry {
    HistoryEntry {
        at,
        kind,
        actor: actor.to_owned(),
        policy_version: None,
        from_role: None,
        to_role: None,
        content: json!({"approval_id": id}),
    }
}

/// One message a notifier of the rung.
fn told(approval: &Approval, now: Timestamp) -> Vec<Notification> {
    let request = &approval.request;
    let Some(rung) = request.chain.rung(approval.rung) else { return Vec::new() };
    let mut content = Map::new();
    for (name, value) in [
        ("approval_id", json!(approval.id)),
        ("agent_id", json!(request.agent_id)),
        ("action", request.content.clone()),
        ("rule_id", json!(request.rule_id)),
        ("reason", json!(request.reason)),
        ("risk", json!(request.risk)),
        ("rung", json!(approval.rung)),
        ("audience", json!(rung.audience())),
        ("expires_at", json!(approval.expires_at)),
    ] {
        content.insert(name.to_owned(), value);
    }
    let message = |notifier: &String| Notification {
        id: NotificationId::at(now),
        approval_id: approval.id,
        rung: approval.rung,
        notifier: notifier.clone(),
        content: Value::Object(content.clone()),
    };
    rung.notify.iter().map(message).collect()
}
