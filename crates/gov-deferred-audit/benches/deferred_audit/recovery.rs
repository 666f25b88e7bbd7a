//! What a start costs that finds a long spool.

use std::{sync::Arc, time::Instant};

use async_trait::async_trait;
use gov_core::SystemClock;
use gov_deferred_audit::{
    AppendOutcome, DeferredAuditQueue, DeferredAuditSink, Durability, LogRecord, QueueConfig,
    close_and_flush, spawn_supervised_drainer,
};
use tokio::runtime::Runtime;

use super::{Settings, parts};
use gov_store::bench::{Goal, Line};

/// Takes everything at once: what is measured is the spool.
#[derive(Debug)]
struct Taken(u64);

#[async_trait]
impl DeferredAuditSink for Taken {
    async fn append(&mut self, batch: &[LogRecord]) -> Vec<AppendOutcome> {
        let place = |_| {
            self.0 += 1;
            AppendOutcome::Appended { seq: self.0 }
        };
        batch.iter().map(place).collect()
    }
}

/// Time for a record must not grow with how many there are.
pub(crate) fn of_a_long_spool(settings: &Settings, runtime: &Runtime) {
    let many = if settings.bench.once { 10_000 } else { 1_000_000 };
    let few = many / 10;
    let [baseline, ours] = [few, many].map(|records| runtime.block_on(recover(records)));
    settings.bench.print(&Line {
        case: format!("recovery of {many} spooled records, beside {few}, a record"),
        ours,
        baseline,
        unit: "us/record",
        goal: Goal::AtMost(1.5),
    });
}

/// Microseconds a record, from opening to the last one handed to the sink.
async fn recover(records: u32) -> f64 {
    let dir = tempfile::tempdir().unwrap();
    let clock = Arc::new(SystemClock);
    let config = QueueConfig::in_dir(dir.path());
    {
        let (queue, _receiver) = DeferredAuditQueue::open(config.clone(), clock.clone()).unwrap();
        for _ in 0..records {
            queue.try_submit(parts::record(300), Durability::Spooled).unwrap();
        }
    }
    let started = Instant::now();
    let (queue, receiver) = DeferredAuditQueue::open(config, clock).unwrap();
    let supervisor = spawn_supervised_drainer(receiver, || Taken(0), &queue.metrics(), 0);
    let _ = close_and_flush(&queue, supervisor).await;
    let took = started.elapsed().as_secs_f64();
    assert_eq!(queue.metrics().appended(), u64::from(records));
    took * 1e6 / f64::from(records)
}
