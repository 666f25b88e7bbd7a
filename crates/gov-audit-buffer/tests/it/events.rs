//! Events that tests hand in.

use gov_core::{AuditEvent, AuditEventKind, EventId, Payload, Timestamp};
use serde_json::json;

/// The `n`th event of a test: told apart by its payload.
pub(crate) fn event(n: u64) -> AuditEvent {
    let at: Timestamp = "2026-01-01T00:00:00.000000Z".parse().unwrap();
    AuditEvent {
        id: EventId::at(at),
        at,
        kind: AuditEventKind::ActionAllowed,
        agent_id: Some("coder".parse().unwrap()),
        session_id: None,
        team_id: None,
        subjects: [("request".to_owned(), n.to_string())].into(),
        trace_id: None,
        payload: Payload::seal(&json!({"n": n, "tool": "Bash"})).unwrap(),
    }
}
