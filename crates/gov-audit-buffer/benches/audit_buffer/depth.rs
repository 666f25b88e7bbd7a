//! That an append costs the same however much waits, and a restart too.

use std::{sync::Arc, time::Instant};

use gov_audit_buffer::{BufferConfig, Durability, EventBuffer};
use gov_core::SystemClock;
use gov_store::bench::{Bench, Goal, Line, percentile};
use tokio::runtime::Runtime;

use super::{appends::appends, events::events, naive::Naive};

/// The cost of a spooled append on 10, 10⁴ and 10⁶ events that wait, and of a restart with them.
pub(crate) fn of_an_append(bench: Bench, runtime: &Runtime) {
    let (runs, sample) = if bench.once { (1, 1_000) } else { (5, 4_000) };
    let depths: &[u32] = if bench.once { &[10, 10_000] } else { &[10, 10_000, 1_000_000] };
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("audit-buffer.db");
    let open = || EventBuffer::open(&path, BufferConfig::default(), Arc::new(SystemClock)).unwrap();
    let mut shallow = None;
    // A median, for the disk is also busy with what a fill left to it.
    for depth in depths.iter().copied() {
        let (micros, reopened) = runtime.block_on(async {
            let buffer = open();
            fill(&buffer, depth).await;
            buffer.close().await;
            let started = Instant::now();
            let buffer = open();
            let reopened = started.elapsed().as_secs_f64();
            let mut micros = Vec::new();
            for _ in 0..runs {
                let run = appends(&buffer, 64, events(sample, 300), Durability::Spooled).await;
                micros.push(1e6 / run.rate);
            }
            buffer.close().await;
            (percentile(&mut micros, 50), reopened)
        });
        let baseline = *shallow.get_or_insert(micros);
        bench.print(&Line {
            case: format!("append with {depth} waiting, 64 callers, 300 B, spooled, beside 10"),
            ours: micros,
            baseline,
            unit: "us",
            goal: if depth == 10 { Goal::None } else { Goal::AtMost(1.2) },
        });
        bench.print(&Line {
            case: format!("restart with {depth} waiting, beside one second"),
            ours: reopened,
            baseline: 1.0,
            unit: "s",
            goal: Goal::None,
        });
    }
    let mut naive = Naive::new();
    let deep = if bench.once { 10_000 } else { 100_000 };
    let few = events(20, 300);
    let empty = naive.count_and_insert(&few) / 20.0 * 1e6;
    naive.fill(deep, few.first().unwrap());
    bench.print(&Line {
        case: format!("the seed's way, which counts: an insert with {deep} waiting, beside 20"),
        ours: naive.count_and_insert(&few) / 20.0 * 1e6,
        baseline: empty,
        unit: "us",
        goal: Goal::None,
    });
}

/// Fills up to `depth` events.
async fn fill(buffer: &EventBuffer, depth: u32) {
    while buffer.len() < u64::from(depth) {
        let missing = u32::try_from(u64::from(depth) - buffer.len()).unwrap();
        let more = events(missing.min(50_000), 300);
        appends(buffer, 512.min(missing), more, Durability::Spooled).await;
    }
}
