//! What the benches of the house share: one line a case, and how often the disk was waited for.

use std::io::Write as _;

use metrics_util::debugging::{DebugValue, Snapshotter};

pub mod far;

/// What a bench is asked for.
#[derive(Clone, Copy, Debug)]
pub struct Bench {
    /// Its name in every line.
    pub name: &'static str,
    /// One quick round, whose ratios are not judged.
    pub once: bool,
}

/// One case.
#[derive(Clone, Debug)]
pub struct Line {
    /// What was measured, with payload, callers and durability.
    pub case: String,
    /// Our figure.
    pub ours: f64,
    /// The figure beside it, of the same run.
    pub baseline: f64,
    /// Of both.
    pub unit: &'static str,
    /// What their ratio must be.
    pub goal: Goal,
}

/// What the ratio of ours to the baseline must be.
#[derive(Clone, Copy, Debug)]
pub enum Goal {
    /// It is reported, and judged by nobody.
    None,
    /// At least this.
    AtLeast(f64),
    /// At most this.
    AtMost(f64),
}

impl Bench {
    /// The bench `name`, as its arguments ask for it.
    #[must_use]
    pub fn from_arguments(name: &'static str) -> Self {
        Self { name, once: std::env::args().any(|it| it == "--once") }
    }

    /// Prints one JSON object on a line of its own.
    ///
    /// # Panics
    ///
    /// If standard output is gone.
    #[expect(clippy::expect_used, reason = "a bench that nobody hears has no purpose")]
    pub fn print(&self, line: &Line) {
        let ratio = line.ours / line.baseline;
        let (goal, met) = match line.goal {
            Goal::None => (None, None),
            Goal::AtLeast(limit) => (Some(format!(">={limit}")), Some(ratio >= limit)),
            Goal::AtMost(limit) => (Some(format!("<={limit}")), Some(ratio <= limit)),
        };
        let object = serde_json::json!({
            "bench": self.name, "case": line.case, "ours": round(line.ours),
            "baseline": round(line.baseline), "unit": line.unit, "ratio": round(ratio),
            "goal": goal, "met": met.filter(|_| !self.once),
        });
        let text = format!("{object}\n");
        std::io::stdout().write_all(text.as_bytes()).expect("standard output");
    }
}

/// The value below which `percent` of them lie; not a number for none.
#[must_use]
pub fn percentile(values: &mut [f64], percent: usize) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() * percent / 100).or(values.last()).copied().unwrap_or(f64::NAN)
}

/// How often the disk was waited for since the last call, as the counters of this crate say: once a
/// durable commit, twice a checkpoint. Spooled commits wait for nothing, and count as if they did.
#[must_use]
pub fn fsyncs(snapshots: &Snapshotter) -> u32 {
    let waits = |name: &str| match name {
        "gov_store_commits_total" => 1,
        "gov_store_checkpoints_total" => 2,
        _ => 0,
    };
    let all = snapshots.snapshot().into_vec().into_iter();
    let counted = all.map(|(key, _, _, value)| match value {
        DebugValue::Counter(counted) => counted * waits(key.key().name()),
        _ => 0,
    });
    u32::try_from(counted.sum::<u64>()).unwrap_or(u32::MAX)
}

fn round(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}
