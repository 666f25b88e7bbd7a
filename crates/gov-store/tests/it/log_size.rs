//! The write-ahead log does not grow without bound.

use std::{fs, path::PathBuf, time::Duration};

use gov_store::{
    fresh_database::{self, SqliteFile},
    sqlite::{DatabaseOptions, Sync, rusqlite},
};
use tokio::task::JoinSet;

use crate::notes::{NOTES, write};

const LIMIT: u64 = 256 << 10;

fn limited(idle_after: Duration) -> SqliteFile {
    let options =
        DatabaseOptions { wal_limit_bytes: LIMIT, idle_after, ..DatabaseOptions::new("test") };
    fresh_database::sqlite_with(&options, &[&NOTES])
}

fn log(file: &SqliteFile) -> PathBuf {
    let mut path = file.path().into_os_string();
    path.push("-wal");
    path.into()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_log_stays_within_its_limit_and_one_batch_under_load() {
    let file = limited(Duration::from_hours(1));
    let mut callers = JoinSet::new();
    for caller in 0..16 {
        let (writer, log) = (file.database.writer.clone(), log(&file));
        callers.spawn(async move {
            let mut largest = 0;
            for round in 0..100 {
                let line = caller * 100 + round;
                let job = move |tx: &rusqlite::Transaction<'_>| {
                    let sql = "insert into note_line (line, body) values (?1, ?2)";
                    tx.execute(sql, (line, "x".repeat(3_000)))
                };
                writer.write(Sync::Spooled, job).await.unwrap();
                largest = largest.max(fs::metadata(&log).unwrap().len());
            }
            largest
        });
    }
    let largest = callers.join_all().await.into_iter().max().unwrap();
    // One batch is 16 jobs, of some pages each. Unchecked it would be over 6 MiB.
    assert!(largest <= LIMIT + (16 << 14), "{largest}");
    let count = "select count(*) from note_line";
    let lines: i64 = file
        .database
        .readers
        .read(move |it| it.query_row(count, [], |it| it.get(0)))
        .await
        .unwrap();
    assert_eq!(lines, 1600);
}

#[tokio::test]
async fn a_resting_database_cuts_its_log_to_nothing_time_and_again() {
    let file = limited(Duration::from_millis(1));
    for line in 1..=3 {
        write(&file.database.writer, Sync::Spooled, line).await.unwrap();
        let empty = async {
            while fs::metadata(log(&file)).unwrap().len() > 0 {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_mins(1), empty).await.unwrap();
    }
}
