//! What an answer of the whole way, queue to signed file, is worth; and what keeps it waiting.

use std::{sync::Arc, time::Duration};

use gov_core::{Clock as _, Health as _, HealthState};
use gov_deferred_audit::{
    DeferredAuditQueue, Durability, QueueConfig, SignedLog, Supervisor, close_and_flush,
    entry::Entry, spawn_supervised_drainer,
};
use rusqlite::Connection;

use crate::{fixture::Fixture, support::assert_balanced};

fn drained(it: &Fixture, log: &SignedLog) -> (DeferredAuditQueue, Supervisor) {
    let config = QueueConfig::in_dir(it.folder.path());
    let clock = Arc::new(it.clock.clone());
    let (queue, receiver) = DeferredAuditQueue::open(config, clock).unwrap();
    let sinks = log.clone();
    let supervisor = spawn_supervised_drainer(receiver, move || sinks.sink(), &queue.metrics(), 5);
    (queue, supervisor)
}

#[tokio::test]
async fn what_was_answered_durably_can_be_proved_at_once() {
    let it = Fixture::new();
    let log = it.open().await;
    let (queue, supervisor) = drained(&it, &log);
    // Over the end of a tile, alone and with company in its commit.
    for n in 0..260_u64 {
        let record = it.record(n);
        if n % 3 > 0 {
            queue.try_submit(it.record(n + 1_000), Durability::Spooled).unwrap();
        }
        let answer = queue.submit_durable(record.clone()).await.unwrap();
        let receipt = log.receipt(answer.seq).await.unwrap().unwrap();
        let stored = log.records_after(answer.seq - 1, 1).await.unwrap().remove(0);
        assert_eq!(Entry::from_bytes(&stored.entry).unwrap().id, record.id);
        let proved = receipt.verify(&stored.entry, &[log.key().clone()]).unwrap();
        assert!(proved.size >= answer.seq);
    }
    let _ = close_and_flush(&queue, supervisor).await;
    assert_eq!(log.committed().borrow().size, 260 + 173);
}

#[tokio::test]
async fn a_writer_that_holds_the_database_for_a_minute_costs_no_record() {
    let it = Fixture::new();
    let log = it.open().await;
    let (queue, supervisor) = drained(&it, &log);
    let holder = Connection::open(&it.config.database).unwrap();
    holder.execute_batch("begin immediate").unwrap();
    let held_since = it.clock.now();
    let records: Vec<_> = (0..600).map(|n| it.record(n)).collect();
    let (first, later) = records.split_at(300);
    for record in first {
        queue.try_submit(record.clone(), Durability::Spooled).unwrap();
    }
    let durable = {
        let (queue, record) = (queue.clone(), it.record(600));
        tokio::spawn(async move { queue.submit_durable(record).await })
    };
    let noticed = async {
        while log.health() == HealthState::Healthy {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_mins(1), noticed).await.unwrap();
    assert!(matches!(log.health(), HealthState::Dead(why) if why.contains("lock")));
    while it.clock.now() < held_since + Duration::from_mins(1) {
        it.clock.advance(Duration::from_secs(1));
        tokio::task::yield_now().await;
        assert_balanced(&queue);
    }
    for record in later {
        queue.try_submit(record.clone(), Durability::Spooled).unwrap();
    }
    assert!(!durable.is_finished());
    assert_eq!((queue.balance().pending, queue.metrics().append_failures()), (601, 0));
    holder.execute_batch("rollback").unwrap();

    let settled = async {
        while queue.balance().pending > 0 {
            it.clock.advance(Duration::from_secs(1));
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_mins(1), settled).await.unwrap();
    durable.await.unwrap().unwrap();
    assert_eq!(log.health(), HealthState::Healthy);
    let _ = close_and_flush(&queue, supervisor).await;
    assert_balanced(&queue);
    assert_eq!(log.dlq_size().await.unwrap(), 0);
    let stored = log.records_after(0, 1_000).await.unwrap();
    let ids = stored.iter().map(|it| Entry::from_bytes(&it.entry).unwrap().id);
    let spooled: Vec<_> = ids.filter(|id| records.iter().any(|it| it.id == *id)).collect();
    assert_eq!((stored.len(), spooled.len()), (601, 600));
    assert!(spooled.iter().eq(records.iter().map(|it| &it.id)), "out of order");
}
