//! A file that cannot be read: put aside, replaced, and read as far as it goes.

use std::{
    fs::{self, OpenOptions},
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use gov_audit_buffer::{
    AuditSink, BufferConfig, BufferId, Durability, Emitted, EventBuffer, LastKept, Outgoing,
    SinkError, salvage::salvage,
};
use gov_core::{AuditEventKind, EventId, Payload, Timestamp, clock::ManualClock};
use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::events::event;

const PAGE: u64 = 4096;

fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::new("2026-11-21T13:30:00.000000Z".parse::<Timestamp>().unwrap()))
}

fn open(path: &Path) -> EventBuffer {
    EventBuffer::open(path, BufferConfig::default(), clock()).unwrap()
}

/// Keeps so many events, some of them larger than a page, and gives their ids.
async fn fill(buffer: &EventBuffer, count: u64) -> Vec<EventId> {
    let (mut ids, mut events) = (Vec::new(), Vec::new());
    for n in 0..count {
        let mut event = event(n);
        let text = if n % 7 == 0 { "x".repeat(9_000) } else { String::new() };
        event.payload = Payload::seal(&json!({"n": n, "text": text})).unwrap();
        ids.push(event.id);
        events.push((n + 1, event));
    }
    buffer.append_from("test", events, Durability::Durable).await.unwrap();
    ids
}

fn overwrite(path: &Path, page: u64) {
    let file = OpenOptions::new().write(true).open(path).unwrap();
    file.write_all_at(&[0xa5; 4096], (page - 1) * PAGE).unwrap();
}

/// The only file that was put aside.
fn aside(path: &Path) -> PathBuf {
    let mut found: Vec<_> = fs::read_dir(path.parent().unwrap())
        .unwrap()
        .map(|it| it.unwrap().path())
        .filter(|it| it.to_str().unwrap().contains(".corrupt-"))
        .filter(|it| !it.to_str().unwrap().ends_with("-wal"))
        .filter(|it| !it.to_str().unwrap().ends_with("-shm"))
        .collect();
    assert_eq!(found.len(), 1, "{found:?}");
    found.remove(0)
}

fn assert_tells_of_the_loss(first: &Outgoing) {
    assert_eq!((first.buffer_seq, &first.event.kind), (1, &AuditEventKind::AuditGap));
    let event = first.event.decode().unwrap();
    let payload: Value = serde_json::from_slice(event.payload.as_bytes()).unwrap();
    assert_eq!(
        (&payload["reason"], &payload["cause"]),
        (&json!("corrupt_file"), &json!("audit_buffer"))
    );
}

#[tokio::test]
async fn a_file_that_is_no_database_is_put_aside_and_a_fresh_one_tells_of_it() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("audit-buffer.db");
    let buffer = open(&path);
    let id = buffer.id();
    fill(&buffer, 5).await;
    buffer.close().await;
    overwrite(&path, 1);
    let before = fs::read(&path).unwrap();

    let buffer = open(&path);
    assert_ne!(buffer.id(), id);
    assert_tells_of_the_loss(&buffer.peek(10).await.unwrap()[0]);
    assert_eq!(buffer.len(), 1);
    let aside = aside(&path);
    assert!(aside.to_str().unwrap().ends_with("audit-buffer.db.corrupt-20261121T133000.000000Z"));
    assert_eq!(fs::read(&aside).unwrap(), before, "what was put aside is as it was");
    assert_eq!(buffer.enqueue(&event(9)).await.unwrap(), 2);
    buffer.close().await;

    // Only once.
    let buffer = open(&path);
    assert_eq!(buffer.len(), 2);
    buffer.close().await;
}

#[tokio::test]
async fn a_file_that_turns_out_corrupt_while_it_is_used_is_put_aside_without_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("audit-buffer.db");
    let buffer = open(&path);
    let id = buffer.id();
    let ids = fill(&buffer, 1000).await;
    buffer.close().await;
    // In the midst: nothing reads that when the file is opened.
    let pages = fs::metadata(&path).unwrap().len() / PAGE;
    for page in pages / 2..pages * 5 / 8 {
        overwrite(&path, page);
    }

    let buffer = open(&path);
    assert_eq!((buffer.len(), buffer.id()), (1000, id));
    let broken = buffer.peek(1000).await;
    assert!(broken.is_err(), "{broken:?}");
    // Whoever comes next finds the fresh file.
    let seq = buffer.enqueue(&event(1000)).await.unwrap();
    assert_ne!(buffer.id(), id);
    let waiting = buffer.peek(10).await.unwrap();
    assert_tells_of_the_loss(&waiting[0]);
    assert_eq!((waiting.len(), waiting[1].buffer_seq), (2, seq));
    let payload = waiting[0].event.decode().unwrap().payload;
    let payload: Value = serde_json::from_slice(payload.as_bytes()).unwrap();
    assert_eq!((&payload["count"], &payload["last_seq"]), (&json!(1000), &json!(1000)));

    // What the broken pages do not hold is brought back, once however often it is asked for.
    let aside = aside(&path);
    let first = buffer.take_over(&aside).await.unwrap();
    assert!(first.new > 800 && first.known == 0, "{first:?}");
    let second = buffer.take_over(&aside).await.unwrap();
    assert_eq!((second.new, second.known), (0, first.new));
    let brought: Vec<_> =
        buffer.peek(1000).await.unwrap().split_off(2).into_iter().map(|it| it.event.id).collect();
    let mut rest = ids.iter();
    assert!(brought.iter().all(|id| rest.any(|it| it == id)), "in another order");
    buffer.close().await;
}

/// Keeps everything, once it is let.
#[derive(Debug, Default)]
struct Slow {
    came: Notify,
    may: Notify,
}

#[async_trait]
impl AuditSink for Slow {
    fn name(&self) -> &'static str {
        "slow"
    }

    async fn emit_batch(&self, batch: &[Outgoing]) -> Emitted {
        self.came.notify_one();
        self.may.notified().await;
        Emitted { accepted: batch.len(), stopped: None }
    }

    async fn last_kept(&self, _buffer: BufferId) -> Result<LastKept, SinkError> {
        Ok(LastKept::Unknown)
    }
}

#[tokio::test]
async fn what_a_sink_took_of_the_old_file_is_not_acknowledged_in_the_fresh_one() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("audit-buffer.db");
    let buffer = open(&path);
    let id = buffer.id();
    fill(&buffer, 1000).await;
    buffer.close().await;
    let pages = fs::metadata(&path).unwrap().len() / PAGE;
    for page in pages / 2..pages * 5 / 8 {
        overwrite(&path, page);
    }

    let buffer = open(&path);
    let slow = Arc::new(Slow::default());
    let drain = tokio::spawn({
        let (buffer, slow) = (buffer.clone(), Arc::clone(&slow));
        async move { buffer.drain_and_send(&*slow).await }
    });
    tokio::time::timeout(Duration::from_mins(1), slow.came.notified()).await.unwrap();
    buffer.peek(1000).await.unwrap_err();
    buffer.tend().await.unwrap();
    assert_eq!(buffer.id(), id, "exchanged while somebody sends from it");
    slow.may.notify_one();
    let sent = tokio::time::timeout(Duration::from_mins(1), drain).await.unwrap().unwrap();
    assert_eq!(sent, 256, "it stops behind the batch at hand");

    buffer.enqueue(&event(1000)).await.unwrap();
    assert_ne!(buffer.id(), id);
    let waiting: Vec<_> = buffer.peek(10).await.unwrap();
    assert_eq!(waiting.iter().map(|it| it.buffer_seq).collect::<Vec<_>>(), [1, 2]);
    assert_tells_of_the_loss(&waiting[0]);
    buffer.close().await;
}

#[tokio::test]
async fn all_that_was_not_sent_is_read_from_a_file_without_a_head() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("audit-buffer.db");
    let buffer = open(&path);
    let ids = fill(&buffer, 300).await;
    buffer.acknowledge(20).await.unwrap();
    // With its log beside it, as a killed process leaves it.
    let copy = dir.path().join("copy.db");
    // By another process: this one must not open the file.
    for ending in ["", "-wal"] {
        let name = |path: &Path| format!("{}{ending}", path.display());
        assert!(Command::new("cp").args([name(&path), name(&copy)]).status().unwrap().success());
    }
    buffer.close().await;
    for file in [&copy, &path] {
        overwrite(file, 1);
        let found = salvage(file).unwrap();
        assert_eq!((found.acked, found.len()), (Some(20), 280), "{}", file.display());
        assert_eq!((found.missing(), &*found.unreadable_pages), (vec![], &[][..]));
        let mut events = found.events(0, 100);
        while let more = found.events(events.last().unwrap().0, 100)
            && !more.is_empty()
        {
            events.extend(more);
        }
        let (places, events): (Vec<_>, Vec<_>) = events.into_iter().unzip();
        assert_eq!(places, (21..=300).collect::<Vec<_>>());
        assert_eq!(events.iter().map(|it| it.id).collect::<Vec<_>>(), ids[20..]);
    }
}

#[tokio::test]
async fn what_a_broken_page_held_is_missing_and_nothing_else_is() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("audit-buffer.db");
    let buffer = open(&path);
    fill(&buffer, 100).await;
    buffer.close().await;
    let whole = fs::read(&path).unwrap();
    let pages = whole.len() as u64 / PAGE;
    for page in 1..=pages {
        fs::write(&path, &whole).unwrap();
        overwrite(&path, page);
        let found = salvage(&path).unwrap();
        let missing: u64 = found.missing().iter().map(|(first, last)| last - first + 1).sum();
        let last = found.events(0, 1000).last().unwrap().0;
        assert_eq!(found.len() + missing, last, "page {page}");
        assert!(found.len() > 100 - 60, "page {page} alone held {} events", 100 - found.len());
    }
}

#[test]
fn a_file_of_nothing_gives_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("audit-buffer.db");
    for content in [vec![], vec![0; 100], vec![0x0d; 50_000], vec![0xff; 50_000]] {
        fs::write(&path, &content).unwrap();
        assert!(salvage(&path).unwrap().is_empty(), "{} bytes", content.len());
    }
    assert!(salvage(&dir.path().join("missing.db")).is_err());
}
