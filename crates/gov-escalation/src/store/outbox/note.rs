//! What the history says about messages that do not arrive.

use gov_core::{AuditEventKind, Timestamp};
use serde_json::json;

use super::Lease;
use crate::approval::HistoryEntry;

/// Who says that a message cannot be delivered.
const SYSTEM_SENDER: &str = "system:sender";

/// The message of `lease` is not tried any more.
pub(in crate::store) fn given_up(lease: &Lease, why: &str, at: Timestamp) -> HistoryEntry {
    entry(AuditEventKind::NotifyGivenUp, lease, why, at)
}

/// The target of `lease` gets no messages any more.
pub(in crate::store) fn disabled(lease: &Lease, why: &str, at: Timestamp) -> HistoryEntry {
    entry(AuditEventKind::NotifyDisabled, lease, why, at)
}

fn entry(kind: AuditEventKind, lease: &Lease, why: &str, at: Timestamp) -> HistoryEntry {
    let message = &lease.notification;
    HistoryEntry {
        at,
        kind,
        actor: SYSTEM_SENDER.to_owned(),
        policy_version: None,
        from_role: None,
        to_role: None,
        content: json!({
            "approval_id": message.approval_id,
            "notification_id": message.id,
            "target": message.notifier,
            "rung": message.rung,
            "tries": lease.attempts.saturating_add(1),
            "why": why,
        }),
    }
}
