//! What the approvers are told.

use gov_core::{NotificationId, Timestamp};
use serde_json::{Map, Value, json};

use crate::approval::{Approval, Notification};

/// One message a notifier of the rung.
pub(super) fn told(approval: &Approval, now: Timestamp) -> Vec<Notification> {
    let request = &approval.request;
    let Some(rung) = approval.chain().rung(approval.rung) else { return Vec::new() };
    let mut content = Map::new();
    for (name, value) in [
        ("approval_id", json!(approval.id)),
        ("agent_id", json!(request.agent_id)),
        ("action", request.content.clone()),
        ("digest", json!(request.digest)),
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
