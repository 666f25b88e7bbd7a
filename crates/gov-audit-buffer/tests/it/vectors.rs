//! The documented vectors, written anew and compared byte for byte.

use std::path::Path;

use gov_audit_buffer::{
    EncodedEvent,
    cloud_event::{self, OnItsWay},
};
use gov_core::{AuditEvent, AuditEventKind, Payload, hex::Hex};
use serde_json::{Value, json};

/// The file `docs/formats/vectors/<name>.json`.
fn documented(name: &str) -> Value {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/formats/vectors");
    let text = std::fs::read_to_string(dir.join(format!("{name}.json"))).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// The one of docs/formats/event.md, one with every attribute, and one whose payload is no JSON.
fn events() -> [AuditEvent; 3] {
    let plain = AuditEvent {
        id: "evt_019b76da80007000800000000000000a".parse().unwrap(),
        at: "2026-01-01T00:00:00.000000Z".parse().unwrap(),
        kind: AuditEventKind::ActionRefused,
        agent_id: Some("coder".parse().unwrap()),
        session_id: None,
        team_id: None,
        subjects: [("record_id".to_owned(), "rec_1".to_owned())].into(),
        trace_id: None,
        payload: Payload::from_parts(br#"{"command":"ls"}"#.to_vec(), [7; 16]),
    };
    let full = AuditEvent {
        id: "evt_019b76da80007000800000000000000b".parse().unwrap(),
        kind: AuditEventKind::Other("moon.landed".to_owned()),
        agent_id: Some("team/coder \"é\" 🦀".parse().unwrap()),
        session_id: Some("s-1".parse().unwrap()),
        team_id: Some("payments".parse().unwrap()),
        subjects: [("path".to_owned(), "a\n\"b\"\u{7f}\u{fffe}".to_owned())].into(),
        trace_id: Some("4bf92f3577b34da6a3ce929d0e0e4736".to_owned()),
        payload: Payload::from_parts(b"null".to_vec(), [0xfe; 16]),
        ..plain.clone()
    };
    let opaque = AuditEvent {
        id: "evt_019b76da80007000800000000000000c".parse().unwrap(),
        kind: AuditEventKind::AuditGap,
        agent_id: None,
        subjects: [].into(),
        payload: Payload::from_parts(b"\xff\n".to_vec(), [0; 16]),
        ..plain.clone()
    };
    [plain, full, opaque]
}

#[test]
fn cloud_events_are_the_documented_ones() {
    let place = OnItsWay {
        buffer_id: "buf_019b76da800070008000000000000001".parse().unwrap(),
        buffer_seq: 9_007_199_254_740_993,
    };
    let vectors: Vec<_> = events()
        .iter()
        .map(|event| {
            let encoded = EncodedEvent::of(event, "eu/west 1").unwrap();
            let placed = place.written_into(&encoded);
            for json in [&encoded.json, &placed] {
                assert_eq!(cloud_event::decode(json).unwrap(), *event);
            }
            json!({
                "event": String::from_utf8(encoded.json).unwrap(),
                "event_hash": Hex(&event.hash().unwrap()).to_string(),
                "with_its_place": String::from_utf8(placed).unwrap(),
            })
        })
        .collect();
    assert_eq!(json!(vectors), documented("cloud-event"));
}
