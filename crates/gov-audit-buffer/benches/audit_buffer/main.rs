//! What the buffer costs, beside the naive way, in the same run.
//!
//! One JSON object a line; `--once` is the quick form, whose ratios are not judged. The naive way
//! to keep is one connection that inserts with autocommit; to ship, one message at a time that is
//! waited for.
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a bench measures with the real clock, and stops at the first surprise"
)]

mod appends;
mod depth;
mod drain;
mod events;
mod naive;

use gov_store::bench::Bench;
use metrics_util::debugging::DebuggingRecorder;

fn main() {
    let bench = Bench::from_arguments("audit_buffer");
    let recorder = DebuggingRecorder::new();
    let snapshots = recorder.snapshotter();
    metrics::set_global_recorder(recorder).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    appends::beside_autocommit(bench, &runtime, &snapshots);
    appends::latency_beside_fdatasync(bench, &runtime);
    depth::of_an_append(bench, &runtime);
    drain::to_nats(bench, &runtime);
}
