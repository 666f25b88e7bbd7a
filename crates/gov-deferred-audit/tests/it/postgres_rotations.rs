//! The key of a deployment is rotated while its nodes run.

use gov_core::{Health as _, HealthState};
use gov_deferred_audit::{
    DeferredAuditSink as _, OpenError,
    signed_log::{
        Place, ReadLogError, Rotated,
        conformance::{Deployment as _, append},
        rotate_key_postgres,
    },
};

use crate::nodes::{Nodes, until_dead};

async fn rotate(it: &Nodes, n: usize) -> Result<Rotated, OpenError> {
    let (pool, clock) = (it.own_pool().await, it.clock());
    rotate_key_postgres(pool, it.places(n), clock.as_ref(), "it may have leaked").await
}

#[tokio::test]
async fn other_nodes_append_nothing_after_a_rotation_until_they_have_the_key() {
    let Some(it) = Nodes::new().await else { return };
    let (a, b) = (it.node(0).await, it.node(1).await);
    append(&a, &it.records(5)).await;
    let rotated = rotate(&it, 0).await.unwrap();
    assert_eq!((rotated.epoch, rotated.ended), (2, Place { epoch: 1, size: 5 }));

    let (mut sink, batch) = (b.sink(), it.records(1));
    let appending = tokio::spawn(async move { sink.append(&batch).await });
    let reason = until_dead(&b).await;
    appending.abort();
    assert!(reason.contains("the log is in epoch 2 now, this process writes epoch 1"), "{reason}");
    let error = b.refresh().await.unwrap_err();
    assert!(matches!(error, ReadLogError::OtherEpoch { wanted: 1, found: 2 }), "{error}");

    // Its own copy knows the old epoch, and not all of it: that is no rollback.
    let error = it.try_open(it.places_without_key(1)).await.unwrap_err();
    assert!(matches!(error, OpenError::KeyElsewhere { .. }), "{error}");
    let (a, b) = (it.node(0).await, it.node(1).await);
    assert_eq!((a.epoch(), b.epoch()), (2, 2));
    assert_eq!(append(&b, &it.records(1)).await, [2]);
    assert_eq!(append(&a, &it.records(1)).await, [3]);
    assert_eq!(a.find(rotated.record).await.unwrap(), Some((2, 1)));

    rotate(&it, 0).await.unwrap();
    let sizes: Vec<_> = a.epochs().await.unwrap().iter().map(|it| it.size).collect();
    assert_eq!(sizes, [5, 3, 1]);
    let report = it.judge_strictly(3).await;
    assert!(report.is_ok(), "{:?}", report.first_bad());
    assert_eq!(report.losses, []);
}

#[tokio::test]
async fn a_log_that_goes_on_while_its_key_is_rotated_is_left_as_it_is() {
    let Some(it) = Nodes::new().await else { return };
    let log = it.node(0).await;
    append(&log, &it.records(1)).await;
    let (size, root, note) = it.keep_head().await;
    append(&log, &it.records(1)).await;
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
    let (rotated, ()) = tokio::join!(rotate(&it, 0), go_on);
    assert!(matches!(rotated, Err(OpenError::Moved)), "{rotated:?}");
    assert_eq!(it.keep_head().await, (size, root, note));
}

#[tokio::test]
async fn a_deployment_without_a_log_has_no_key_to_rotate_and_gets_none() {
    let Some(it) = Nodes::new().await else { return };
    assert!(matches!(rotate(&it, 0).await, Err(OpenError::NoLog)));
    assert!(!it.places_without_key(0).keys.exists());
    let log = it.node(0).await;
    assert_eq!(rotate(&it, 0).await.unwrap().ended, Place { epoch: 1, size: 0 });
    let _ = log.refresh().await.unwrap_err();
    assert!(matches!(log.health(), HealthState::Dead(_)));
}
