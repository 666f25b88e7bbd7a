//! A program of your own: its receiver is away, it restarts, and every event arrives, in order.
//!
//! `cargo run -p gov-audit-buffer --features http --example standalone`

use std::{error::Error, path::Path, sync::Arc};

use gov_audit_buffer::{
    AuditPublisher, AuditSink, EventBuffer, Published, cloud_event,
    sink::{
        http::{HttpConfig, HttpSink},
        json_lines::JsonLinesSink,
    },
};
use gov_core::{AuditEvent, AuditEventKind, Clock as _, EventId, Payload, SystemClock, Timestamp};
use serde_json::json;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let dir = tempfile::tempdir()?;
    let file = dir.path().join("audit-buffer.db");

    // Nobody listens there: what is published waits, on disk, and the program goes on.
    let nobody = HttpSink::new(&HttpConfig::new("http://127.0.0.1:9/"), Arc::new(SystemClock))?;
    let events: Vec<_> = (1..=3).map(event).collect::<Result<_, _>>()?;
    let publisher = open(&file, Arc::new(nobody))?;
    for event in &events {
        let answer = publisher.publish(event.clone()).await;
        assert!(matches!(answer, Published::Durable { .. }), "{answer:?}");
    }
    assert_eq!(publisher.flush_pending().await, 0);
    assert_eq!(publisher.buffered_len(), 3);
    publisher.buffer().close().await;

    // After a restart there is a receiver: a file of lines.
    let lines = JsonLinesSink::open(dir.path().join("events.jsonl"))?;
    let publisher = open(&file, Arc::new(lines.clone()))?;
    assert_eq!(publisher.flush_pending().await, 3);
    assert_eq!(publisher.buffered_len(), 0);
    publisher.buffer().close().await;

    let text = std::fs::read_to_string(lines.path())?;
    let arrived: Vec<_> =
        text.lines().map(|it| cloud_event::decode(it.as_bytes())).collect::<Result<_, _>>()?;
    assert_eq!(arrived, events, "first in, first out, and as they were");
    Ok(())
}

fn open(file: &Path, sink: Arc<dyn AuditSink>) -> Result<AuditPublisher, Box<dyn Error>> {
    Ok(AuditPublisher::new(sink, EventBuffer::new(file, 1_000_000)?))
}

fn event(n: u32) -> Result<AuditEvent, Box<dyn Error>> {
    let at: Timestamp = SystemClock.now();
    Ok(AuditEvent {
        id: EventId::at(at),
        at,
        kind: AuditEventKind::ActionRefused,
        agent_id: Some("agent-1".parse()?),
        session_id: None,
        team_id: None,
        subjects: [("attempt".to_owned(), n.to_string())].into(),
        trace_id: None,
        payload: Payload::seal(&json!({"command": "rm -rf /"}))?,
    })
}
