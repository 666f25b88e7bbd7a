//! The buffer itself, without a sink.

mod dead_letters;
mod dropping;
mod limits;
mod outlet;
mod sources;

use std::{path::PathBuf, sync::Arc, time::Duration};

use gov_audit_buffer::{BufferConfig, EventBuffer, Outgoing, Overflow};
use gov_core::{AuditEvent, AuditEventKind, clock::ManualClock};
use serde_json::Value;
use tempfile::TempDir;

use crate::events::event;

/// A buffer's file, and how it is opened.
struct Place {
    _dir: TempDir,
    path: PathBuf,
    clock: ManualClock,
    config: BufferConfig,
}

impl Place {
    fn new(max_rows: u64, overflow: Overflow) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("audit-buffer.db");
        let config = BufferConfig { max_rows, overflow, ..BufferConfig::default() };
        Self { _dir: dir, path, clock: ManualClock::default(), config }
    }

    fn open(&self) -> EventBuffer {
        EventBuffer::open(&self.path, self.config.clone(), Arc::new(self.clock.clone())).unwrap()
    }
}

/// An event that may use the reserve.
fn refusal(n: u64) -> AuditEvent {
    AuditEvent { kind: AuditEventKind::ActionRefused, ..event(n) }
}

/// A wait that ends.
async fn in_time<T>(wait: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_mins(1), wait).await.unwrap()
}

/// What waits, in a word each: the number of an event, or what a gap says.
async fn waiting(buffer: &EventBuffer) -> Vec<String> {
    buffer.peek(u32::MAX).await.unwrap().iter().map(word).collect()
}

fn word(it: &Outgoing) -> String {
    let event = it.event.decode().unwrap();
    let body: Value = serde_json::from_slice(event.payload.as_bytes()).unwrap();
    let place = it.buffer_seq;
    match event.kind {
        AuditEventKind::AuditGap => {
            let [class, reason] = ["class", "reason"].map(|key| body[key].as_str().unwrap());
            let places = match (body["first_seq"].as_u64(), body["last_seq"].as_u64()) {
                (Some(first), Some(last)) => format!(" {first}-{last}"),
                _ => String::new(),
            };
            format!("{place}: {} {class} {reason}{places}", body["count"])
        }
        AuditEventKind::ActionAllowed | AuditEventKind::ActionRefused => {
            format!("{place}: event {}", body["n"])
        }
        kind => format!("{place}: {kind}"),
    }
}
