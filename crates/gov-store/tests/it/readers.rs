//! What a caller of the readers can rely on.

use std::{sync::mpsc, time::Duration};

use gov_store::{
    fresh_database,
    sqlite::{DatabaseOptions, ReadError, Sync, rusqlite},
};

use crate::notes::{NOTES, lines, lines_in, write};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_read_sees_one_state_while_the_writer_goes_on() {
    let file = fresh_database::sqlite(&[&NOTES]);
    write(&file.database.writer, Sync::Spooled, 1).await.unwrap();
    let (go_on, may_go_on) = mpsc::sync_channel::<()>(0);
    let (begun, has_begun) = tokio::sync::oneshot::channel();
    let readers = file.database.readers.clone();
    let reading = tokio::spawn(async move {
        let job = move |it: &rusqlite::Connection| {
            let first = lines_in(it)?;
            begun.send(()).unwrap();
            may_go_on.recv().unwrap();
            Ok::<_, rusqlite::Error>((first, lines_in(it)?))
        };
        readers.read(job).await.unwrap()
    });
    has_begun.await.unwrap();
    write(&file.database.writer, Sync::Spooled, 2).await.unwrap();
    go_on.send(()).unwrap();
    assert_eq!(reading.await.unwrap(), (vec![1], vec![1]));
    assert_eq!(lines(&file.database).await, [1, 2]);
}

#[tokio::test]
async fn a_reader_cannot_write() {
    let file = fresh_database::sqlite(&[&NOTES]);
    let deleted = file.database.readers.read(|it| it.execute("delete from note_line", [])).await;
    assert!(matches!(deleted, Err(ReadError::Job(_))), "{deleted:?}");
}

#[tokio::test]
async fn a_cancelled_or_panicking_read_gives_its_place_back() {
    let options = DatabaseOptions { readers: 1, ..DatabaseOptions::new("test") };
    let file = fresh_database::sqlite_with(&options, &[&NOTES]);
    let readers = &file.database.readers;
    let panicked = readers
        .read(|_| -> Result<(), ()> { std::panic::resume_unwind(Box::new("as planned")) })
        .await;
    assert!(matches!(panicked, Err(ReadError::Panicked)), "{panicked:?}");

    let (release, released) = mpsc::sync_channel::<()>(0);
    let slow = readers.read(move |_| released.recv().map_err(drop));
    let cancelled = tokio::time::timeout(Duration::ZERO, slow).await;
    assert!(cancelled.is_err(), "not cancelled");
    drop(release);
    assert!(lines(&file.database).await.is_empty());
}

#[tokio::test]
async fn a_closed_database_answers_no_reads() {
    let file = fresh_database::sqlite(&[&NOTES]);
    let readers = file.database.readers.clone();
    let (database, _folder) = file.into_parts();
    database.close().await;
    let late = readers.read(lines_in).await;
    assert!(matches!(late, Err(ReadError::Closed)), "{late:?}");
}
