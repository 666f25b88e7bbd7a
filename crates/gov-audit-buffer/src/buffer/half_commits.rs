//! Commits of which nobody knows whether they happened, staged on the writer's thread.

use std::{path::Path, sync::Arc, sync::mpsc};

use gov_core::{AuditEvent, AuditEventKind, EventId, SystemClock, Timestamp, payload::Payload};
use gov_store::sqlite::Sync;

use super::{AppendError, BufferConfig, EventBuffer};

fn event(n: i64) -> AuditEvent {
    let at = Timestamp::from_micros_clamped(n);
    AuditEvent {
        id: EventId::at(at),
        at,
        kind: AuditEventKind::ActionAllowed,
        agent_id: None,
        session_id: None,
        team_id: None,
        subjects: [].into(),
        trace_id: None,
        payload: Payload::from_parts(n.to_string().into_bytes(), [0; 16]),
    }
}

fn open(path: &Path) -> EventBuffer {
    EventBuffer::open(path, BufferConfig::default(), Arc::new(SystemClock)).unwrap()
}

/// Holds the writer until the answer is dropped.
fn hold(buffer: &EventBuffer) -> mpsc::SyncSender<()> {
    let (release, released) = mpsc::sync_channel::<()>(0);
    let job = move |_: &rusqlite::Transaction<'_>| {
        released.recv().unwrap_err();
        Ok::<(), rusqlite::Error>(())
    };
    buffer.inner.file().writer.submit(Sync::Spooled, job, |_| ()).unwrap();
    release
}

/// Ends the transaction of everyone who is in it, by `sql`: whoever is in it is told that the
/// outcome is unknown.
fn end(buffer: &EventBuffer, sql: &'static str) {
    let job = move |tx: &rusqlite::Transaction<'_>| tx.execute_batch(sql);
    buffer.inner.file().writer.submit(Sync::Full, job, |_| ()).unwrap();
}

/// Appends two events while the transaction is ended under them by each of `ends` in turn.
async fn append_through(ends: &'static [&'static str]) -> (Vec<Result<u64, AppendError>>, u64) {
    let dir = tempfile::tempdir().unwrap();
    let buffer = open(&dir.path().join("buffer.db"));
    buffer.enqueue(&event(0)).await.unwrap();
    let held = hold(&buffer);
    let callers: Vec<_> = (1..=2)
        .map(|n| {
            let buffer = buffer.clone();
            tokio::spawn(async move { buffer.enqueue(&event(n)).await })
        })
        .collect();
    while buffer.inner.intake.lock().waiting() < 2 {
        tokio::task::yield_now().await;
    }
    for sql in ends {
        end(&buffer, sql);
    }
    drop(held);
    let mut outcomes = Vec::new();
    for caller in callers {
        outcomes.push(caller.await.unwrap());
    }
    let found = buffer.peek(100).await.unwrap();
    let numbers: Vec<_> = found.iter().map(|it| it.event.decode().unwrap().at).collect();
    let expected: Vec<_> = (0..3).map(Timestamp::from_micros_clamped).collect();
    assert_eq!(numbers, expected, "lost, twice or out of order");
    let rows = buffer.status().await.unwrap().waiting;
    assert_eq!(buffer.len(), rows);
    buffer.close().await;
    (outcomes, rows)
}

#[tokio::test]
async fn an_event_whose_commit_happened_unseen_is_found_and_not_written_twice() {
    let (outcomes, rows) = append_through(&["commit"]).await;
    assert!(matches!(outcomes.as_slice(), [Ok(2), Ok(3)]), "{outcomes:?}");
    assert_eq!(rows, 3);
}

#[tokio::test]
async fn an_event_whose_commit_did_not_happen_is_written_again() {
    let (outcomes, rows) = append_through(&["rollback"]).await;
    assert!(matches!(outcomes.as_slice(), [Ok(2), Ok(3)]), "{outcomes:?}");
    assert_eq!(rows, 3);
}
