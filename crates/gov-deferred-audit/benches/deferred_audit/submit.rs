//! What a submit costs its caller, by durability, with the drainer at work.

use std::{io::Write as _, sync::Arc, time::Instant};

use gov_core::SystemClock;
use gov_deferred_audit::{
    DeferredAuditQueue, Durability, LogConfig, LogRecord, QueueConfig, SignedLog, close_and_flush,
    spawn_supervised_drainer,
};
use tokio::runtime::Runtime;

use super::{Settings, parts};
use gov_store::bench::{Goal, Line, percentile};

/// One caller that submits without a pause, and for `Durable` waits for each answer.
pub(crate) fn latencies(settings: &Settings, runtime: &Runtime) {
    let count = settings.records / 2;
    let mut plain = plain_writes(count);
    for durability in [Durability::Memory, Durability::Spooled, Durability::Durable] {
        let count = if durability == Durability::Durable { count / 10 } else { count };
        let mut ours = runtime.block_on(submit(parts::records(count), durability));
        for (percent, name) in [(50, "p50"), (99, "p99")] {
            let judged = durability == Durability::Spooled && percent == 99;
            settings.bench.print(&Line {
                case: format!(
                    "submit {name}, {durability:?}, beside a plain write of the same bytes"
                ),
                ours: percentile(&mut ours, percent),
                baseline: percentile(&mut plain, percent),
                unit: "us",
                goal: if judged { Goal::AtMost(3.0) } else { Goal::None },
            });
        }
    }
}

/// Microseconds of each submit.
async fn submit(records: Vec<LogRecord>, durability: Durability) -> Vec<f64> {
    let dir = tempfile::tempdir().unwrap();
    let clock = Arc::new(SystemClock);
    let log = SignedLog::open(LogConfig::in_dir(dir.path()), clock.clone()).await.unwrap();
    let config = QueueConfig::in_dir(dir.path());
    let (queue, receiver) = DeferredAuditQueue::open(config, clock).unwrap();
    let supervisor = spawn_supervised_drainer(receiver, move || log.sink(), &queue.metrics(), 0);
    let mut spans = Vec::with_capacity(records.len());
    if durability == Durability::Durable {
        for record in records {
            let started = Instant::now();
            let _committed = queue.submit_durable(record).await.unwrap();
            spans.push(started.elapsed().as_secs_f64() * 1e6);
        }
    } else {
        let submitter = queue.clone();
        let submit = move || {
            let span = |record| {
                let started = Instant::now();
                submitter.try_submit(record, durability).unwrap();
                started.elapsed().as_secs_f64() * 1e6
            };
            records.into_iter().map(span).collect()
        };
        spans = tokio::task::spawn_blocking(submit).await.unwrap();
    }
    let _ = close_and_flush(&queue, supervisor).await;
    spans
}

fn plain_writes(count: u32) -> Vec<f64> {
    let frame = vec![7; 560];
    let mut file = tempfile::tempfile().unwrap();
    let span = |_| {
        let started = Instant::now();
        file.write_all(&frame).unwrap();
        started.elapsed().as_secs_f64() * 1e6
    };
    (0..count).map(span).collect()
}
