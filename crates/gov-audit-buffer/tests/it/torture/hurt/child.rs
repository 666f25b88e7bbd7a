//! What the child does.

use std::{
    fs::{File, OpenOptions},
    io::Write as _,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use gov_audit_buffer::{
    AuditSink, BufferConfig, BufferId, Durability, Emitted, EventBuffer, LastKept, Outgoing,
    SinkError,
};
use gov_core::{AuditEvent, EventId, Payload, RecordId, SystemClock};
use gov_store::fault::{Child, say};
use parking_lot::Mutex;
use serde_json::json;

use crate::events::event;

/// The test below, and where it is hurt: the sink never is.
pub(super) const CHILD: Child = Child {
    test: "torture::hurt::child::plays_the_child",
    files: &[
        "audit-buffer.db",
        "audit-buffer.db-wal",
        "audit-buffer.db-shm",
        "audit-buffer.db.lock",
        "audit-buffer.ballast",
        ".",
    ],
    calls: &["pwrite64", "write", "fdatasync", "fsync", "fallocate", "ftruncate", "unlink"],
};

/// Appends only, all of one durability.
pub(super) const DURABLE: &str = "durable";
pub(super) const SPOOLED: &str = "spooled";

/// Opens what it finds, and ends.
pub(super) const OPEN: &str = "open";

/// How many events one child tries to append.
pub(super) const EVENTS: u64 = 30;

/// Small, so that the calls that take it are few.
const BALLAST_BYTES: u64 = 64 << 10;

pub(super) fn path(dir: &Path) -> PathBuf {
    dir.join("audit-buffer.db")
}

pub(super) fn open(dir: &Path) -> Result<EventBuffer, gov_audit_buffer::buffer::OpenBufferError> {
    let config = BufferConfig { ballast_bytes: BALLAST_BYTES, ..BufferConfig::default() };
    EventBuffer::open(&path(dir), config, Arc::new(SystemClock))
}

/// The `n`-th event of a child: the same one in every process.
pub(super) fn nth(n: u64) -> AuditEvent {
    let mut event = event(n);
    event.id = EventId::of_record(RecordId::derived("hurt", &n.to_string()));
    let text = "x".repeat(usize::try_from(n % 3).unwrap() * 3000);
    event.payload = Payload::seal(&json!({"n": n, "text": text})).unwrap();
    event
}

#[test]
#[ignore = "plays the child of the other tests of this folder"]
fn plays_the_child() {
    let Some((dir, role)) = Child::here() else { return };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    match role.as_str() {
        DURABLE => runtime.block_on(append(&dir, Durability::Durable)),
        SPOOLED => runtime.block_on(append(&dir, Durability::Spooled)),
        OPEN => say(if open(&dir).is_ok() { "END" } else { "E open" }),
        _ => runtime.block_on(live(&dir)),
    }
    // What hangs on a broken disk must not keep the process.
    runtime.shutdown_timeout(Duration::from_millis(100));
}

async fn live(dir: &Path) {
    let Ok(buffer) = open(dir) else { return say("E open") };
    let sink = FileSink::open(dir);
    for n in 0..EVENTS {
        let durability = if n % 2 == 0 { Durability::Durable } else { Durability::Spooled };
        match buffer.append(&nth(n), durability).await {
            Ok(_) => say(&n.to_string()),
            Err(error) => say(&format!("E {error}")),
        }
        if n % 4 == 3 && n < EVENTS - 6 {
            buffer.drain_and_send(&sink).await;
        }
    }
    buffer.close().await;
    say("END");
}

async fn append(dir: &Path, durability: Durability) {
    let buffer = open(dir).unwrap();
    for n in 0..EVENTS {
        buffer.append(&nth(n), durability).await.unwrap();
        say(&n.to_string());
    }
    say("END");
    // Without a close: that would move the log, with syncs of its own.
    std::process::exit(0);
}

/// Writes a line an event, and reads them again when it is asked.
#[derive(Debug)]
pub(super) struct FileSink {
    path: PathBuf,
    file: Mutex<File>,
}

impl FileSink {
    pub(super) fn open(dir: &Path) -> Self {
        let path = dir.join("sink.txt");
        let file = OpenOptions::new().append(true).create(true).open(&path).unwrap();
        Self { path, file: Mutex::new(file) }
    }

    /// What came, in order: whose number, which number, which event.
    pub(super) fn lines(&self) -> Vec<(BufferId, u64, EventId)> {
        let text = std::fs::read_to_string(&self.path).unwrap();
        let line = |line: &str| {
            let mut words = line.split(' ');
            let mut next = || words.next().unwrap().to_owned();
            (next().parse().unwrap(), next().parse().unwrap(), next().parse().unwrap())
        };
        text.lines().map(line).collect()
    }
}

#[async_trait]
impl AuditSink for FileSink {
    fn name(&self) -> &'static str {
        "file"
    }

    async fn emit_batch(&self, batch: &[Outgoing]) -> Emitted {
        let line = |it: &Outgoing| format!("{} {} {}\n", it.buffer_id, it.buffer_seq, it.event.id);
        let text: String = batch.iter().map(line).collect();
        self.file.lock().write_all(text.as_bytes()).unwrap();
        Emitted { accepted: batch.len(), stopped: None }
    }

    async fn last_kept(&self, buffer: BufferId) -> Result<LastKept, SinkError> {
        let last = self.lines().into_iter().rfind(|it| it.0 == buffer);
        Ok(last.map_or(LastKept::Nothing, |(_, seq, id)| LastKept::At { seq, event_id: Some(id) }))
    }
}
