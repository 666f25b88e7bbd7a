//! What a database reports about itself, through the `metrics` facade.

use std::time::Duration;

use metrics::{Counter, Gauge, Histogram, counter, gauge, histogram};

use super::{wal::Mode, writer::Sync};

/// Handles of one database's metrics, bound to the recorder that is installed when it opens.
#[derive(Clone, Debug)]
pub(super) struct Meters {
    full_commits: Counter,
    spooled_commits: Counter,
    commit_errors: Counter,
    commit_seconds: Histogram,
    commit_jobs: Histogram,
    refused: Counter,
    wal_bytes: Gauge,
    passive_checkpoints: Counter,
    truncate_checkpoints: Counter,
    checkpoint_errors: Counter,
}

impl Meters {
    pub(super) fn new(database: &'static str) -> Self {
        let checkpoints = |mode: Mode| counter!("gov_store_checkpoints_total", "database" => database, "mode" => mode.label());
        let commits = |sync: Sync| counter!("gov_store_commits_total", "database" => database, "sync" => sync.label());
        Self {
            full_commits: commits(Sync::Full),
            spooled_commits: commits(Sync::Spooled),
            commit_errors: counter!("gov_store_commit_errors_total", "database" => database),
            commit_seconds: histogram!("gov_store_commit_seconds", "database" => database),
            commit_jobs: histogram!("gov_store_commit_jobs", "database" => database),
            refused: counter!("gov_store_refused_jobs_total", "database" => database),
            wal_bytes: gauge!("gov_store_wal_bytes", "database" => database),
            passive_checkpoints: checkpoints(Mode::Passive),
            truncate_checkpoints: checkpoints(Mode::Truncate),
            checkpoint_errors: counter!("gov_store_checkpoint_errors_total", "database" => database),
        }
    }

    pub(super) fn committed(&self, sync: Sync, jobs: u32, took: Duration) {
        match sync {
            Sync::Full => self.full_commits.increment(1),
            Sync::Spooled => self.spooled_commits.increment(1),
        }
        self.commit_jobs.record(f64::from(jobs));
        self.commit_seconds.record(took.as_secs_f64());
    }

    pub(super) fn commit_failed(&self) {
        self.commit_errors.increment(1);
    }

    pub(super) fn refused(&self) {
        self.refused.increment(1);
    }

    #[expect(clippy::cast_precision_loss, reason = "a gauge; logs stay far below 2^53 bytes")]
    pub(super) fn wal_bytes(&self, bytes: u64) {
        self.wal_bytes.set(bytes as f64);
    }

    pub(super) fn checkpointed(&self, mode: Mode) {
        match mode {
            Mode::Passive => self.passive_checkpoints.increment(1),
            Mode::Truncate => self.truncate_checkpoints.increment(1),
        }
    }

    pub(super) fn checkpoint_failed(&self) {
        self.checkpoint_errors.increment(1);
    }
}
