//! One call of a grant is released.

use gov_core::{ActionDigest, AuditEventKind, SessionId, Timestamp};
use serde_json::{Value, json};

use super::{Refusal, Step, closed, ended, entry};
use crate::{
    approval::{Approval, Consumption, HistoryEntry, Status},
    chain::Chain,
    grant::{Call, Use},
};

/// The call that is about to happen.
#[derive(Clone, Debug, PartialEq)]
pub struct Draw {
    /// What is called.
    pub call: Call,
    /// The digest of the whole action.
    pub digest: ActionDigest,
    /// The run of the agent.
    pub session_id: Option<SessionId>,
    /// What the history keeps of the action: an object, secrets redacted.
    pub content: Value,
    /// Who is asked about this action now: the grant's votes must be enough for them.
    pub chain: Chain,
    /// The policy version that was asked.
    pub policy_version: u64,
    /// The caller's key: a repeat of it gets the same answer.
    pub idempotency_key: Option<String>,
}

/// Each call counts once, and the last one ends the grant. Whether the call is a repeat is the
/// store's to say, which keeps the calls.
pub(super) fn draw(approval: &Approval, it: &Draw, now: Timestamp) -> Result<Step, Refusal> {
    let (Some(terms), Some(left)) = (&approval.request.grant, approval.calls_left) else {
        return Err(Refusal::NotCovered);
    };
    if approval.status != Status::Approved {
        return Err(Refusal::Status(approval.status));
    }
    if approval.expires_at.is_none_or(|end| end <= approval.clock.at(now)) {
        return Err(Refusal::Status(Status::Expired));
    }
    if !terms.covers(&it.call) || !is_in_session(approval, it) || !is_enough_for(approval, it) {
        return Err(Refusal::NotCovered);
    }
    let left = left.checked_sub(1).ok_or(Refusal::Status(Status::Consumed))?;
    let number = terms.calls.saturating_sub(left);
    let used = Use {
        approval_id: approval.id,
        number,
        at: now,
        digest: it.digest,
        policy_version: it.policy_version,
        idempotency_key: it.idempotency_key.clone(),
    };
    let history = HistoryEntry {
        policy_version: Some(it.policy_version),
        content: json!({
            "approval_id": approval.id,
            "call": number,
            "calls_left": left,
            "digest": it.digest,
            "action": it.content,
            "approved_by": approval.answer.as_ref().map(|it| it.actor.as_str()),
            "requested_under_policy": approval.request.policy_version,
            "consumed_under_policy": it.policy_version,
        }),
        ..entry(
            now,
            AuditEventKind::ApprovalConsumed,
            approval.request.agent_id.as_str(),
            approval.id,
        )
    };
    let after = match left {
        0 => Approval { consumption: Some(last(it, now)), ..ended(approval, Status::Consumed) },
        _ => Approval { generation: approval.generation.saturating_add(1), ..approval.clone() },
    };
    let after = Approval { calls_left: Some(left), ..after };
    Ok(Step { used: Some(used), ..closed(after, history) })
}

/// A grant that names a session is for that one; a chain that binds to the session takes no other.
fn is_in_session(approval: &Approval, it: &Draw) -> bool {
    match &approval.request.session_id {
        Some(session) => it.session_id.as_ref() == Some(session),
        None => !it.chain.bind_session,
    }
}

/// Only people's votes count here: silence is never a yes to a grant.
fn is_enough_for(approval: &Approval, it: &Draw) -> bool {
    it.chain.satisfied_by(approval.rung, &approval.votes).is_some()
}

fn last(it: &Draw, now: Timestamp) -> Consumption {
    let (policy_version, idempotency_key) = (it.policy_version, it.idempotency_key.clone());
    Consumption { at: now, policy_version, idempotency_key }
}
