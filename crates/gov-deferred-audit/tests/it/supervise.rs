//! Sinks that panic, shutdowns that have a bound.

use std::{sync::Arc, time::Duration};

use gov_core::{Clock, HealthState, clock::ManualClock};
use gov_deferred_audit::{
    DEFAULT_SHUTDOWN_DRAIN_TIMEOUT, DeferredAuditQueue, Durability, SubmitError, close_and_flush,
    close_and_flush_within, drain_pending, spawn_drainer_task, spawn_supervised_drainer,
};

use crate::support::{Fixture, assert_balanced, ids, record, records};

#[tokio::test]
async fn a_panic_in_the_sink_costs_nothing() {
    for late in [false, true] {
        let it = Fixture::new();
        it.log.lock().panics = 3;
        it.log.lock().panics_late = late;
        let (queue, receiver) = it.open();
        let records = records(50);
        for record in records.clone() {
            queue.try_submit(record, Durability::Memory).unwrap();
        }
        let supervisor = it.drain(&queue, receiver);
        let _ = close_and_flush(&queue, supervisor).await;
        assert_eq!(it.log.ids(), ids(&records), "late: {late}");
        assert_eq!((queue.metrics().drainer_panics(), queue.metrics().appended()), (3, 50));
        assert_eq!(it.log.lock().sinks_made, 4, "each panic is followed by a fresh sink");
        assert_balanced(&queue);
    }
}

#[tokio::test]
async fn a_poisonous_record_is_found_and_dead_lettered_alone_wherever_it_stands() {
    for place in 0..256 {
        let it = Fixture::without_waits();
        let (queue, receiver) = it.open();
        let records = records(256);
        it.log.lock().poison.insert(records[place].id);
        for record in records.clone() {
            queue.try_submit(record, Durability::Spooled).unwrap();
        }
        let supervisor = it.drain(&queue, receiver);
        let _ = close_and_flush(&queue, supervisor).await;
        let mut expected = ids(&records);
        expected.remove(place);
        assert_eq!(it.log.ids(), expected, "place {place}");
        assert_eq!(it.log.lock().dead, [records[place].id]);
        let metrics = queue.metrics();
        assert_eq!((metrics.dlq_landed(), metrics.append_failures()), (1, 1));
        assert_balanced(&queue);
    }
}

#[tokio::test]
async fn a_poisonous_record_that_is_all_there_is_does_not_end_the_drainer() {
    let it = Fixture::new();
    let (queue, supervisor) = it.start();
    let (poison, good) = (record(1), record(2));
    it.log.lock().poison.insert(poison.id);
    let told = queue.submit_durable(poison.clone()).await.unwrap_err();
    assert!(matches!(told, SubmitError::DeadLettered { id } if id == poison.id), "{told}");
    assert_eq!(queue.submit_durable(good).await.unwrap().seq, 1);
    let _ = close_and_flush(&queue, supervisor).await;
    assert_balanced(&queue);
}

#[tokio::test]
async fn a_poisonous_record_that_no_sink_keeps_is_kept_in_the_quarantine() {
    let it = Fixture::new();
    let (queue, supervisor) = it.start();
    let poison = record(1);
    it.log.lock().poison.insert(poison.id);
    it.log.lock().no_dead_letters = true;
    queue.try_submit(poison.clone(), Durability::Spooled).unwrap();
    let _ = close_and_flush(&queue, supervisor).await;
    assert_eq!(it.quarantined(), [format!("record-{}.bin", poison.id)]);
    assert_eq!(queue.metrics().dlq_landed(), 1);
    assert_balanced(&queue);
}

#[tokio::test]
async fn too_many_panics_in_a_row_end_it_loudly_with_the_spool_intact() {
    let it = Fixture::new();
    it.log.lock().panics = u64::MAX;
    let (queue, receiver) = it.open();
    let records = records(300);
    for (n, record) in records.clone().into_iter().enumerate() {
        // What has no frame yet gets one when the drainer gives up.
        let durability = if n < 10 { Durability::Spooled } else { Durability::Memory };
        queue.try_submit(record, durability).unwrap();
    }
    let supervisor = it.drain(&queue, receiver);
    let flushed = supervisor.join().await;
    assert_eq!((flushed.left_in_spool, flushed.lost), (300, 0));
    assert!(!queue.is_open());
    assert!(matches!(queue.health(), HealthState::Dead(why) if why.contains("5 restarts")));
    assert!(queue.metrics().drainer_panics() > 5);
    assert_balanced(&queue);
    drop(queue);

    it.log.lock().panics = 0;
    it.flush().await;
    assert_eq!(it.log.ids(), ids(&records));
}

#[tokio::test]
async fn a_drainer_without_a_supervisor_ends_at_its_first_panic_and_loses_nothing() {
    let it = Fixture::new();
    it.log.lock().panics = 1;
    let (queue, receiver) = it.open();
    let record = record(1);
    queue.try_submit(record.clone(), Durability::Memory).unwrap();
    let flushed = spawn_drainer_task(receiver, it.log.sink()).join().await;
    assert_eq!(flushed.left_in_spool, 1);
    drop(queue);
    it.flush().await;
    assert_eq!(it.log.ids(), [record.id]);
}

#[tokio::test]
async fn a_back_off_waits_on_the_injected_clock() {
    let it = Fixture::new();
    it.log.lock().panics = 1;
    let clock = ManualClock::default();
    let (queue, receiver) =
        DeferredAuditQueue::open(it.config.clone(), Arc::new(clock.clone())).unwrap();
    let log = it.log.clone();
    let supervisor = spawn_supervised_drainer(receiver, move || log.sink(), &queue.metrics(), 5);
    queue.try_submit(record(1), Durability::Memory).unwrap();
    while queue.metrics().drainer_panics() == 0 {
        tokio::task::yield_now().await;
    }
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert!(it.log.ids().is_empty(), "it did not wait");
    clock.advance(Duration::from_secs(2));
    let _ = close_and_flush(&queue, supervisor).await;
    assert_eq!(it.log.ids().len(), 1);
}

#[tokio::test]
async fn a_drain_that_takes_too_long_says_so() {
    let it = Fixture::new();
    it.log.open_gate(false);
    let clock = ManualClock::default();
    let (queue, _receiver) =
        DeferredAuditQueue::open(it.config.clone(), Arc::new(clock.clone())).unwrap();
    let metrics = queue.metrics();
    assert!(drain_pending(&metrics, DEFAULT_SHUTDOWN_DRAIN_TIMEOUT).await, "nothing was pending");
    queue.try_submit(record(1), Durability::Memory).unwrap();
    let drain =
        tokio::spawn(async move { drain_pending(&metrics, DEFAULT_SHUTDOWN_DRAIN_TIMEOUT).await });
    while !drain.is_finished() {
        clock.advance(Duration::from_secs(5));
        tokio::task::yield_now().await;
    }
    assert!(!drain.await.unwrap());
}

#[tokio::test]
async fn what_was_refused_or_dead_lettered_counts_as_drained() {
    let mut it = Fixture::new();
    it.config.max_memory_records = 1;
    let (queue, receiver) = it.open();
    let poison = record(1);
    it.log.lock().poison.insert(poison.id);
    queue.try_submit(poison, Durability::Memory).unwrap();
    queue.try_submit(record(2), Durability::Memory).unwrap_err();
    let supervisor = it.drain(&queue, receiver);
    assert!(drain_pending(&queue.metrics(), Duration::from_mins(1)).await);
    let _ = close_and_flush(&queue, supervisor).await;
}

#[tokio::test]
async fn a_shutdown_at_its_bound_leaves_120_000_in_the_spool_and_loses_nothing() {
    let mut it = Fixture::new();
    it.config.max_memory_records = u64::MAX;
    it.log.open_gate(false);
    let clock = ManualClock::default();
    let (queue, receiver) =
        DeferredAuditQueue::open(it.config.clone(), Arc::new(clock.clone())).unwrap();
    let log = it.log.clone();
    let supervisor = spawn_supervised_drainer(receiver, move || log.sink(), &queue.metrics(), 5);
    let records = records(120_000);
    for record in records.clone() {
        queue.try_submit(record, Durability::Spooled).unwrap();
    }
    let waiting = record(0);
    let durable = {
        let (queue, waiting) = (queue.clone(), waiting.clone());
        tokio::spawn(async move { queue.submit_durable(waiting).await })
    };
    while queue.metrics().submitted() < 120_001 {
        tokio::task::yield_now().await;
    }
    let shutdown = {
        let queue = queue.clone();
        tokio::spawn(async move {
            close_and_flush_within(&queue, supervisor, DEFAULT_SHUTDOWN_DRAIN_TIMEOUT).await
        })
    };
    while !shutdown.is_finished() {
        clock.advance(DEFAULT_SHUTDOWN_DRAIN_TIMEOUT);
        tokio::task::yield_now().await;
    }
    let flushed = shutdown.await.unwrap();
    assert_eq!((flushed.left_in_spool, flushed.lost), (120_001, 0));
    let told = durable.await.unwrap().unwrap_err();
    assert!(matches!(told, SubmitError::Deferred { id } if id == waiting.id), "{told}");
    assert_balanced(&queue);
    drop(queue);

    it.log.open_gate(true);
    it.flush().await;
    let mut expected = ids(&records);
    expected.push(waiting.id);
    assert!(it.log.ids() == expected, "lost, repeated or out of order");
    assert!(clock.now() > ManualClock::default().now());
}
