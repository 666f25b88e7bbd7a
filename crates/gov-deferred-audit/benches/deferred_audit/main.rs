//! What the queue and the log cost, beside the naive way, in the same run.
//!
//! One JSON object a line; `--once` is the quick form, whose ratios are not judged. The naive way
//! is the one that the design describes: for each event an immediate transaction that reads the
//! head, hashes, signs, inserts and commits.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a bench measures with the real clock, and stops at the first surprise"
)]

mod naive;
mod parts;
mod postgres;
mod proofs;
mod recovery;
mod submit;

use std::{sync::Arc, time::Instant};

use gov_core::SystemClock;
use gov_deferred_audit::{
    DeferredAuditQueue, LogConfig, QueueConfig, SignedLog, close_and_flush,
    spawn_supervised_drainer,
};
use gov_store::bench::{Bench, Goal, Line, fsyncs};
use metrics_util::debugging::{DebuggingRecorder, Snapshotter};

struct Settings {
    bench: Bench,
    records: u32,
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if let [_, first, records, synchronous] = arguments.as_slice()
        && first == naive::CHILD
    {
        naive::records_per_second(records.parse().unwrap(), synchronous);
        return;
    }
    let bench = Bench::from_arguments("deferred_audit");
    let once = bench.once;
    let settings = Settings { bench, records: if once { 2_000 } else { 20_000 } };
    let recorder = DebuggingRecorder::new();
    let snapshots = recorder.snapshotter();
    metrics::set_global_recorder(recorder).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let naive_records = if once { 200 } else { 4_000 };
    let full = naive::records_per_second(naive_records, "full");
    let normal = naive::records_per_second(naive_records, "normal");
    naive::describe(naive_records);
    let larger = if once { &[][..] } else { &[(64, 200_000), (512, 200_000)] };
    let cases = [1, 8, 64, 512].map(|submitters| (submitters, settings.records));
    for (submitters, records) in cases.iter().chain(larger).copied() {
        // One caller waits for each commit; a tenth says as much.
        let records = if submitters == 1 { records / 10 } else { records };
        let (ours, fsyncs) = runtime.block_on(durable(submitters, records, &snapshots));
        for (baseline, name) in [(full, "FULL"), (normal, "NORMAL")] {
            let judged = submitters >= 64;
            settings.bench.print(&Line {
                case: format!(
                    "{records} records of {submitters} submitters, durable, beside the naive way at {name}"
                ),
                ours,
                baseline,
                unit: "records/s",
                goal: if judged { Goal::AtLeast(8.0) } else { Goal::None },
            });
        }
        settings.bench.print(&Line {
            case: format!("fsyncs per 1000 of {records} records, {submitters} submitters"),
            ours: fsyncs,
            baseline: 1000.0,
            unit: "fsyncs",
            goal: match submitters {
                64 => Goal::AtMost(0.02),
                512 => Goal::AtMost(0.008),
                _ => Goal::None,
            },
        });
    }
    submit::latencies(&settings, &runtime);
    parts::full_verify(&settings, &runtime);
    parts::log_overhead(&settings, &runtime);
    proofs::of_a_large_log(&settings, &runtime);
    recovery::of_a_long_spool(&settings, &runtime);
    postgres::shared_log(&settings, &runtime);
}

/// Records a second, and fsyncs of the log's file for each thousand of them.
async fn durable(submitters: u32, records: u32, snapshots: &Snapshotter) -> (f64, f64) {
    let dir = tempfile::tempdir().unwrap();
    let clock = Arc::new(SystemClock);
    let log = SignedLog::open(LogConfig::in_dir(dir.path()), clock.clone()).await.unwrap();
    let (queue, receiver) =
        DeferredAuditQueue::open(QueueConfig::in_dir(dir.path()), clock).unwrap();
    let sinks = log.clone();
    let supervisor = spawn_supervised_drainer(receiver, move || sinks.sink(), &queue.metrics(), 0);
    let each = records / submitters;
    // Dealt out in turn: ids are minted at submit, so what comes together has neighbouring ones.
    let mut work = vec![Vec::new(); submitters as usize];
    let turns = (0..submitters as usize).cycle();
    parts::records(each * submitters).into_iter().zip(turns).for_each(|(it, at)| work[at].push(it));
    // Whatever was counted before does not count.
    let _ = fsyncs(snapshots);
    let started = Instant::now();
    let tasks: Vec<_> = work
        .into_iter()
        .map(|records| {
            let queue = queue.clone();
            tokio::spawn(async move {
                for record in records {
                    let committed = queue.submit_durable(record).await.unwrap();
                    assert!(committed.seq > 0);
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let took = started.elapsed().as_secs_f64();
    let fsyncs = f64::from(fsyncs(snapshots));
    let appended = queue.metrics().appended();
    assert_eq!(appended, u64::from(each * submitters));
    let _ = close_and_flush(&queue, supervisor).await;
    log.close().await;
    let appended = f64::from(each * submitters);
    (appended / took, fsyncs / appended * 1000.0)
}
