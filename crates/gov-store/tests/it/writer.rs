//! What a caller of the writer can rely on.

use std::sync::mpsc;

use gov_store::{
    fresh_database::{self, SqliteFile},
    sqlite::{DatabaseOptions, Sync, WriteError, Writer, rusqlite},
};
use tokio::task::JoinSet;

use crate::notes::{NOTES, insert, lines, write};

/// Holds the writer's thread until the returned sender is dropped, so that what is written
/// meanwhile waits together.
async fn hold(writer: &Writer) -> (mpsc::SyncSender<()>, tokio::task::JoinHandle<()>) {
    let (release, released) = mpsc::sync_channel::<()>(0);
    let (begun, has_begun) = tokio::sync::oneshot::channel();
    let writer = writer.clone();
    let holding = tokio::spawn(async move {
        let job = move |_: &rusqlite::Transaction<'_>| {
            begun.send(()).unwrap();
            released.recv().unwrap_err();
            Ok::<(), rusqlite::Error>(())
        };
        writer.write(Sync::Spooled, job).await.unwrap();
    });
    has_begun.await.unwrap();
    (release, holding)
}

fn fresh() -> SqliteFile {
    fresh_database::sqlite(&[&NOTES])
}

/// Lets every task that was spawned before run up to its wait.
async fn let_them_queue() {
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn what_is_acknowledged_can_be_read() {
    let file = fresh();
    write(&file.database.writer, Sync::Full, 1).await.unwrap();
    write(&file.database.writer, Sync::Spooled, 2).await.unwrap();
    assert_eq!(lines(&file.database).await, [1, 2]);
    file.database.close().await;
}

#[tokio::test]
async fn a_failed_job_takes_nobody_along() {
    let file = fresh();
    let writer = &file.database.writer;
    let (release, _holding) = hold(writer).await;
    let mut jobs = JoinSet::new();
    for line in [1, 2, 3] {
        let writer = writer.clone();
        jobs.spawn(async move {
            let job = move |tx: &rusqlite::Transaction<'_>| {
                insert(tx, line)?;
                if line == 2 { insert(tx, line) } else { Ok(()) }
            };
            (line, writer.write(Sync::Full, job).await)
        });
    }
    let_them_queue().await;
    drop(release);
    for (line, result) in jobs.join_all().await {
        match result {
            Ok(()) => assert_ne!(line, 2),
            Err(WriteError::Job(_)) => assert_eq!(line, 2),
            Err(other) => panic!("{other}"),
        }
    }
    assert_eq!(lines(&file.database).await, [1, 3]);
}

#[tokio::test]
async fn a_full_queue_refuses_at_once() {
    let options = DatabaseOptions { queue_limit: 1, ..DatabaseOptions::new("test") };
    let file = fresh_database::sqlite_with(&options, &[&NOTES]);
    let writer = file.database.writer.clone();
    let (release, _holding) = hold(&writer).await;
    let waits = tokio::spawn({
        let writer = writer.clone();
        async move { write(&writer, Sync::Full, 1).await }
    });
    let_them_queue().await;
    let refused = write(&writer, Sync::Full, 2).await;
    assert!(matches!(refused, Err(WriteError::Full { limit: 1 })), "{refused:?}");
    drop(release);
    waits.await.unwrap().unwrap();
    assert_eq!(lines(&file.database).await, [1]);
}
