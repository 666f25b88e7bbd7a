//! An approval is withdrawn, or overtaken.

use gov_core::{AuditEventKind, Timestamp};
use serde_json::json;

use super::{Refusal, Step, closed, ended, entry};
use crate::approval::{Approval, HistoryEntry, Status};

pub(super) fn cancel(
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
