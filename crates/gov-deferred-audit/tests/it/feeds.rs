//! A component's history reaches the log: once, in order, whatever is repeated.

use std::{sync::Arc, time::Duration};

use gov_core::{RecordId, SystemClock};
use gov_deferred_audit::{Durability, Feed as _, FeedFollower, FollowerConfig, close_and_flush};
use tokio_util::sync::CancellationToken;

use crate::{
    support::{Fixture, assert_balanced, record},
    toy_component::{NAME, Toy, history_key},
};

fn derived(positions: std::ops::RangeInclusive<u64>) -> Vec<RecordId> {
    positions.map(|position| RecordId::derived(NAME, &history_key(position))).collect()
}

fn follower(toy: &Arc<Toy>, queue: &gov_deferred_audit::DeferredAuditQueue) -> FeedFollower {
    let config = FollowerConfig { poll_interval: Duration::from_hours(1), batch: 3 };
    FeedFollower::new(toy.clone(), queue.clone(), Arc::new(SystemClock), config)
}

#[tokio::test]
async fn every_history_row_reaches_the_log_once_and_in_order() {
    let it = Fixture::new();
    let toy = Arc::new(Toy::open(it.dir.path()).unwrap());
    for n in 0..10 {
        toy.change(n % 3, format!("state {n}")).await.unwrap();
    }
    let (queue, supervisor) = it.start();
    let report = follower(&toy, &queue).run_once().await.unwrap();
    assert_eq!((report.logged, toy.cursor().await.unwrap()), (10, 10));
    assert_eq!(it.log.ids(), derived(1..=10));
    let _ = close_and_flush(&queue, supervisor).await;
    assert_balanced(&queue);
}

#[tokio::test]
async fn rows_that_are_read_again_after_a_crash_are_in_the_log_once() {
    let it = Fixture::new();
    let toy = Arc::new(Toy::open(it.dir.path()).unwrap());
    let (queue, supervisor) = it.start();
    for n in 0..5 {
        toy.change(n, "new".into()).await.unwrap();
    }
    follower(&toy, &queue).run_once().await.unwrap();
    // The cursor was not stored: the process died between the log and the component.
    toy.set_cursor(2).await.unwrap();
    follower(&toy, &queue).run_once().await.unwrap();
    assert_eq!(it.log.ids(), derived(1..=5));
    let _ = close_and_flush(&queue, supervisor).await;
}

#[tokio::test]
async fn the_cursor_does_not_pass_a_row_that_the_log_does_not_have() {
    let mut it = Fixture::new();
    it.config.max_memory_records = 4;
    it.log.open_gate(false);
    let toy = Arc::new(Toy::open(it.dir.path()).unwrap());
    for n in 0..6 {
        toy.change(n, "new".into()).await.unwrap();
    }
    let (queue, receiver) = it.open();
    for n in 0..3 {
        queue.try_submit(record(n), Durability::Memory).unwrap();
    }
    let pass = {
        let follower = follower(&toy, &queue);
        tokio::spawn(async move { follower.run_once().await })
    };
    while queue.metrics().send_failures() == 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(toy.cursor().await.unwrap(), 0, "moved before the log had the row");
    it.log.open_gate(true);
    let supervisor = it.drain(&queue, receiver);
    assert!(pass.await.unwrap().is_err(), "a full queue ends the pass");
    assert_eq!(toy.cursor().await.unwrap(), 1);
    follower(&toy, &queue).run_once().await.unwrap();
    assert_eq!(it.log.ids()[3..], derived(1..=6));
    let _ = close_and_flush(&queue, supervisor).await;
    assert_balanced(&queue);
}

#[tokio::test]
async fn who_changes_the_state_can_wait_until_the_log_has_the_change() {
    let it = Fixture::new();
    let toy = Arc::new(Toy::open(it.dir.path()).unwrap());
    let (queue, supervisor) = it.start();
    let follower = follower(&toy, &queue);
    let (handle, shutdown) = (follower.handle(), CancellationToken::new());
    let running = tokio::spawn(follower.run(shutdown.clone()));
    for n in 0..3 {
        let position = toy.change(n, "new".into()).await.unwrap();
        handle.nudge();
        handle.logged(position).await;
        assert_eq!(it.log.ids(), derived(1..=position));
    }
    shutdown.cancel();
    running.await.unwrap();
    let _ = close_and_flush(&queue, supervisor).await;
}
