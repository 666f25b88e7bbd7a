//! Appends by many callers.

use std::{fs::OpenOptions, io::Write as _, sync::Arc, time::Instant};

use gov_audit_buffer::{BufferConfig, Durability, EventBuffer};
use gov_core::{AuditEvent, SystemClock};
use gov_store::bench::{Bench, Goal, Line, fsyncs, percentile};
use metrics_util::debugging::Snapshotter;
use tokio::runtime::Runtime;

use super::{events::events, naive::Naive};

/// Appends a second at 1, 64 and 512 callers, beside autocommit, and beside ours without fsync.
pub(crate) fn beside_autocommit(bench: Bench, runtime: &Runtime, snapshots: &Snapshotter) {
    for (payload, name) in [(300, "300 B"), (8 << 10, "8 KiB")] {
        let naive = if bench.once { 100 } else { 4_000 };
        let seconds = Naive::new().insert(&events(naive, payload));
        let baseline = f64::from(naive) / seconds;
        for callers in [1, 64, 512] {
            let all = if bench.once { 1_024 } else { 51_200 };
            let count = if callers == 1 { all / 16 } else { all };
            let spooled = runtime.block_on(run(callers, count, payload, Durability::Spooled));
            // Whatever was counted before does not count.
            let _ = fsyncs(snapshots);
            let durable = runtime.block_on(run(callers, count, payload, Durability::Durable));
            let waited = f64::from(fsyncs(snapshots));
            let reachable = 0.6 * spooled.rate / baseline;
            let goal = |times: f64| Goal::AtLeast((times.min(reachable) * 10.0).round() / 10.0);
            bench.print(&Line {
                case: format!(
                    "{count} durable appends of {callers} callers, {name}, beside autocommit at FULL"
                ),
                ours: durable.rate,
                baseline,
                unit: "events/s",
                goal: match callers {
                    64 => goal(8.0),
                    512 => goal(30.0),
                    _ => Goal::None,
                },
            });
            bench.print(&Line {
                case: format!("the same, {callers} callers, {name}, beside ours without fsync"),
                ours: durable.rate,
                baseline: spooled.rate,
                unit: "events/s",
                goal: if callers == 512 { Goal::AtLeast(0.6) } else { Goal::None },
            });
            bench.print(&Line {
                case: format!("fsyncs per 1000 appends of {callers} callers, {name}"),
                ours: waited / f64::from(count) * 1000.0,
                baseline: 1000.0,
                unit: "fsyncs",
                goal: if callers == 512 && payload == 300 {
                    Goal::AtMost(0.008)
                } else {
                    Goal::None
                },
            });
        }
    }
}

/// The 99th percentile of a durable append of 64 callers, beside that of a plain `fdatasync`.
pub(crate) fn latency_beside_fdatasync(bench: Bench, runtime: &Runtime) {
    let count = if bench.once { 1_024 } else { 51_200 };
    let mut plain = fdatasyncs(if bench.once { 100 } else { 4_000 });
    let mut ours = runtime.block_on(run(64, count, 300, Durability::Durable));
    for percent in [50, 99] {
        bench.print(&Line {
            case: format!(
                "durable append p{percent}, 64 callers, 300 B, beside write and fdatasync"
            ),
            ours: percentile(&mut ours.spans, percent),
            baseline: percentile(&mut plain, percent),
            unit: "us",
            goal: if percent == 99 { Goal::AtMost(4.0) } else { Goal::None },
        });
    }
    let mut spooled = runtime.block_on(run(1, count / 16, 300, Durability::Spooled));
    let mut alone = runtime.block_on(run(1, count / 16, 300, Durability::Durable));
    for (name, spans) in [("spooled", &mut spooled.spans), ("durable", &mut alone.spans)] {
        bench.print(&Line {
            case: format!("{name} append p99, one caller, 300 B, beside write and fdatasync"),
            ours: percentile(spans, 99),
            baseline: percentile(&mut plain, 99),
            unit: "us",
            goal: Goal::None,
        });
    }
}

/// What a run has measured.
pub(crate) struct Run {
    /// Events a second.
    pub(crate) rate: f64,
    /// Microseconds of each append.
    spans: Vec<f64>,
}

/// Microseconds of each write of 600 bytes that is synced.
fn fdatasyncs(count: u32) -> Vec<f64> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("plain");
    let mut file = OpenOptions::new().create_new(true).append(true).open(path).unwrap();
    let bytes = [7; 600];
    let one = |_| {
        let started = Instant::now();
        file.write_all(&bytes).unwrap();
        file.sync_data().unwrap();
        started.elapsed().as_secs_f64() * 1e6
    };
    (0..count).map(one).collect()
}

async fn run(callers: u32, count: u32, payload: usize, durability: Durability) -> Run {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("audit-buffer.db");
    let buffer = EventBuffer::open(&path, BufferConfig::default(), Arc::new(SystemClock)).unwrap();
    let run = appends(&buffer, callers, events(count, payload), durability).await;
    assert_eq!(buffer.len(), u64::from(count));
    buffer.close().await;
    run
}

/// Lets `callers` tasks append the events, each waiting for its answers.
pub(crate) async fn appends(
    buffer: &EventBuffer,
    callers: u32,
    events: Vec<AuditEvent>,
    durability: Durability,
) -> Run {
    let count = events.len();
    let each = count.div_ceil(callers as usize);
    let mut events = events.into_iter();
    let work: Vec<Vec<AuditEvent>> =
        (0..callers).map(|_| events.by_ref().take(each).collect()).collect();
    let started = Instant::now();
    let tasks: Vec<_> = work
        .into_iter()
        .map(|events| {
            let buffer = buffer.clone();
            tokio::spawn(async move {
                let mut spans = Vec::with_capacity(events.len());
                for event in events {
                    let started = Instant::now();
                    buffer.append(&event, durability).await.unwrap();
                    spans.push(started.elapsed().as_secs_f64() * 1e6);
                }
                spans
            })
        })
        .collect();
    let mut spans = Vec::with_capacity(count);
    for task in tasks {
        spans.extend(task.await.unwrap());
    }
    let count = u32::try_from(count).unwrap();
    Run { rate: f64::from(count) / started.elapsed().as_secs_f64(), spans }
}
