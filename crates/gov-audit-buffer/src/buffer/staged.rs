//! What depends on how jobs and commits fall together, staged on the writer's thread.

use std::{
    path::Path,
    sync::{Arc, mpsc},
    time::Duration,
};

use gov_core::{AuditEvent, AuditEventKind, EventId, SystemClock, Timestamp, payload::Payload};
use gov_store::sqlite::Sync;
use tokio::{sync::oneshot, task::JoinHandle};

use super::{AppendError, BufferConfig, Durability, EventBuffer, Space, drain::Past};
use crate::sink::memory::{MemorySink, Recall};

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

/// Holds the writer, from when the first channel says so until the second is dropped.
fn hold(buffer: &EventBuffer) -> (oneshot::Receiver<()>, mpsc::SyncSender<()>) {
    let (release, released) = mpsc::sync_channel::<()>(0);
    let (tell, begun) = oneshot::channel();
    let job = move |_: &rusqlite::Transaction<'_>| {
        tell.send(()).unwrap();
        released.recv().unwrap_err();
        Ok::<(), rusqlite::Error>(())
    };
    buffer.inner.file().writer.submit(Sync::Spooled, job, |_| ()).unwrap();
    (begun, release)
}

/// The same, once the writer is held: whatever is queued from now on is in a later transaction.
async fn hold_now(buffer: &EventBuffer) -> mpsc::SyncSender<()> {
    let (begun, release) = hold(buffer);
    begun.await.unwrap();
    release
}

/// Appends on a task of its own, and waits until the event is in the queue as the `nth`.
async fn queue(
    buffer: &EventBuffer,
    n: i64,
    durability: Durability,
    nth: usize,
) -> JoinHandle<Result<u64, AppendError>> {
    let appending = buffer.clone();
    let caller = tokio::spawn(async move { appending.append(&event(n), durability).await });
    while buffer.inner.intake.lock().waiting() < nth {
        tokio::task::yield_now().await;
    }
    caller
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
    let held = hold_now(&buffer).await;
    let first = queue(&buffer, 1, Durability::Durable, 1).await;
    let second = queue(&buffer, 2, Durability::Durable, 2).await;
    for sql in ends {
        end(&buffer, sql);
    }
    drop(held);
    let outcomes = vec![first.await.unwrap(), second.await.unwrap()];
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

#[tokio::test]
async fn what_was_refused_is_not_forgotten_by_a_commit_that_failed() {
    let dir = tempfile::tempdir().unwrap();
    let config = BufferConfig { max_rows: 1, ..BufferConfig::default() };
    let path = dir.path().join("buffer.db");
    let buffer = EventBuffer::open(&path, config, Arc::new(SystemClock)).unwrap();
    buffer.enqueue(&event(1)).await.unwrap();
    buffer.enqueue(&event(2)).await.unwrap_err();
    let held = hold_now(&buffer).await;
    let writing = tokio::spawn({
        let buffer = buffer.clone();
        async move { buffer.write_gaps().await }
    });
    // It runs up to its wait.
    tokio::task::yield_now().await;
    end(&buffer, "rollback");
    drop(held);
    writing.await.unwrap().unwrap_err();
    assert_eq!(buffer.len(), 1);
    buffer.write_gaps().await.unwrap();
    let kinds: Vec<_> = buffer.peek(9).await.unwrap().into_iter().map(|it| it.event.kind).collect();
    assert_eq!(kinds, [AuditEventKind::ActionAllowed, AuditEventKind::AuditGap]);
    buffer.close().await;
}

#[tokio::test]
async fn a_commit_without_the_disk_takes_nobody_along_who_asked_for_it() {
    let dir = tempfile::tempdir().unwrap();
    let buffer = open(&dir.path().join("buffer.db"));
    let alone = hold_now(&buffer).await;
    // One transaction: this one, and the job for the event that does not ask for the disk.
    let (begun, held) = hold(&buffer);
    let spooled = queue(&buffer, 1, Durability::Spooled, 1).await;
    drop(alone);
    begun.await.unwrap();
    // The next one: another that holds, and the job for the one that does.
    let (next_begun, next_held) = hold(&buffer);
    let durable = queue(&buffer, 2, Durability::Durable, 2).await;
    drop(held);
    assert_eq!(spooled.await.unwrap().unwrap(), 1);
    next_begun.await.unwrap();
    // Whoever was told by now sees it.
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
    assert!(!durable.is_finished(), "acknowledged by a commit that did not go to the disk");
    drop(next_held);
    assert_eq!(durable.await.unwrap().unwrap(), 2);
    buffer.close().await;
}

#[tokio::test]
async fn what_still_waits_when_the_disk_fills_up_is_refused_and_accounted_for() {
    let dir = tempfile::tempdir().unwrap();
    let buffer = open(&dir.path().join("buffer.db"));
    let held = hold_now(&buffer).await;
    let late = queue(&buffer, 1, Durability::Durable, 1).await;
    buffer.inner.disk.make_room();
    drop(held);
    let outcome = late.await.unwrap();
    assert!(matches!(outcome, Err(AppendError::Full { missing: Space::Disk })), "{outcome:?}");
    // It takes the ballast again, and says what is missing.
    buffer.tend().await.unwrap();
    let kinds: Vec<_> = buffer.peek(9).await.unwrap().into_iter().map(|it| it.event.kind).collect();
    assert_eq!(kinds, [AuditEventKind::AuditGap]);
    buffer.close().await;
}

#[tokio::test]
async fn what_went_past_the_old_file_is_not_acknowledged_in_the_fresh_one() {
    let dir = tempfile::tempdir().unwrap();
    let buffer = open(&dir.path().join("buffer.db"));
    let sink = MemorySink::new();
    // One that could be asked would say that it has nothing of the fresh file.
    sink.recall(Recall::Nothing);
    for n in 1..=3 {
        let (event, bound) = (buffer.encode(&event(n)).unwrap(), Duration::from_secs(10));
        let past = buffer.send_past(&sink, &event, Durability::Durable, bound).await;
        assert!(matches!(past, Past::Kept), "{past:?}");
    }
    let corrupt = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CORRUPT);
    buffer.inner.disk.note_damage(&rusqlite::Error::SqliteFailure(corrupt, None));
    // Behind the gap that tells of the exchange; both have numbers that the sink took before.
    assert_eq!(buffer.enqueue(&event(4)).await.unwrap(), 2);
    assert_eq!(buffer.drain_and_send(&sink).await, 2);
    buffer.close().await;
}
