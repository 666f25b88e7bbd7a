//! The approved action is released.

use gov_core::{ActionDigest, AuditEventKind, Timestamp};
use serde_json::json;

use super::{Refusal, Step, closed, ended, entry};
use crate::approval::{Approval, Consumption, HistoryEntry, Status};

pub(super) fn consume(
    approval: &Approval,
    digest: &ActionDigest,
    policy_version: u64,
    key: Option<&str>,
    now: Timestamp,
) -> Result<Step, Refusal> {
    if approval.request.digest != *digest {
        return Err(Refusal::OtherDigest);
    }
    if approval.request.grant.is_some() {
        return Err(Refusal::NotCovered);
    }
    let used_with = approval.consumption.as_ref().and_then(|it| it.idempotency_key.as_deref());
    if approval.status == Status::Consumed && key.is_some() && used_with == key {
        return Err(Refusal::Replayed);
    }
    if approval.status != Status::Approved {
        return Err(Refusal::Status(approval.status));
    }
    if approval.status_at(now) == Status::Expired {
        return Err(Refusal::Status(Status::Expired));
    }
    let approver = approval.answer.as_ref().map(|it| it.actor.as_str());
    let votes: Vec<_> =
        approval.votes.iter().map(|it| json!({"person": it.person, "seat": it.seat})).collect();
    let history = HistoryEntry {
        policy_version: Some(policy_version),
        content: json!({
            "approval_id": approval.id,
            "approved_by": approver,
            "votes": votes,
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
