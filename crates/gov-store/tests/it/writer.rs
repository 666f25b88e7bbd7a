//! What a caller of the writer can rely on.

use std::{sync::mpsc, time::Duration};

use gov_store::{
    fresh_database::{self, SqliteFile},
    sqlite::{DatabaseOptions, Sync, WriteError, Writer, open_read_only, rusqlite},
};
use metrics_util::debugging::{DebugValue, DebuggingRecorder};
use tokio::task::JoinSet;

use crate::notes::{NOTES, insert, lines, lines_in, write};

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

/// Three jobs in one batch, the second of which ends as `end` says.
async fn three_jobs(
    end: fn(&rusqlite::Transaction<'_>) -> rusqlite::Result<()>,
) -> (SqliteFile, Vec<Result<(), WriteError<rusqlite::Error>>>) {
    let file = fresh();
    let writer = &file.database.writer;
    let (release, _holding) = hold(writer).await;
    let mut jobs = Vec::new();
    for line in [1, 2, 3] {
        let writer = writer.clone();
        jobs.push(tokio::spawn(async move {
            let job = move |tx: &rusqlite::Transaction<'_>| {
                insert(tx, line)?;
                if line == 2 { end(tx) } else { Ok(()) }
            };
            writer.write(Sync::Full, job).await
        }));
    }
    let_them_queue().await;
    drop(release);
    let mut results = Vec::new();
    for job in jobs {
        results.push(job.await.unwrap());
    }
    (file, results)
}

#[tokio::test]
async fn a_failed_job_takes_nobody_along() {
    let (file, results) = three_jobs(|tx| insert(tx, 2)).await;
    assert!(matches!(&results[..], [Ok(()), Err(WriteError::Job(_)), Ok(())]), "{results:?}");
    assert_eq!(lines(&file.database).await, [1, 3]);
}

#[tokio::test]
async fn a_panicking_job_takes_nobody_along() {
    let panics = |_: &rusqlite::Transaction<'_>| std::panic::resume_unwind(Box::new("as planned"));
    let (file, results) = three_jobs(panics).await;
    assert!(matches!(&results[..], [Ok(()), Err(WriteError::Panicked), Ok(())]), "{results:?}");
    assert_eq!(lines(&file.database).await, [1, 3]);
}

#[tokio::test]
async fn nobody_is_acknowledged_when_the_commit_fails_and_the_next_one_works() {
    // A deferred foreign key is checked by `commit` alone: the way to make that fail.
    let (file, results) = three_jobs(|tx| {
        tx.execute_batch(
            "create table parent (id integer primary key);
             create table child (id integer references parent deferrable initially deferred);
             insert into child values (7);",
        )
    })
    .await;
    assert!(results.iter().all(|it| matches!(it, Err(WriteError::Commit(_)))), "{results:?}");
    write(&file.database.writer, Sync::Full, 4).await.unwrap();
    assert_eq!(lines(&file.database).await, [4]);
}

#[tokio::test]
async fn a_job_that_ends_the_transaction_is_never_acknowledged() {
    let (file, results) = three_jobs(|tx| tx.execute_batch("rollback")).await;
    assert!(
        matches!(&results[..], [Err(WriteError::Commit(_)), Err(WriteError::Commit(_)), Ok(())]),
        "{results:?}"
    );
    assert_eq!(lines(&file.database).await, [3]);
}

#[tokio::test]
async fn one_commit_serves_everyone_who_waits() {
    let recorder = DebuggingRecorder::new();
    let file = metrics::with_local_recorder(&recorder, fresh);
    let (release, holding) = hold(&file.database.writer).await;
    let mut jobs = JoinSet::new();
    for line in 0..200 {
        let writer = file.database.writer.clone();
        jobs.spawn(async move { write(&writer, Sync::Spooled, line).await.unwrap() });
    }
    for _ in 0..300 {
        tokio::task::yield_now().await;
    }
    drop(release);
    jobs.join_all().await;
    holding.await.unwrap();
    let batches = recorder
        .snapshotter()
        .snapshot()
        .into_vec()
        .into_iter()
        .find_map(|it| (it.0.key().name() == "gov_store_commit_jobs").then_some(it.3));
    assert_eq!(batches, Some(DebugValue::Histogram(vec![1.0.into(), 200.0.into()])));
}

#[tokio::test]
async fn a_full_job_makes_its_whole_batch_full_and_only_that() {
    let file = fresh();
    let level = async |sync| {
        let read = |tx: &rusqlite::Transaction<'_>| {
            tx.pragma_query_value(None, "synchronous", |row| row.get::<_, i64>(0))
        };
        file.database.writer.write(sync, read).await.unwrap()
    };
    let [normal, full] = [1, 2];
    assert_eq!(level(Sync::Spooled).await, normal);
    assert_eq!(level(Sync::Full).await, full);
    assert_eq!(level(Sync::Spooled).await, normal);

    let (release, _holding) = hold(&file.database.writer).await;
    let together = async {
        tokio::join!(level(Sync::Spooled), level(Sync::Full), level(Sync::Spooled), async {
            let_them_queue().await;
            drop(release);
        })
    };
    let (first, second, third, ()) = together.await;
    assert_eq!([first, second, third], [full; 3]);
}

#[tokio::test]
async fn a_job_whose_caller_went_away_still_runs() {
    let file = fresh();
    let (release, _holding) = hold(&file.database.writer).await;
    let writer = file.database.writer.clone();
    let caller = tokio::spawn(async move { write(&writer, Sync::Full, 1).await });
    let_them_queue().await;
    caller.abort();
    assert!(caller.await.unwrap_err().is_cancelled());
    drop(release);
    write(&file.database.writer, Sync::Full, 2).await.unwrap();
    assert_eq!(lines(&file.database).await, [1, 2]);
}

#[tokio::test]
async fn outcomes_are_told_after_the_commit_in_the_order_in_which_the_jobs_ran() {
    let file = fresh();
    let writer = &file.database.writer;
    let (release, held) = hold(writer).await;
    let (tell, told) = mpsc::sync_channel(3);
    for n in 0..3_i64 {
        let tell = tell.clone();
        let done = move |outcome: Result<(), _>| tell.send((n, outcome.is_ok())).unwrap();
        writer.submit(Sync::Full, move |tx| insert(tx, n), done).unwrap();
    }
    assert!(told.try_recv().is_err(), "told before it ran");
    drop(release);
    held.await.unwrap();
    file.database.close().await;
    assert_eq!(told.try_iter().collect::<Vec<_>>(), [(0, true), (1, true), (2, true)]);
}

#[tokio::test]
async fn a_lock_of_another_connection_is_waited_out_and_then_reported() {
    let options =
        DatabaseOptions { busy_timeout: Duration::from_millis(20), ..DatabaseOptions::new("test") };
    let file = fresh_database::sqlite_with(&options, &[&NOTES]);
    let other = rusqlite::Connection::open(file.path()).unwrap();
    other.execute_batch("begin immediate").unwrap();
    let refused = write(&file.database.writer, Sync::Full, 1).await;
    assert!(matches!(refused, Err(WriteError::Unavailable(_))), "{refused:?}");
    other.execute_batch("commit").unwrap();
    write(&file.database.writer, Sync::Full, 1).await.unwrap();
    assert_eq!(lines(&file.database).await, [1]);
}

#[tokio::test]
async fn closing_does_what_is_queued_and_takes_no_more() {
    let file = fresh();
    let writer = file.database.writer.clone();
    let (release, _holding) = hold(&writer).await;
    let queued = tokio::spawn({
        let writer = writer.clone();
        async move { write(&writer, Sync::Full, 1).await }
    });
    let_them_queue().await;
    let path = file.path();
    let (database, _folder) = file.into_parts();
    let closing = tokio::spawn(database.close());
    let_them_queue().await;
    let late = write(&writer, Sync::Full, 2).await;
    assert!(matches!(late, Err(WriteError::Closed)), "{late:?}");
    drop(release);
    closing.await.unwrap();
    queued.await.unwrap().unwrap();
    assert_eq!(lines_in(&open_read_only(&path, &[]).unwrap()).unwrap(), [1]);
}

#[tokio::test]
async fn a_dropped_database_ends_without_holding_anyone_up() {
    let file = fresh();
    let writer = file.database.writer.clone();
    let (release, holding) = hold(&writer).await;
    drop(file);
    let late = write(&writer, Sync::Full, 1).await;
    assert!(matches!(late, Err(WriteError::Closed)), "{late:?}");
    drop(release);
    holding.await.unwrap();
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
