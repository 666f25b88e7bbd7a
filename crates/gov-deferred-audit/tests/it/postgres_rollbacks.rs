//! A deployment's database that was put back, or changed beneath the nodes that write it.

use gov_core::{Health as _, HealthState};
use gov_deferred_audit::{
    DeferredAuditSink as _, OpenError, SignedLog,
    signed_log::{
        Accepted, Place, ReadLogError, accept_rollback_postgres,
        conformance::{Deployment as _, append, in_batches, rebuilt},
    },
};
use tokio_util::sync::CancellationToken;

use crate::nodes::{Nodes, until_dead};

async fn copy_outside(log: &SignedLog) {
    let shutdown = CancellationToken::new();
    shutdown.cancel();
    log.clone().copy_outside(shutdown).await;
}

async fn accept(it: &Nodes, n: usize) -> Result<Accepted, OpenError> {
    let (pool, clock) = (it.own_pool().await, it.clock());
    accept_rollback_postgres(pool, it.places(n), clock.as_ref(), "the disk died").await
}

/// Appends one record, which cannot work; gives what the health says.
async fn refused(it: &Nodes, log: &SignedLog) -> String {
    let (mut sink, batch) = (log.sink(), it.records(1));
    let appending = tokio::spawn(async move { sink.append(&batch).await });
    let reason = until_dead(log).await;
    appending.abort();
    reason
}

#[tokio::test]
async fn a_database_put_back_is_refused_at_the_start_by_who_knows_more_and_by_nobody_else() {
    let Some(it) = Nodes::new().await else { return };
    let (a, b) = (it.node(0).await, it.node(1).await);
    append(&a, &it.records(5)).await;
    let old = it.keep_head().await;
    b.refresh().await.unwrap();
    copy_outside(&b).await;
    append(&a, &it.records(3)).await;
    copy_outside(&a).await;
    drop((a, b));
    it.put_back(old).await;
    let place = |size| Place { epoch: 1, size };
    let error = it.try_open(it.places(0)).await.unwrap_err();
    let OpenError::Rollback { database, outside, differs } = error else { panic!("{error:?}") };
    assert_eq!((database, outside, differs), (place(5), place(8), false));
    assert_eq!(it.node(1).await.committed().borrow().size, 5);
}

#[tokio::test]
async fn an_emptied_database_is_refused_by_a_node_that_knows_of_a_log() {
    let Some(it) = Nodes::new().await else { return };
    append(&it.node(0).await, &it.records(1)).await;
    it.tamper("delete from audit_log_entry; delete from audit_log_checkpoint").await;
    let error = it.try_open(it.places(0)).await.unwrap_err();
    assert!(matches!(error, OpenError::Rollback { .. }), "{error}");
}

#[tokio::test]
async fn a_database_put_back_beneath_a_running_node_is_never_signed_again() {
    let Some(it) = Nodes::new().await else { return };
    let log = it.node(0).await;
    append(&log, &it.records(5)).await;
    let old = it.keep_head().await;
    append(&log, &it.records(3)).await;
    it.put_back(old.clone()).await;
    let error = log.refresh().await.unwrap_err();
    assert!(matches!(error, ReadLogError::RolledBack { known: 8, found: 5 }), "{error}");
    let reason = refused(&it, &log).await;
    assert!(reason.contains("rollback detected: this process knows 8 records"), "{reason}");
    assert_eq!(it.keep_head().await, old);
}

#[tokio::test]
async fn other_records_of_the_same_key_in_place_of_known_ones_are_never_signed_again() {
    let Some(it) = Nodes::new().await else { return };
    let (a, b) = (it.node(0).await, it.node(1).await);
    append(&a, &it.records(5)).await;
    append(&b, &it.records(1)).await;
    let old = it.keep_head().await;
    append(&a, &it.records(3)).await;
    // Put back, and another node, which never saw the lost ones, goes on.
    it.put_back(old).await;
    append(&b, &it.records(4)).await;
    let head = it.keep_head().await;
    let reason = refused(&it, &a).await;
    assert!(reason.contains("did not grow out of what this process knows"), "{reason}");
    assert_eq!(it.keep_head().await, head);
}

#[tokio::test]
async fn a_head_that_nobody_signed_is_neither_built_upon_nor_told() {
    let Some(it) = Nodes::new().await else { return };
    let (a, b) = (it.node(0).await, it.node(1).await);
    in_batches(&a, &it.records(10), 5).await;
    // Whoever has the database and no key: the tree is right, the signature is of another size.
    let old = it.keep_head().await;
    append(&a, &it.records(1)).await;
    let (_, _, note) = old;
    it.tamper(&format!("update audit_log_checkpoint set note = '{note}'")).await;
    let error = b.refresh().await.unwrap_err();
    assert!(matches!(error, ReadLogError::Corrupt(_)), "{error}");
    assert_eq!(b.committed().borrow().size, 0);
    let reason = refused(&it, &b).await;
    assert!(reason.contains("its checkpoint does not fit its head"), "{reason}");
    let error = it.try_open(it.places(2)).await.unwrap_err();
    assert!(matches!(error, OpenError::Corrupt(_)), "{error}");
}

#[tokio::test]
async fn a_new_epoch_is_noticed_by_the_other_nodes_and_nothing_goes_into_the_old_one() {
    let Some(it) = Nodes::new().await else { return };
    let (a, b) = (it.node(0).await, it.node(1).await);
    append(&a, &it.records(5)).await;
    append(&b, &it.records(1)).await;
    let old = it.keep_head().await;
    copy_outside(&b).await;
    append(&a, &it.records(3)).await;
    copy_outside(&a).await;
    it.put_back(old).await;
    let accepted = accept(&it, 0).await.unwrap();
    let place = |size| Place { epoch: 1, size };
    assert_eq!((accepted.epoch, accepted.known, accepted.survived), (2, place(9), place(6)));
    assert!(matches!(accept(&it, 0).await, Err(OpenError::NoRollback)));

    let reason = refused(&it, &b).await;
    assert!(reason.contains("the log is in epoch 2 now, this process writes epoch 1"), "{reason}");
    let error = b.refresh().await.unwrap_err();
    assert!(matches!(error, ReadLogError::OtherEpoch { wanted: 1, found: 2 }), "{error}");

    // It opens the new epoch once it has the key, though its own copy knows the old one only.
    std::fs::remove_file(it.dir(1).join("keys/audit-log.e2.key")).ok();
    let error = it.try_open(it.places_without_key(1)).await.unwrap_err();
    assert!(matches!(error, OpenError::KeyElsewhere { .. }), "{error}");
    let (a, b) = (it.node(0).await, it.node(1).await);
    assert_eq!((a.epoch(), b.epoch()), (2, 2));
    assert_eq!(append(&b, &it.records(1)).await, [2]);
    assert_eq!(append(&a, &it.records(1)).await, [3]);
    assert_eq!((rebuilt(&b, 1).await, rebuilt(&b, 2).await), (6, 3));
    assert_eq!(a.find(accepted.record).await.unwrap(), Some((2, 1)));
    let report = it.judge(2).await;
    assert!(report.is_ok(), "{:?}", report.first_bad());
    assert_eq!(report.epochs.iter().map(|it| it.size).collect::<Vec<_>>(), [6, 3]);
}

#[tokio::test]
async fn whoever_only_looks_notices_a_new_epoch_too() {
    let Some(it) = Nodes::new().await else { return };
    let log = it.node(0).await;
    append(&log, &it.records(1)).await;
    let next = "insert into audit_log_checkpoint
                select 2, vkey, 0, root, note, null from audit_log_checkpoint";
    sqlx::raw_sql(next).execute(&it.pool).await.unwrap();
    assert!(matches!(log.refresh().await, Err(ReadLogError::OtherEpoch { .. })));
    assert!(matches!(log.health(), HealthState::Dead(_)));
}

#[tokio::test]
async fn an_epoch_that_begins_while_a_batch_waits_for_the_head_is_seen_by_that_batch() {
    let Some(it) = Nodes::new().await else { return };
    let log = it.node(0).await;
    append(&log, &it.records(1)).await;
    let mut other = it.pool.begin().await.unwrap();
    let lock = "select 1 from audit_log_checkpoint for update";
    sqlx::query(lock).execute(&mut *other).await.unwrap();
    let begin = async {
        while it.waiting_for_a_lock().await.is_empty() {}
        let next = "insert into audit_log_checkpoint
                    select 2, vkey, 0, root, note, null from audit_log_checkpoint";
        sqlx::raw_sql(next).execute(&mut *other).await.unwrap();
        other.commit().await.unwrap();
    };
    let (reason, ()) = tokio::join!(refused(&it, &log), begin);
    assert!(reason.contains("the log is in epoch 2 now"), "{reason}");
    assert_eq!(log.records_after(0, 10).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_node_that_knew_more_than_was_given_up_still_says_so() {
    let Some(it) = Nodes::new().await else { return };
    let (a, b) = (it.node(0).await, it.node(1).await);
    append(&a, &it.records(5)).await;
    let old = it.keep_head().await;
    append(&a, &it.records(1)).await;
    copy_outside(&a).await;
    append(&b, &it.records(3)).await;
    copy_outside(&b).await;
    it.put_back(old).await;
    assert_eq!(accept(&it, 0).await.unwrap().known.size, 6);
    let error = it.try_open(it.places(1)).await.unwrap_err();
    assert!(matches!(error, OpenError::Rollback { .. }), "{error}");
    assert_eq!(it.node(0).await.epoch(), 2);
}

#[tokio::test]
async fn a_log_that_goes_on_while_a_rollback_is_accepted_is_left_as_it_is() {
    let Some(it) = Nodes::new().await else { return };
    let log = it.node(0).await;
    append(&log, &it.records(1)).await;
    let (size, root, note) = it.keep_head().await;
    append(&log, &it.records(1)).await;
    let old = it.keep_head().await;
    append(&log, &it.records(1)).await;
    copy_outside(&log).await;
    it.put_back(old).await;
    // Stands for another node's batch: the head is another one when the lock is given.
    let mut other = it.pool.begin().await.unwrap();
    let moved = format!(
        "set local session_replication_role = replica;
         update audit_log_checkpoint
         set size = {size}, root = decode('{root}', 'hex'), note = '{note}'"
    );
    sqlx::raw_sql(sqlx::AssertSqlSafe(moved)).execute(&mut *other).await.unwrap();
    let go_on = async {
        while it.waiting_for_a_lock().await.is_empty() {}
        other.commit().await.unwrap();
    };
    let (accepted, ()) = tokio::join!(accept(&it, 0), go_on);
    assert!(matches!(accepted, Err(OpenError::Moved)), "{accepted:?}");
    assert_eq!(it.keep_head().await, (size, root, note));
}
