//! The outside copy trails the database, and tells when that goes backwards.

use std::{fs, time::Duration};

use gov_core::{Health as _, HealthState};
use gov_deferred_audit::{
    OpenError,
    outside_copy::{OutsideCopy, OutsideCopyError},
    signed_log::Place,
};
use tokio_util::sync::CancellationToken;

use crate::fixture::{Fixture, append};

fn rollback(error: OpenError) -> (Place, Place, bool) {
    match error {
        OpenError::Rollback { database, outside, differs } => (database, outside, differs),
        other => panic!("{other:?}"),
    }
}

/// A log of `count` records whose outside copy is up to date.
async fn copied(count: u64) -> Fixture {
    let it = Fixture::new();
    grow(&it, count).await;
    it
}

async fn grow(it: &Fixture, count: u64) {
    let log = it.open().await;
    let batch: Vec<_> = (0..count).map(|n| it.record(n)).collect();
    append(&log, &batch).await;
    it.copy_outside(&log).await;
    log.close().await;
}

#[tokio::test]
async fn a_database_put_back_is_refused_and_the_message_says_what_to_do() {
    let it = copied(5).await;
    let old = it.keep_database();
    grow(&it, 3).await;
    it.restore_database(&old);
    let error = it.try_open().await.unwrap_err();
    let message = error.to_string();
    assert!(message.contains("knows 8 records in epoch 1"), "{message}");
    assert!(message.contains("has 5 records in epoch 1"), "{message}");
    assert!(message.contains("gov audit accept-rollback --reason"), "{message}");
    let place = |size| Place { epoch: 1, size };
    assert_eq!(rollback(error), (place(5), place(8), false));
}

#[tokio::test]
async fn a_fork_is_refused_even_if_it_is_longer() {
    let it = copied(5).await;
    let old = it.keep_database();
    grow(&it, 3).await;
    let copy = fs::read(&it.config.outside_copy).unwrap();
    it.restore_database(&old);
    // The forger's own outside copy lets him sign another history.
    let lines: Vec<_> = copy.split_inclusive(|byte| *byte == b'\n').collect();
    fs::write(&it.config.outside_copy, lines[..lines.len() - 1].concat()).unwrap();
    grow(&it, 10).await;
    fs::write(&it.config.outside_copy, copy).unwrap();
    let (database, outside, differs) = rollback(it.try_open().await.unwrap_err());
    assert_eq!((database.size, outside.size, differs), (15, 8, true));
}

#[tokio::test]
async fn a_missing_database_is_a_rollback_and_is_not_made_anew() {
    let it = copied(5).await;
    fs::remove_file(&it.config.database).unwrap();
    let (database, outside, _) = rollback(it.try_open().await.unwrap_err());
    assert_eq!((database, outside.size), (Place { epoch: 0, size: 0 }, 5));
    assert!(!it.config.database.exists());
    fs::write(&it.config.database, []).unwrap();
    rollback(it.try_open().await.unwrap_err());
}

#[tokio::test]
async fn a_missing_copy_begins_anew_with_the_checkpoint_of_now() {
    let it = copied(5).await;
    fs::remove_file(&it.config.outside_copy).unwrap();
    it.open().await;
    let lines = OutsideCopy::read_all(&it.config.outside_copy).unwrap();
    assert_eq!(lines.iter().map(|it| it.checkpoint.size).collect::<Vec<_>>(), [5]);
}

#[tokio::test]
async fn a_copy_that_trails_is_normal() {
    let it = copied(5).await;
    it.append(300).await;
    let log = it.open().await;
    let lines = OutsideCopy::read_all(&it.config.outside_copy).unwrap();
    assert_eq!(lines.last().unwrap().checkpoint.size, 5);
    it.copy_outside(&log).await;
    let lines = OutsideCopy::read_all(&it.config.outside_copy).unwrap();
    assert_eq!(lines.last().unwrap().checkpoint.size, 305);
    assert_eq!(lines.last().unwrap().note, log.committed().borrow().checkpoint);
}

#[tokio::test]
async fn a_torn_last_line_is_cut_and_a_wrong_line_is_an_alarm() {
    let it = copied(5).await;
    grow(&it, 5).await;
    let whole = fs::read(&it.config.outside_copy).unwrap();
    let torn = [whole.as_slice(), &whole[..whole.len() / 3]].concat();
    fs::write(&it.config.outside_copy, torn.strip_suffix(b"\n").unwrap_or(&torn)).unwrap();
    it.open().await.close().await;
    assert_eq!(fs::read(&it.config.outside_copy).unwrap(), whole);

    let first_end = whole.iter().position(|byte| *byte == b'\n').unwrap();
    for at in [3, 40, first_end - 5] {
        let mut changed = whole.clone();
        changed[at] ^= 1;
        fs::write(&it.config.outside_copy, changed).unwrap();
        let error = it.try_open().await.unwrap_err();
        let wanted = OpenError::OutsideCopy(OutsideCopyError::Corrupt {
            path: it.config.outside_copy.clone(),
            line: 1,
            why: "",
        });
        assert!(
            matches!(&error, OpenError::OutsideCopy(OutsideCopyError::Corrupt { line: 1, .. })),
            "byte {at}: {error:?}, wanted {wanted:?}"
        );
    }
    // Lines in the wrong order are corrupt too.
    let mut lines: Vec<_> = whole.split_inclusive(|byte| *byte == b'\n').collect();
    lines.reverse();
    fs::write(&it.config.outside_copy, lines.concat()).unwrap();
    assert!(matches!(it.try_open().await.unwrap_err(), OpenError::OutsideCopy(_)));
}

#[tokio::test]
async fn at_most_one_checkpoint_a_second_goes_out_and_the_last_at_shutdown() {
    let it = Fixture::new();
    let log = it.open().await;
    let shutdown = CancellationToken::new();
    let task = tokio::spawn(log.clone().copy_outside(shutdown.clone()));
    let sizes = || -> Vec<u64> {
        let lines = OutsideCopy::read_all(&it.config.outside_copy).unwrap();
        lines.iter().map(|it| it.checkpoint.size).collect()
    };
    append(&log, &[it.record(0)]).await;
    while sizes() != [0, 1] {
        tokio::task::yield_now().await;
    }
    append(&log, &[it.record(1)]).await;
    append(&log, &[it.record(2)]).await;
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert_eq!(sizes(), [0, 1], "the second is not over");
    while sizes() != [0, 1, 3] {
        it.clock.advance(Duration::from_millis(250));
        tokio::task::yield_now().await;
    }
    append(&log, &[it.record(3)]).await;
    shutdown.cancel();
    task.await.unwrap();
    assert_eq!(sizes(), [0, 1, 3, 4]);
}

#[tokio::test]
async fn a_copy_that_cannot_be_written_shows_and_is_made_up_for() {
    let it = Fixture::new();
    let log = it.open().await;
    append(&log, &[it.record(0)]).await;
    let aside = it.config.outside_copy.with_extension("aside");
    fs::rename(&it.config.outside_copy, &aside).unwrap();
    fs::create_dir(&it.config.outside_copy).unwrap();
    it.copy_outside(&log).await;
    assert!(matches!(log.health(), HealthState::Degraded(_)));
    fs::remove_dir(&it.config.outside_copy).unwrap();
    // Cut behind our back: that is no file to append to.
    fs::write(&it.config.outside_copy, []).unwrap();
    it.copy_outside(&log).await;
    let HealthState::Degraded(reason) = log.health() else { panic!("{:?}", log.health()) };
    assert!(reason.contains("it was cut"), "{reason}");
    fs::rename(&aside, &it.config.outside_copy).unwrap();
    it.copy_outside(&log).await;
    assert_eq!(log.health(), HealthState::Healthy);
    let lines = OutsideCopy::read_all(&it.config.outside_copy).unwrap();
    assert_eq!(lines.last().unwrap().checkpoint.size, 1);
}
