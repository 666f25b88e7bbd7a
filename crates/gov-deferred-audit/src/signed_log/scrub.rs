//! Reads the whole log again and again, slowly, and compares it with what was signed.

use std::{error::Error, time::Duration};

use tokio_util::sync::CancellationToken;

use super::SignedLog;

/// How the log is scrubbed.
#[derive(Clone, Copy, Debug)]
pub struct ScrubConfig {
    /// About so many stored bytes are read a second; 0 counts as 1.
    pub bytes_per_second: u64,
    /// How long it rests between two rounds.
    pub rest: Duration,
}

impl Default for ScrubConfig {
    /// 4 MiB a second, and an hour between rounds.
    fn default() -> Self {
        Self { bytes_per_second: 4 << 20, rest: Duration::from_hours(1) }
    }
}

impl SignedLog {
    /// Scrubs round after round until `shutdown`, and deletes first what a pruning left behind that
    /// was cut short. The caller runs it beside the log; one node of a deployment is enough.
    pub async fn scrub(self, config: ScrubConfig, shutdown: CancellationToken) {
        while !shutdown.is_cancelled() {
            if let Err(error) = self.finish_pruning().await {
                tracing::warn!(error = &error as &dyn Error, "a pruning cannot be finished now");
            }
            let clock = &self.inner.clock;
            tokio::select! {
                () = shutdown.cancelled() => (),
                () = clock.sleep_until(clock.now() + config.rest) => (),
            }
        }
    }
}
