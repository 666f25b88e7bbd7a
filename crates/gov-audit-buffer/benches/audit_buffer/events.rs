//! Events of a given size.

use gov_core::{AuditEvent, AuditEventKind, EventId, Payload, Timestamp};
use serde_json::json;

/// Refusals whose payload has `bytes` bytes.
pub(crate) fn events(count: u32, bytes: usize) -> Vec<AuditEvent> {
    let at: Timestamp = "2026-01-01T00:00:00.000000Z".parse().unwrap();
    let frame = r#"{"n":1000000000,"text":""}"#.len();
    let text = "x".repeat(bytes.saturating_sub(frame));
    let one = |n| AuditEvent {
        id: EventId::at(at),
        at,
        kind: AuditEventKind::ActionRefused,
        agent_id: Some("coder".parse().unwrap()),
        session_id: None,
        team_id: None,
        subjects: [("record_id".to_owned(), "rec_019b76da80007000800000000000000a".to_owned())]
            .into(),
        trace_id: None,
        payload: Payload::seal(&json!({"n": 1_000_000_000 + n, "text": text})).unwrap(),
    };
    (0..u64::from(count)).map(one).collect()
}
