//! What firing costs, beside the naive way, in the same run.
//!
//! One JSON object a line; `--once` is the quick form, whose ratios are not judged. The naive way
//! is the one that the design describes: select what is due, then one transaction a row, with the
//! same effects. PostgreSQL is measured where `GOV_TEST_POSTGRES_URL` names a server.
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::indexing_slicing,
    reason = "a bench measures with the real clock, and stops at the first surprise"
)]

mod idle;
mod lag;
mod naive;
mod ours;

use std::time::Duration;

use gov_escalation::store::{postgres, sqlite};
use gov_store::{
    bench::{Bench, Goal, Line},
    fresh_database,
};
use metrics_util::debugging::DebuggingRecorder;

/// At most so many timers a transaction.
const BATCH: u32 = 500;

struct Settings {
    bench: Bench,
    /// How many timers are due at once.
    timers: u32,
    /// How many are there where only a few of them matter.
    armed: u32,
}

/// What one way has done.
struct Run {
    timers_per_second: f64,
    commits: u64,
    /// None where the server keeps them to itself.
    fsyncs: Option<u64>,
}

impl Settings {
    fn print(&self, database: &str, ours: &Run, naive: &Run) {
        let syncs = |run: &Run| run.fsyncs.map_or_else(|| "?".to_owned(), |it| it.to_string());
        let case = format!(
            "{} timers due at once on {database}: {} commits, {} fsyncs; the naive way {} and {}",
            self.timers,
            ours.commits,
            syncs(ours),
            naive.commits,
            syncs(naive)
        );
        self.bench.print(&Line {
            case,
            ours: ours.timers_per_second,
            baseline: naive.timers_per_second,
            unit: "timers/s",
            goal: Goal::AtLeast(20.0),
        });
    }
}

fn main() {
    let bench = Bench::from_arguments("escalation");
    let (timers, armed) = if bench.once { (1_000, 1_000) } else { (10_000, 100_000) };
    let settings = Settings { bench, timers, armed };
    let recorder = DebuggingRecorder::new();
    let snapshots = recorder.snapshotter();
    metrics::set_global_recorder(recorder).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let naive = naive::on_sqlite(settings.timers);
    let ours = runtime.block_on(ours::on_sqlite(settings.timers, &snapshots));
    settings.print("SQLite, synchronous=FULL", &ours, &naive);
    for (place, delay) in [("loopback", Duration::ZERO), ("1 ms away", Duration::from_millis(1))] {
        runtime.block_on(on_postgres(&settings, place, delay));
    }
    let file = fresh_database::sqlite(&[&sqlite::COMPONENT]);
    runtime.block_on(lag::under_load(&settings));
    runtime.block_on(lag::first_fire(&settings));
    runtime.block_on(idle::statements_per_second(&settings, &file));
}

/// As far away as the network says; the naive way, for which each statement is a round trip, has a
/// tenth of the timers there.
async fn on_postgres(settings: &Settings, place: &str, delay: Duration) {
    let Some(pool) = fresh_database::postgres(&[&postgres::COMPONENT]).await else { return };
    let (pool, durability) = ours::as_a_server(pool, delay).await;
    let singles = if delay.is_zero() { settings.timers } else { settings.timers / 10 };
    let naive = naive::on_postgres(&pool, singles).await;
    let ours = ours::on_postgres(&pool, settings.timers).await;
    settings.print(&format!("PostgreSQL, {place}, {durability}"), &ours, &naive);
}
