//! Time as an injected dependency.
//!
//! Domain code reads the time and sleeps through [`Clock`] only, so a test that
//! owns a `ManualClock` moves every deadline in the system with one call.

use std::{fmt, time::Duration};

use async_trait::async_trait;
use chrono::Utc;

use crate::Timestamp;

/// The longest real sleep: after it the clock is read again, so a jump of the
/// system's clock is noticed within this span.
const SLICE: Duration = Duration::from_secs(1);

/// Reads the time and waits for it.
#[async_trait]
pub trait Clock: fmt::Debug + Send + Sync {
    /// The current time.
    fn now(&self) -> Timestamp;

    /// Completes once [`Clock::now`] has reached `deadline`; at once if it already has.
    ///
    /// Cancel safe: dropping the future has no effect.
    async fn sleep_until(&self, deadline: Timestamp);
}

/// The operating system's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

#[async_trait]
impl Clock for SystemClock {
    /// A system clock outside [`Timestamp`]'s range reads as the nearest end of it.
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the real time")]
    fn now(&self) -> Timestamp {
        Timestamp::from_micros_clamped(Utc::now().timestamp_micros())
    }

    #[expect(clippy::disallowed_methods, reason = "the one place that really sleeps")]
    async fn sleep_until(&self, deadline: Timestamp) {
        while let Some(slice) = next_slice(self.now(), deadline) {
            tokio::time::sleep(slice).await;
        }
    }
}

/// How long to sleep before the clock is read again; `None` once `deadline` is reached.
fn next_slice(now: Timestamp, deadline: Timestamp) -> Option<Duration> {
    let left = deadline.since(now);
    (!left.is_zero()).then(|| left.min(SLICE))
}

/// A clock that stands still until a test moves it.
///
/// Clones share one time. Sleepers wake when [`ManualClock::advance`] reaches
/// their deadline: no polling, no real delay.
#[cfg(feature = "test-util")]
#[derive(Clone, Debug)]
pub struct ManualClock {
    time: std::sync::Arc<tokio::sync::watch::Sender<Timestamp>>,
}

#[cfg(feature = "test-util")]
impl ManualClock {
    /// Starts at `start`.
    #[must_use]
    pub fn new(start: Timestamp) -> Self {
        Self { time: std::sync::Arc::new(tokio::sync::watch::Sender::new(start)) }
    }

    /// Moves the time forward and wakes every sleeper whose deadline is reached.
    pub fn advance(&self, by: Duration) {
        self.time.send_modify(|time| *time = *time + by);
    }

    /// Sets the time, also backwards, as an operator who corrects the system clock does.
    pub fn set(&self, to: Timestamp) {
        self.time.send_replace(to);
    }
}

#[cfg(feature = "test-util")]
impl Default for ManualClock {
    /// Starts at 2026-01-01T00:00:00.000000Z.
    fn default() -> Self {
        Self::new(Timestamp::from_micros_clamped(1_767_225_600_000_000))
    }
}

#[cfg(feature = "test-util")]
#[async_trait]
impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        *self.time.borrow()
    }

    async fn sleep_until(&self, deadline: Timestamp) {
        let mut time = self.time.subscribe();
        // The sender lives in `self`, so the channel can't close while we wait.
        let _ = time.wait_for(|now| deadline <= *now).await;
    }
}

#[cfg(all(test, feature = "test-util"))]
mod tests {
    use std::task::Poll;

    use super::*;

    #[tokio::test]
    async fn a_sleeper_wakes_at_its_deadline_and_not_before() {
        let clock = ManualClock::default();
        let mut sleep = clock.sleep_until(clock.now() + Duration::from_secs(2));
        assert_eq!(poll_once(&mut sleep).await, Poll::Pending);
        clock.advance(Duration::from_secs(1));
        assert_eq!(poll_once(&mut sleep).await, Poll::Pending);
        clock.advance(Duration::from_secs(1));
        assert_eq!(poll_once(&mut sleep).await, Poll::Ready(()));
    }

    #[test]
    fn a_long_sleep_is_cut_so_that_a_clock_jump_is_noticed() {
        let start = Timestamp::UNIX_EPOCH;
        let deadline = start + Duration::from_hours(1);
        assert_eq!(next_slice(start, deadline), Some(SLICE));
        let short = Duration::from_micros(1);
        assert_eq!(next_slice(start, start + short), Some(short));
        assert_eq!(next_slice(deadline, deadline), None);
        assert_eq!(next_slice(deadline, start), None);
    }

    async fn poll_once<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
        std::future::poll_fn(|cx| Poll::Ready(std::pin::Pin::new(&mut *future).poll(cx))).await
    }
}
