//! A request becomes an approval.

use gov_core::{ApprovalId, AuditEventKind, Timestamp};
use serde_json::json;

use super::{Step, entry, message::told};
use crate::{
    approval::{Approval, ApprovalRequest, HistoryEntry, Status},
    chain::Rung,
};

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
