//! Events that say something about records and events: of nobody's action.

use std::collections::BTreeMap;

use gov_core::{AuditEvent, AuditEventKind, EventId, Payload, Timestamp, payload::SALT_BYTES};
use serde_json::Value;

/// The event that says `said`. Made again of the same, it is the same to the byte: it has no salt.
#[must_use]
pub fn notice(
    id: EventId,
    at: Timestamp,
    kind: AuditEventKind,
    subjects: BTreeMap<String, String>,
    said: &Value,
) -> AuditEvent {
    AuditEvent {
        id,
        at,
        kind,
        agent_id: None,
        session_id: None,
        team_id: None,
        subjects,
        trace_id: None,
        payload: Payload::from_parts(said.to_string().into_bytes(), [0; SALT_BYTES]),
    }
}
