//! Handing records in: order, bounds, what is refused.

use std::sync::Arc;

use gov_core::{AgentAction, Decision, SystemClock};
use gov_deferred_audit::{
    DeferredAuditQueue, Durability, OpenQueueError, OpenSpoolError, SubmitError, close_and_flush,
    drain_pending,
};
use serde_json::Value;

use crate::support::{Fixture, assert_balanced, ids, record, record_of, records};

const LONG: std::time::Duration = std::time::Duration::from_mins(2);

fn refusal() -> Decision {
    Decision::Refuse { rule_id: "no-rm".parse().unwrap(), reason: "why".into() }
}

async fn a_burst_loses_nothing(count: usize, durability: Durability) {
    let mut it = Fixture::new();
    it.config.max_memory_records = u64::MAX;
    it.config.max_memory_bytes = u64::MAX;
    let (queue, supervisor) = it.start();
    let records = records(count);
    for record in records.clone() {
        queue.try_submit(record, durability).unwrap();
    }
    let _ = close_and_flush(&queue, supervisor).await;
    assert!(it.log.ids() == ids(&records), "lost, repeated or out of order");
    assert_balanced(&queue);
}

#[tokio::test]
async fn a_burst_of_200_loses_nothing_and_keeps_its_order() {
    for durability in [Durability::Spooled, Durability::Memory, Durability::Durable] {
        a_burst_loses_nothing(200, durability).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_burst_of_200_000_loses_nothing_and_keeps_its_order() {
    a_burst_loses_nothing(200_000, Durability::Spooled).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_of_many_submitters_keeps_its_order_under_mixed_durability() {
    let it = Fixture::new();
    let (queue, supervisor) = it.start();
    let submitters = (0..8).map(|_| {
        let queue = queue.clone();
        tokio::spawn(async move {
            let records = records(500);
            for (n, record) in records.iter().enumerate() {
                match n % 7 {
                    0 => drop(queue.submit_durable(record.clone()).await.unwrap()),
                    1 => drop(queue.try_submit(record.clone(), Durability::Memory).unwrap()),
                    _ => drop(queue.try_submit(record.clone(), Durability::Spooled).unwrap()),
                }
            }
            ids(&records)
        })
    });
    let mut sent = Vec::new();
    for submitter in submitters.collect::<Vec<_>>() {
        sent.push(submitter.await.unwrap());
    }
    let _ = close_and_flush(&queue, supervisor).await;
    let log = it.log.ids();
    for mine in sent {
        let wanted: std::collections::HashSet<_> = mine.iter().collect();
        let found: Vec<_> = log.iter().filter(|id| wanted.contains(id)).copied().collect();
        assert!(found == mine, "the order of one submitter is broken");
    }
    assert_balanced(&queue);
}

#[tokio::test]
async fn a_submit_returns_while_the_log_is_locked_and_nothing_is_lost_by_it() {
    let it = Fixture::new();
    it.log.open_gate(false);
    let (queue, supervisor) = it.start();
    let records = records(1000);
    for record in records.clone() {
        queue.try_submit(record, Durability::Spooled).unwrap();
    }
    assert!(it.log.ids().is_empty());
    assert_balanced(&queue);
    it.log.open_gate(true);
    assert!(drain_pending(&queue.metrics(), LONG).await, "not drained while senders are alive");
    assert!(queue.is_open());
    assert_eq!(it.log.ids(), ids(&records));
    let _ = close_and_flush(&queue, supervisor).await;
}

#[tokio::test]
async fn what_queued_up_while_the_last_append_ran_is_one_batch_of_at_most_256() {
    let it = Fixture::new();
    it.log.open_gate(false);
    let (queue, supervisor) = it.start();
    for record in records(600) {
        queue.try_submit(record, Durability::Memory).unwrap();
    }
    it.log.open_gate(true);
    let _ = close_and_flush(&queue, supervisor).await;
    let batches = it.log.lock().batches.clone();
    assert!(batches.iter().all(|size| *size <= 256), "{batches:?}");
    assert!(batches.len() <= 4, "{batches:?}");
}

#[tokio::test]
async fn a_durable_submit_resolves_with_its_place_in_the_log_and_not_before_it_is_there() {
    let it = Fixture::new();
    it.log.open_gate(false);
    let (queue, supervisor) = it.start();
    let record = record(1);
    let mut submit = Box::pin(queue.submit_durable(record.clone()));
    let waiting = std::future::poll_fn(|cx| {
        std::task::Poll::Ready(std::future::Future::poll(submit.as_mut(), cx).is_pending())
    });
    assert!(waiting.await, "acknowledged before it is in the log");
    assert_eq!(it.spool_bytes().len(), 32, "a durable record needs no frame");
    it.log.open_gate(true);
    let committed = submit.await.unwrap();
    assert_eq!((committed.id, committed.seq), (record.id, 1));
    assert_eq!(it.log.ids(), [record.id]);
    let _ = close_and_flush(&queue, supervisor).await;
}

#[tokio::test]
async fn what_waits_in_memory_is_bounded_and_the_bound_is_named() {
    let mut it = Fixture::new();
    it.config.max_memory_records = 3;
    let (queue, _receiver) = it.open();
    for record in records(3) {
        queue.try_submit(record, Durability::Memory).unwrap();
    }
    let error = queue.try_submit(record(4), Durability::Durable).unwrap_err();
    assert!(matches!(error, SubmitError::Full { what: "records in memory", limit: 3 }), "{error}");
    assert_eq!((queue.metrics().submitted(), queue.metrics().send_failures()), (4, 1));
    assert_balanced(&queue);
}

#[tokio::test]
async fn bytes_that_wait_in_memory_are_bounded_too() {
    let mut it = Fixture::new();
    it.config.max_memory_bytes = 10_000;
    let (queue, _receiver) = it.open();
    queue.try_submit(record_of(1, 9_000), Durability::Memory).unwrap();
    let error = queue.try_submit(record_of(2, 9_000), Durability::Memory).unwrap_err();
    assert!(matches!(error, SubmitError::Full { what: "bytes in memory", .. }), "{error}");
}

#[tokio::test]
async fn a_full_spool_refuses_with_its_bound_and_takes_again_when_drained() {
    let mut it = Fixture::new();
    it.config.limits.max_bytes = 8_000;
    it.log.open_gate(false);
    let (queue, supervisor) = it.start();
    let mut taken = 0;
    let error = loop {
        match queue.try_submit(record(taken), Durability::Spooled) {
            Ok(_) => taken += 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(error, SubmitError::Full { limit: 8_000, .. }), "{error}");
    assert_balanced(&queue);
    it.log.open_gate(true);
    assert!(drain_pending(&queue.metrics(), LONG).await);
    // The flusher removes the drained segments in its own time.
    while queue.try_submit(record(0), Durability::Spooled).is_err() {
        tokio::task::yield_now().await;
    }
    let _ = close_and_flush(&queue, supervisor).await;
    assert_eq!(it.log.ids().len(), taken + 1);
    assert_balanced(&queue);
}

#[tokio::test]
async fn more_than_fits_in_memory_is_read_back_from_the_spool_in_order() {
    let mut it = Fixture::new();
    it.config.max_cached_records = 10;
    it.config.limits.segment_bytes = 4_000;
    it.log.open_gate(false);
    let (queue, supervisor) = it.start();
    let records: Vec<_> = (0..700).map(|n| record_of(n, n % 300)).collect();
    for record in records.clone() {
        queue.try_submit(record, Durability::Spooled).unwrap();
        tokio::task::yield_now().await;
    }
    assert_balanced(&queue);
    it.log.open_gate(true);
    let _ = close_and_flush(&queue, supervisor).await;
    assert!(it.log.ids() == ids(&records), "lost, repeated or out of order");
    assert!(it.log.lock().rows == records, "a record came back changed");
    assert_balanced(&queue);
}

#[tokio::test]
async fn a_part_that_is_too_large_is_refused_with_its_name_and_its_limit() {
    let it = Fixture::new();
    let (queue, _receiver) = it.open();
    let error = queue.try_submit(record_of(1, 2 << 20), Durability::Spooled).unwrap_err();
    let SubmitError::TooLarge { what, limit, got } = error else { panic!("{error}") };
    assert_eq!((what, limit), ("payload", 1_114_112));
    assert!(got > limit);
    assert_eq!(it.spool_bytes().len(), 32, "nothing of it may remain");
    assert_balanced(&queue);
}

#[tokio::test]
async fn a_reason_of_1_mib_is_refused_and_an_action_of_1_mib_is_carried_whole() {
    let it = Fixture::new();
    let (queue, supervisor) = it.start();
    let agent = "agent".parse().unwrap();
    let action = AgentAction::Bash { command: "x".repeat(1 << 20), cwd: None };
    let long = Decision::Refuse { rule_id: "r".parse().unwrap(), reason: "y".repeat(1 << 20) };
    assert!(!queue.submit_refusal(&agent, &action, &long));
    assert!(queue.submit_refusal(&agent, &action, &refusal()));
    let _ = close_and_flush(&queue, supervisor).await;
    let rows = it.log.lock().rows.clone();
    assert_eq!(rows.len(), 1);
    assert!(rows[0].payload.as_bytes().len() > 1 << 20);
    assert_balanced(&queue);
}

#[tokio::test]
async fn json_that_nests_too_deep_and_paths_that_are_no_text_do_not_make_submit_panic() {
    let it = Fixture::new();
    let (queue, supervisor) = it.start();
    let agent = "agent".parse().unwrap();
    let mut deep = Value::Null;
    for _ in 0..2_000 {
        deep = Value::Array(vec![deep]);
    }
    let action = AgentAction::Custom { custom_kind: "deep".into(), payload: deep };
    assert!(!queue.submit_refusal(&agent, &action, &refusal()));
    let path = gov_core::ActionPath::new([b'/', 0xff, 0, b'\n']);
    let action = AgentAction::FilesystemWrite { path, byte_estimate: None };
    assert!(queue.submit_refusal(&agent, &action, &refusal()));
    let _ = close_and_flush(&queue, supervisor).await;
    assert_eq!(it.log.ids().len(), 1);
    assert_balanced(&queue);
}

#[tokio::test]
async fn what_is_no_refusal_needs_no_record() {
    let it = Fixture::new();
    let (queue, _receiver) = it.open();
    let action = AgentAction::Bash { command: "ls".into(), cwd: None };
    assert!(queue.submit_refusal(&"agent".parse().unwrap(), &action, &Decision::Allow));
    assert_eq!(queue.metrics().submitted(), 0);
}

#[tokio::test]
async fn a_closed_queue_says_so_and_counts_what_it_refuses() {
    let it = Fixture::new();
    let (queue, supervisor) = it.start();
    let _ = close_and_flush(&queue, supervisor).await;
    assert!(!queue.is_open());
    let error = queue.try_submit(record(1), Durability::Spooled).unwrap_err();
    assert!(matches!(error, SubmitError::Closed));
    assert!(matches!(queue.submit_durable(record(2)).await, Err(SubmitError::Closed)));
    assert_eq!(queue.metrics().send_failures(), 2);
    assert_balanced(&queue);
}

#[tokio::test]
async fn a_second_queue_on_the_same_spool_gets_a_clear_error() {
    let it = Fixture::new();
    let (queue, receiver) = it.open();
    let second = || DeferredAuditQueue::open(it.config.clone(), Arc::new(SystemClock));
    let error = second().unwrap_err();
    assert!(matches!(error, OpenQueueError::Spool(OpenSpoolError::Locked { .. })), "{error}");
    assert!(error.to_string().contains("in use by another process"), "{error}");
    drop((queue, receiver));
    assert!(second().is_ok(), "the lock must go with its holder");
}

#[test]
fn a_submit_needs_no_runtime_and_works_inside_any_callers_transaction() {
    let it = Fixture::new();
    let (queue, _receiver) = it.open();
    queue.try_submit(record(1), Durability::Spooled).unwrap();
    assert!(it.spool_bytes().len() > 100);
    assert_eq!(queue.balance().pending, 1);
}
