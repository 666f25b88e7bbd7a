//! Measures short spans: commits and the linger before them.

use std::time::{Duration, Instant};

/// A running stopwatch.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span {
    start: Instant,
}

impl Span {
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place that measures: microseconds of this process, no point in time"
    )]
    pub(super) fn start() -> Self {
        Self { start: Instant::now() }
    }

    pub(super) fn elapsed(self) -> Duration {
        self.start.elapsed()
    }
}
