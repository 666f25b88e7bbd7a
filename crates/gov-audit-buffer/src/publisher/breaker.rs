//! Whether a sink is worth asking, and when the next time.
//!
//! ```text
//!           failed                     until has passed
//! Closed ───────────▶ Open { until } ───────────────────▶ HalfOpen
//!    ▲                     ▲                                 │
//!    │ succeeded           └──────────── failed ─────────────┤
//!    └────────────────────────────────── succeeded ──────────┘
//! ```

use std::time::Duration;

use gov_core::Timestamp;

/// How long a [`Breaker`] stays open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BreakerConfig {
    /// The longest pause after the first failure; it doubles with each that follows.
    pub first_retry: Duration,
    /// The longest pause of all, unless the sink asks for a longer one.
    pub longest_retry: Duration,
    /// The longest pause that a sink may ask for.
    pub longest_wish: Duration,
}

impl Default for BreakerConfig {
    /// 100 ms, 30 s, 5 min.
    fn default() -> Self {
        Self {
            first_retry: Duration::from_millis(100),
            longest_retry: Duration::from_secs(30),
            longest_wish: Duration::from_mins(5),
        }
    }
}

/// What a breaker says about its sink.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BreakerState {
    /// It takes events.
    Closed,
    /// It failed: nobody tries before `until`.
    Open {
        /// When to try again.
        until: Timestamp,
    },
    /// It failed, and the next try decides.
    HalfOpen,
}

impl BreakerState {
    /// `closed`, `open` or `half-open`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open { .. } => "open",
            Self::HalfOpen => "half-open",
        }
    }
}

/// Counts failures in a row and spaces out the tries between them. It never gives up.
#[derive(Clone, Copy, Debug)]
pub struct Breaker {
    config: BreakerConfig,
    /// `None`: closed.
    until: Option<Timestamp>,
    failures: u32,
}

impl Breaker {
    /// Closed.
    #[must_use]
    pub fn new(config: BreakerConfig) -> Self {
        Self { config, until: None, failures: 0 }
    }

    /// How it stands at `now`.
    #[must_use]
    pub fn state(&self, now: Timestamp) -> BreakerState {
        match self.until {
            None => BreakerState::Closed,
            Some(until) if now < until => BreakerState::Open { until },
            Some(_) => BreakerState::HalfOpen,
        }
    }

    /// Failures since the last success.
    #[must_use]
    pub fn failures(&self) -> u32 {
        self.failures
    }

    /// The sink took something.
    pub fn succeeded(&mut self) {
        self.until = None;
        self.failures = 0;
    }

    /// The sink took nothing at `now`, and wants to be left alone for `wish`.
    ///
    /// The pause is `chance` parts of `u32::MAX` of the present step (full jitter), and never
    /// shorter than the wish.
    pub fn failed(&mut self, now: Timestamp, wish: Option<Duration>, chance: u32) {
        let step = self.config.first_retry.saturating_mul(1 << self.failures.min(31));
        let step = step.min(self.config.longest_retry);
        self.failures = self.failures.saturating_add(1);
        let pause = step.mul_f64(f64::from(chance) / f64::from(u32::MAX));
        let wish = wish.unwrap_or_default().min(self.config.longest_wish);
        self.until = Some(now + pause.max(wish));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    fn breaker() -> Breaker {
        Breaker::new(BreakerConfig::default())
    }

    /// The pause after each failure, with the same chance each time.
    fn pauses(chance: u32) -> Vec<u128> {
        let mut it = breaker();
        let pause = |_| {
            it.failed(NOW, None, chance);
            match it.state(NOW) {
                BreakerState::Open { until } => until.since(NOW).as_millis(),
                BreakerState::Closed | BreakerState::HalfOpen => 0,
            }
        };
        (0..40).map(pause).collect()
    }

    #[test]
    fn pauses_double_from_100_ms_to_30_s_and_never_end() {
        let longest = pauses(u32::MAX);
        let steps = [100, 200, 400, 800, 1600, 3200, 6400, 12_800, 25_600, 30_000, 30_000];
        assert_eq!(longest[..11], steps);
        assert_eq!(longest[39], 30_000);
    }

    #[test]
    fn a_pause_lies_anywhere_between_none_and_its_step() {
        assert!(pauses(0).iter().all(|it| *it == 0));
        let half: Vec<_> = pauses(u32::MAX / 2).iter().map(|it| it.div_ceil(10) * 10).collect();
        assert_eq!(half[..4], [50, 100, 200, 400]);
    }

    #[test]
    fn it_opens_half_when_its_time_has_come_and_closes_on_a_success_only() {
        let mut it = breaker();
        assert_eq!(it.state(NOW), BreakerState::Closed);
        it.failed(NOW, None, u32::MAX);
        let until = NOW + Duration::from_millis(100);
        assert_eq!(it.state(NOW), BreakerState::Open { until });
        assert_eq!(it.state(until), BreakerState::HalfOpen);
        it.failed(until, None, u32::MAX);
        let until = until + Duration::from_millis(200);
        assert_eq!(it.state(NOW), BreakerState::Open { until });
        it.succeeded();
        assert_eq!((it.state(NOW), it.failures()), (BreakerState::Closed, 0));
        it.failed(NOW, None, u32::MAX);
        assert_eq!(it.state(NOW), BreakerState::Open { until: NOW + Duration::from_millis(100) });
    }

    #[test]
    fn what_the_sink_asks_for_is_the_least_pause_within_reason() {
        let wish = |seconds| {
            let mut it = breaker();
            it.failed(NOW, Some(Duration::from_secs(seconds)), 0);
            it.until.map(|until| until.since(NOW).as_secs())
        };
        assert_eq!(wish(7), Some(7));
        assert_eq!(wish(86_400), Some(300), "a year without audit must not be one header away");
    }
}
