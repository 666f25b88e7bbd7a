//! What is appended to a file is there once, in order, signed, and never changes.
//!
//! What holds on every database is in `log_rules.rs`.

use gov_core::Health as _;
use gov_core::{HealthState, Payload};
use gov_deferred_audit::{
    AppendOutcome, DeferredAuditSink as _, SqliteSignedEventsSink,
    lookup::{RecordPlace, find_record},
    record::MAX_PAYLOAD_BYTES,
    signed_log::APPEND_UNIQUE_RACE_MAX_RETRIES,
    store::sqlite::is_unique_constraint_race,
    tlog::checkpoint::Checkpoint,
};
use metrics_util::debugging::{DebugValue, DebuggingRecorder};
use rusqlite::Connection;

use crate::fixture::{Fixture, append};

#[tokio::test]
async fn a_record_is_found_by_its_id_beside_the_writer_and_at_rest() {
    let it = Fixture::new();
    let log = it.open().await;
    let [first, second, other] = [0, 1, 2].map(|n| it.record(n));
    append(&log, &[first, second.clone()]).await;
    let find = |id| find_record(&it.config.database, id).unwrap();
    let (there, missing) = (Some(RecordPlace { epoch: 1, seq: 2 }), None);
    assert_eq!((find(second.id), find(other.id)), (there, missing));
    log.close().await;
    assert_eq!((find(second.id), find(other.id)), (there, missing));
    assert!(find_record(it.folder.path(), second.id).is_err());
}

#[tokio::test]
async fn a_record_that_comes_again_keeps_its_first_place() {
    let it = Fixture::new();
    let log = it.open().await;
    let [a, b, c] = [0, 1, 2].map(|n| it.record(n));
    assert_eq!(append(&log, &[a.clone(), b.clone()]).await, [1, 2]);
    let checkpoint = log.committed().borrow().checkpoint.clone();
    assert_eq!(append(&log, &[b.clone(), a.clone()]).await, [2, 1]);
    assert_eq!(log.committed().borrow().checkpoint, checkpoint, "nothing new, nothing signed");
    assert_eq!(append(&log, &[c.clone(), a, c, b]).await, [3, 1, 3, 2]);
    log.close().await;
    assert!(it.verify_database().is_ok());
}

#[tokio::test]
async fn each_commit_is_signed_and_told_only_when_it_is_on_the_disk() {
    let it = Fixture::new();
    let log = it.open().await;
    let mut committed = log.committed();
    assert_eq!(committed.borrow_and_update().size, 0);
    for size in 1..=3 {
        append(&log, &[it.record(size)]).await;
        assert!(committed.has_changed().unwrap());
        let state = committed.borrow_and_update().clone();
        let signed = Checkpoint::open(state.checkpoint.as_bytes(), &[log.key().clone()]).unwrap();
        assert_eq!((signed.size, state.size), (size, size));
        assert_eq!(signed.origin, "example.com/gov/e1");
    }
}

#[tokio::test]
async fn a_commit_whose_caller_went_away_is_told_by_the_next_one() {
    let it = Fixture::new();
    let log = it.open().await;
    let batch = [it.record(0), it.record(1)];
    let mut sink = log.sink();
    let mut appending = sink.append(&batch);
    // Polled once: the job is with the writer, and nobody waits for it any more.
    std::future::poll_fn(|cx| std::task::Poll::Ready(appending.as_mut().poll(cx).is_ready())).await;
    drop(appending);
    while log.records_after(0, 10).await.unwrap().len() < 2 {
        tokio::task::yield_now().await;
    }
    assert_eq!(append(&log, &batch).await, [1, 2]);
    assert_eq!(log.committed().borrow().size, 2);
}

#[tokio::test]
async fn the_log_goes_on_where_it_ended_at_every_size_of_the_right_edge() {
    let it = Fixture::new();
    for count in [1, 254, 1, 1, 255, 1, 300] {
        it.append(count).await;
        let report = it.verify_database();
        assert!(report.is_ok(), "{:?}", report.first_bad());
    }
    assert_eq!(it.verify_database().epochs[0].size, 813);
}

#[tokio::test]
async fn a_sink_opens_the_log_with_its_first_append() {
    let it = Fixture::new();
    let clock = std::sync::Arc::new(it.clock.clone());
    let mut sink = SqliteSignedEventsSink::lazy(it.config.clone(), clock);
    assert!(!it.config.database.exists());
    assert_eq!(sink.append(&[it.record(0)]).await, [AppendOutcome::Appended { seq: 1 }]);
    assert!(it.config.database.exists());
}

#[tokio::test]
async fn a_record_that_cannot_enter_is_kept_whole_and_costs_nobody_else_anything() {
    let it = Fixture::new();
    let log = it.open().await;
    let mut large = it.record(1);
    large.payload = Payload::from_parts(vec![b' '; MAX_PAYLOAD_BYTES + 1], [5; 16]);
    let mut odd = it.record(2);
    odd.policy_version = Some(u64::MAX);
    let batch = [it.record(0), large.clone(), odd.clone(), it.record(3)];
    let wanted = [
        AppendOutcome::Appended { seq: 1 },
        AppendOutcome::DlqLanded,
        AppendOutcome::DlqLanded,
        AppendOutcome::Appended { seq: 2 },
    ];
    assert_eq!(log.sink().append(&batch).await, wanted);
    // A replay from the spool changes nothing.
    assert_eq!(log.sink().append(&batch).await, wanted);
    assert_eq!(log.dlq_size().await.unwrap(), 2);
    log.close().await;
    assert!(it.verify_database().is_ok());

    let connection = Connection::open(&it.config.database).unwrap();
    let (size, why, version): (i64, String, Option<String>) = connection
        .query_row(
            "select length(payload), why, policy_version from audit_log_dead_letter
             order by length(payload) desc limit 1",
            [],
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
        )
        .unwrap();
    assert_eq!((size, version.as_deref()), (1_114_113, Some("1")));
    assert_eq!(why, "`payload` must be at most 1114112; received 1114113");
}

#[tokio::test]
async fn what_only_the_database_refuses_is_found_by_halving_the_batch() {
    let it = Fixture::new();
    it.append(1).await;
    // Stands for a fault that nothing foresees: one value that a constraint refuses.
    it.tamper(
        "create trigger odd before insert on audit_log_payload when new.salt = zeroblob(16)
         begin select raise(abort, 'odd'); end",
    );
    let log = it.open().await;
    let mut batch: Vec<_> = (1..8).map(|n| it.record(n)).collect();
    batch[3].payload = Payload::from_parts(b"{}".to_vec(), [0; 16]);
    let outcomes = log.sink().append(&batch).await;
    let seqs = outcomes.iter().map(|outcome| match outcome {
        AppendOutcome::Appended { seq } => Some(*seq),
        AppendOutcome::DlqLanded => None,
    });
    let wanted = [Some(2), Some(3), Some(4), None, Some(5), Some(6), Some(7)];
    assert!(seqs.eq(wanted));
    assert_eq!(log.dlq_size().await.unwrap(), 1);
    log.close().await;
    assert!(it.verify_database().is_ok());

    // Even if it could enter now: it is in one place, and comes out by a command only.
    it.tamper("select 1");
    let log = it.open().await;
    assert_eq!(log.sink().append(&batch[3..4]).await, [AppendOutcome::DlqLanded]);
    assert_eq!(append(&log, &batch[4..5]).await, [5]);
}

#[tokio::test]
async fn a_race_for_a_place_is_run_again_and_then_given_up() {
    let it = Fixture::with_records(3).await;
    let log = it.open().await;
    let beside = Connection::open(&it.config.database).unwrap();
    // A row that no head knows of stands for a rival that never lets go.
    let rival = "insert into audit_log_entry values (1 << 40 | 4, zeroblob(16), x'00')";
    beside.execute_batch(rival).unwrap();
    let recorder = DebuggingRecorder::new();
    let outcomes = {
        let _guard = metrics::set_default_local_recorder(&recorder);
        log.sink().append(&[it.record(3)]).await
    };
    assert_eq!(outcomes, [AppendOutcome::DlqLanded]);
    let counted = recorder.snapshotter().snapshot().into_vec();
    let retries = counted.iter().find_map(|(key, _, _, value)| {
        let name = key.key().name();
        (name == "gov_deferred_audit_unique_race_retries_total").then_some(value)
    });
    let wanted = u64::from(APPEND_UNIQUE_RACE_MAX_RETRIES);
    assert_eq!(retries, Some(&DebugValue::Counter(wanted)));
}

#[tokio::test]
async fn nothing_is_appended_to_an_epoch_that_is_over() {
    let it = Fixture::with_records(3).await;
    let log = it.open().await;
    let beside = Connection::open(&it.config.database).unwrap();
    let next = "insert into audit_log_checkpoint select 2, vkey, 0, root, note, null
                from audit_log_checkpoint";
    beside.execute_batch(next).unwrap();
    let (mut sink, record) = (log.sink(), it.record(3));
    let appending = tokio::spawn(async move { sink.append(&[record]).await });
    while log.health() == HealthState::Healthy {
        tokio::task::yield_now().await;
    }
    let HealthState::Dead(reason) = log.health() else { panic!("{:?}", log.health()) };
    assert!(reason.contains("the log is in epoch 2 now, this process writes epoch 1"), "{reason}");
    appending.abort();
}

#[tokio::test]
async fn a_locked_database_is_waited_for_and_then_takes_the_record() {
    let it = Fixture::new();
    let log = it.open().await;
    let blocker = Connection::open(&it.config.database).unwrap();
    blocker.execute_batch("begin immediate").unwrap();
    let (mut sink, record, clock) = (log.sink(), it.record(0), it.clock.clone());
    let appending = tokio::spawn(async move { sink.append(&[record]).await });
    let until_dead = async {
        while log.health() == HealthState::Healthy {
            tokio::task::yield_now().await;
        }
    };
    until_dead.await;
    assert!(matches!(log.health(), HealthState::Dead(reason) if reason.contains("lock")));
    blocker.execute_batch("rollback").unwrap();
    while !appending.is_finished() {
        clock.advance(std::time::Duration::from_secs(1));
        tokio::task::yield_now().await;
    }
    assert_eq!(appending.await.unwrap(), [AppendOutcome::Appended { seq: 1 }]);
    assert_eq!(log.health(), HealthState::Healthy);
}

#[tokio::test]
async fn rows_cannot_be_changed_through_sql() {
    let it = Fixture::with_records(300).await;
    let connection = Connection::open(&it.config.database).unwrap();
    for sql in [
        "update audit_log_entry set entry = x'00' where seq = 1",
        "delete from audit_log_entry where seq = 300",
        "update audit_log_payload set payload = x'00' where seq = 1",
        "update audit_log_tile set hashes = zeroblob(8192)",
        "delete from audit_log_tile",
        "delete from audit_log_checkpoint",
        "update audit_log_checkpoint set size = 299",
        "insert into audit_log_entry values (1 << 40, zeroblob(16), x'00')",
        "insert into audit_log_entry values (301, zeroblob(16), x'00')",
        "insert into audit_log_entry (record_id, entry) values (zeroblob(15), x'00')",
        "insert into audit_log_entry values ('x', zeroblob(16), x'00')",
        "insert into audit_log_pruned values (1, 100)",
        "insert into audit_log_pruned values (1, 256); delete from audit_log_entry where seq = 257",
    ] {
        assert!(connection.execute_batch(sql).is_err(), "{sql}");
    }
    assert!(it.verify_database().is_ok());
}

#[tokio::test]
async fn a_race_is_told_by_the_code_and_not_by_the_text() {
    let it = Fixture::with_records(1).await;
    let connection = Connection::open(&it.config.database).unwrap();
    let insert = |seq: i64, id: &str| {
        let sql = format!("insert into audit_log_entry values (1 << 40 | {seq}, {id}, x'00')");
        connection.execute(&sql, []).unwrap_err()
    };
    assert!(is_unique_constraint_race(&insert(1, "zeroblob(16)")));
    let known = "(select record_id from audit_log_entry)";
    assert!(!is_unique_constraint_race(&insert(2, known)));
    assert!(!is_unique_constraint_race(&insert(0, "zeroblob(16)")));
}

#[tokio::test]
async fn hashes_take_at_most_33_bytes_a_record() {
    let it = Fixture::with_records(2560).await;
    let connection = Connection::open(&it.config.database).unwrap();
    let sql = "select coalesce(sum(length(hashes)), 0) from audit_log_tile";
    let bytes: i64 = connection.query_row(sql, [], |row| row.get(0)).unwrap();
    assert!((32 * 2560..=33 * 2560).contains(&bytes), "{bytes}");
}
