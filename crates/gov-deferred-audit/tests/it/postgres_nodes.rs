//! What only many nodes on one database can meet: staged.

use gov_core::{Health as _, HealthState};
use gov_deferred_audit::{
    AppendOutcome, DeferredAuditSink as _, OpenError, SignedEventsSink,
    export::{ExportOptions, export_postgres},
    lookup::{RecordPlace, find_record_postgres},
    signed_log::conformance::{Deployment as _, append, in_batches, whole},
    verify::{Verdict, VerifyOptions, verify_export},
};

use crate::nodes::{Nodes, until_dead};

#[tokio::test(flavor = "multi_thread")]
async fn two_nodes_write_two_thousand_records_each_into_one_gapless_log() {
    let Some(it) = Nodes::new().await else { return };
    let (a, b) = (it.node(0).await, it.node(1).await);
    let (ours, theirs) = (it.records(2_000), it.records(2_000));
    let tasks = [(a.clone(), ours.clone()), (b.clone(), theirs.clone())]
        .map(|(log, records)| tokio::spawn(async move { in_batches(&log, &records, 50).await }));
    for task in tasks {
        assert!(task.await.unwrap().is_sorted());
    }
    let mut found = whole(&a).await;
    assert_eq!(found, whole(&b).await);
    let mut wanted: Vec<_> = ours.iter().chain(&theirs).map(|it| it.id).collect();
    found.sort();
    wanted.sort();
    assert_eq!(found, wanted);
    it.assert_verifies().await;
    assert_eq!(it.judge(1).await.epochs[0].size, 4_000);
}

#[tokio::test]
async fn nodes_that_start_at_once_on_an_empty_database_make_one_log_and_one_key() {
    let Some(it) = Nodes::new().await else { return };
    let component = &gov_deferred_audit::store::postgres::COMPONENT;
    gov_store::postgres::migrate(&it.pool, component, it.clock().now()).await.unwrap();
    // Nobody sees that there is no log before everybody asks.
    let mut holder = it.pool.begin().await.unwrap();
    let lock = "lock table audit_log_checkpoint in access exclusive mode";
    sqlx::query(lock).execute(&mut *holder).await.unwrap();
    let [a, b, c] = [0, 1, 2].map(|n| it.try_open(it.places_without_key(n)));
    let together = async {
        while it.waiting_for_a_lock().await.len() < 3 {}
        holder.commit().await.unwrap();
    };
    let (a, b, c, ()) = tokio::join!(a, b, c, together);
    let opened = [a, b, c];
    assert_eq!(opened.iter().filter(|log| log.is_ok()).count(), 1);
    for (n, log) in opened.into_iter().enumerate() {
        let key = it.places_without_key(n).keys.join("audit-log.e1.key");
        assert_eq!(key.exists(), log.is_ok());
        if let Err(error) = log {
            let OpenError::KeyElsewhere { path } = &error else { panic!("{error:?}") };
            assert_eq!(*path, key);
            let message = error.to_string();
            assert!(message.contains("copy `log.key_dir` from the node that made it"), "{message}");
        }
    }
}

#[tokio::test]
async fn a_node_with_the_key_of_another_log_is_refused() {
    let Some(it) = Nodes::new().await else { return };
    let Some(other) = Nodes::new().await else { return };
    drop((it.node(0).await, other.node(0).await));
    let error = it.try_open(other.places(1)).await.unwrap_err();
    assert!(matches!(error, OpenError::Key(_)), "{error}");
    let mut places = it.places(1);
    places.domain = Some("elsewhere.example".to_owned());
    assert!(matches!(it.try_open(places).await, Err(OpenError::OtherDomain { .. })));
}

#[tokio::test]
async fn a_sink_opens_the_log_with_its_first_append() {
    let Some(it) = Nodes::new().await else { return };
    let mut sink = SignedEventsSink::lazy_postgres(it.own_pool().await, it.places(0), it.clock());
    assert!(!it.places_without_key(0).keys.exists());
    assert_eq!(sink.append(&it.records(1)).await, [AppendOutcome::Appended { seq: 1 }]);
}

#[tokio::test]
async fn a_connection_that_is_cut_in_the_middle_costs_no_record_and_doubles_none() {
    let Some(it) = Nodes::new().await else { return };
    let log = it.node(0).await;
    append(&log, &it.records(3)).await;
    let records = it.records(40);
    for (cut, record) in records.iter().enumerate() {
        // Somebody holds the head, so the append hangs in the middle of its transaction.
        let mut holder = it.pool.begin().await.unwrap();
        let lock = "select 1 from audit_log_checkpoint for update";
        sqlx::query(lock).execute(&mut *holder).await.unwrap();
        let (mut sink, batch) = (log.sink(), [record.clone()]);
        let appending = tokio::spawn(async move { sink.append(&batch).await });
        let waiting = loop {
            if let [pid] = it.waiting_for_a_lock().await[..] {
                break pid;
            }
        };
        let mut holder = Some(holder);
        // Cut while it waits, or anywhere on its way to the commit.
        if cut % 2 == 1 {
            drop(holder.take());
        }
        let cut_off = "select pg_terminate_backend($1)";
        sqlx::query(cut_off).bind(waiting).execute(&it.pool).await.unwrap();
        drop(holder);
        assert_eq!(appending.await.unwrap(), [AppendOutcome::Appended { seq: cut as u64 + 4 }]);
    }
    assert_eq!(whole(&log).await.len(), 43);
    assert_eq!(log.health(), HealthState::Healthy);
    it.assert_verifies().await;
}

#[tokio::test]
async fn a_head_that_another_transaction_holds_is_waited_for_and_that_is_said() {
    let Some(it) = Nodes::new().await else { return };
    let log = it.node(0).await;
    let mut holder = it.pool.begin().await.unwrap();
    let lock = "select 1 from audit_log_checkpoint for update";
    sqlx::query(lock).execute(&mut *holder).await.unwrap();
    let (mut sink, batch) = (log.sink(), it.records(1));
    let appending = tokio::spawn(async move { sink.append(&batch).await });
    let reason = until_dead(&log).await;
    assert!(reason.contains("lock timeout"), "{reason}");
    holder.rollback().await.unwrap();
    assert_eq!(appending.await.unwrap(), [AppendOutcome::Appended { seq: 1 }]);
    assert_eq!(log.health(), HealthState::Healthy);
}

#[tokio::test]
async fn a_tail_that_lies_far_behind_is_rebuilt_from_what_is_stored() {
    let Some(it) = Nodes::new().await else { return };
    let (a, b) = (it.node(0).await, it.node(1).await);
    append(&b, &it.records(3)).await;
    // More than is hashed to catch up: tiles of both levels are read.
    in_batches(&a, &it.records(2_500), 250).await;
    assert_eq!(append(&b, &it.records(2)).await, [2_504, 2_505]);
    assert_eq!(append(&a, &it.records(1)).await, [2_506]);
    assert_eq!(whole(&a).await.len(), 2_506);
    it.assert_verifies().await;
}

#[tokio::test]
async fn nothing_is_told_before_the_commit_returned() {
    let Some(it) = Nodes::new().await else { return };
    let log = it.node(0).await;
    append(&log, &it.records(1)).await;
    let mut committed = log.committed();
    committed.borrow_and_update();
    // A check at the commit itself: what was signed is then taken back.
    let refuse = "create function refuse() returns trigger language plpgsql as
                  $$ begin raise exception 'disk full' using errcode = '53100'; end $$;
                  create constraint trigger refuse after insert on audit_log_entry
                  deferrable initially deferred for each row execute function refuse()";
    sqlx::raw_sql(refuse).execute(&it.pool).await.unwrap();
    let (mut sink, batch) = (log.sink(), it.records(1));
    let appending = tokio::spawn(async move { sink.append(&batch).await });
    let reason = until_dead(&log).await;
    assert!(reason.contains("disk full"), "{reason}");
    assert!(!committed.has_changed().unwrap(), "told, and taken back");
    sqlx::raw_sql("drop trigger refuse on audit_log_entry").execute(&it.pool).await.unwrap();
    assert_eq!(appending.await.unwrap(), [AppendOutcome::Appended { seq: 2 }]);
    assert_eq!(committed.borrow_and_update().size, 2);
}

#[tokio::test]
async fn what_only_the_database_refuses_is_found_by_halving_the_batch() {
    let Some(it) = Nodes::new().await else { return };
    let log = it.node(0).await;
    let odd = "create function odd() returns trigger language plpgsql as
               $$ begin raise exception 'odd'; end $$;
               create trigger odd before insert on audit_log_payload for each row
               when (new.salt = decode(repeat('00', 16), 'hex')) execute function odd()";
    sqlx::raw_sql(odd).execute(&it.pool).await.unwrap();
    let mut batch: Vec<_> = (1..8).map(|n| it.record(n)).collect();
    batch[3].payload = gov_core::Payload::from_parts(b"{}".to_vec(), [0; 16]);
    let outcomes = log.sink().append(&batch).await;
    let wanted = [1, 2, 3, 0, 4, 5, 6].map(|seq| match seq {
        0 => AppendOutcome::DlqLanded,
        seq => AppendOutcome::Appended { seq },
    });
    assert_eq!(outcomes, wanted);
    assert_eq!(log.dlq_size().await.unwrap(), 1);
    it.assert_verifies().await;
}

#[tokio::test]
async fn rows_cannot_be_changed_through_sql() {
    let Some(it) = Nodes::new().await else { return };
    let log = it.node(0).await;
    in_batches(&log, &it.records(300), 100).await;
    for sql in [
        "update audit_log_entry set entry = '\\x00' where seq = 1",
        "delete from audit_log_entry where seq = 300",
        "truncate audit_log_entry",
        "update audit_log_payload set payload = '\\x00' where seq = 1",
        "truncate audit_log_payload",
        "update audit_log_tile set hashes = decode(repeat('00', 8192), 'hex')",
        "delete from audit_log_tile",
        "truncate audit_log_tile",
        "delete from audit_log_checkpoint",
        "truncate audit_log_checkpoint",
        "update audit_log_checkpoint set size = 299",
        "insert into audit_log_entry values (1, 0, gen_random_uuid(), '\\x00')",
        "insert into audit_log_entry values (1, null, gen_random_uuid(), '\\x00')",
        "insert into audit_log_entry select 1, 301, record_id, '\\x00' from audit_log_entry",
    ] {
        assert!(sqlx::raw_sql(sql).execute(&it.pool).await.is_err(), "{sql}");
    }
    it.assert_verifies().await;
    // Erasing a payload is the one change that is allowed, and it costs no proof.
    sqlx::raw_sql("delete from audit_log_payload where seq = 7").execute(&it.pool).await.unwrap();
    assert_eq!(log.records_after(6, 1).await.unwrap()[0].payload, None);
    assert_eq!(append(&it.node(1).await, &it.records(1)).await, [301]);
}

#[tokio::test]
async fn an_export_is_judged_whole_and_any_record_is_found_in_the_database() {
    let Some(it) = Nodes::new().await else { return };
    let (a, b) = (it.node(0).await, it.node(1).await);
    let records = it.records(300);
    in_batches(&a, &records[..150], 50).await;
    in_batches(&b, &records[150..], 50).await;
    let dir = it.dir(9);
    for written in [9, 0] {
        let exported = export_postgres(&it.pool, &dir, ExportOptions::default()).await.unwrap();
        assert_eq!((exported.epoch, exported.size, exported.written), (1, 300, written));
        let report = verify_export(&dir, &VerifyOptions::trusting(vec![it.vkey(1)])).unwrap();
        assert!(report.is_ok(), "{:?}", report.first_bad());
        assert_eq!(report.payloads.checked, 300);
    }
    let found = find_record_postgres(&it.pool, records[299].id).await.unwrap();
    assert_eq!(found, Some(RecordPlace { epoch: 1, seq: 300 }));
    assert_eq!(find_record_postgres(&it.pool, it.record(0).id).await.unwrap(), None);
    it.tamper("update audit_log_entry set entry = entry || '\\x20'::bytea where seq = 77").await;
    assert_eq!(it.judge(1).await.first_bad().unwrap().index, Some(76));
}

#[tokio::test]
async fn rows_that_only_the_database_knows_of_are_judged_too() {
    let misfiled = "update audit_log_entry set record_id = gen_random_uuid() where seq = 8";
    let stray = "insert into audit_log_entry values (2, 1, gen_random_uuid(), '\\x00'::bytea)";
    let planted = "insert into audit_log_pruned_record values (gen_random_uuid(), 1, 3)";
    for (sql, index, what) in
        [(misfiled, Some(7), "record_id"), (stray, None, "entry"), (planted, None, "pruned_record")]
    {
        let Some(it) = Nodes::new().await else { return };
        append(&it.node(0).await, &it.records(10)).await;
        it.assert_verifies().await;
        it.tamper(sql).await;
        let report = it.judge(1).await;
        let found = report.first_bad().unwrap();
        assert_eq!((found.index, found.what.as_str()), (index, what));
        assert!(matches!(report.integrity, Verdict::Failed(_)));
    }
}
