//! What wakes the tasks of one process before they would look by themselves.

use std::sync::atomic::{AtomicI64, Ordering};

use gov_core::Timestamp;
use tokio::sync::{Notify, futures::Notified, watch};

/// Tells the scheduler, the sender and whoever waits, all of one process, that there is something
/// to do.
///
/// It saves time and carries nothing: what another process does is found by the next poll. One
/// scheduler and one sender may listen.
#[derive(Debug)]
pub struct Alarm {
    timers: Notify,
    // Microseconds. Deadlines from here on are none of the scheduler's business yet.
    wakes_at: AtomicI64,
    mail: Notify,
    answers: watch::Sender<()>,
}

impl Default for Alarm {
    fn default() -> Self {
        Self::new()
    }
}

impl Alarm {
    /// One that nothing rings yet.
    #[must_use]
    pub fn new() -> Self {
        Self {
            timers: Notify::new(),
            wakes_at: AtomicI64::new(i64::MAX),
            mail: Notify::new(),
            answers: watch::Sender::new(()),
        }
    }

    /// A timer was armed: the scheduler wakes if it would sleep beyond it.
    pub(crate) fn armed(&self, deadline: Option<Timestamp>) {
        let wakes_at = self.wakes_at.load(Ordering::SeqCst);
        if deadline.is_some_and(|it| it.as_micros() < wakes_at) {
            self.timers.notify_one();
        }
    }

    /// From now on every armed timer wakes the scheduler: it is about to look for the earliest.
    pub(crate) fn listen(&self) {
        self.wakes_at.store(i64::MAX, Ordering::SeqCst);
    }

    /// From now on only an earlier timer wakes it; one that was armed since it listens has.
    pub(crate) fn sleeps_until(&self, wakes_at: Timestamp) {
        self.wakes_at.store(wakes_at.as_micros(), Ordering::SeqCst);
    }

    pub(crate) fn rings(&self) -> Notified<'_> {
        self.timers.notified()
    }

    /// A message was written.
    pub(crate) fn mailed(&self) {
        self.mail.notify_one();
    }

    pub(crate) fn mail(&self) -> Notified<'_> {
        self.mail.notified()
    }

    /// Some approval does not await an answer any more.
    pub(crate) fn answered(&self) {
        self.answers.send_replace(());
    }

    pub(crate) fn answers(&self) -> watch::Receiver<()> {
        self.answers.subscribe()
    }
}

#[cfg(all(test, feature = "test-util"))]
mod tests {
    use std::{pin::pin, time::Duration};

    use gov_core::{Clock as _, clock::ManualClock};

    use super::*;

    #[tokio::test]
    async fn only_a_timer_before_the_next_look_wakes_the_scheduler() {
        let (alarm, now) = (Alarm::new(), ManualClock::default().now());
        alarm.sleeps_until(now);
        alarm.armed(Some(now));
        alarm.armed(None);
        assert!(!rings(&alarm).await);
        alarm.sleeps_until(now + Duration::from_micros(1));
        alarm.armed(Some(now));
        assert!(rings(&alarm).await);
    }

    #[tokio::test]
    async fn a_timer_armed_while_the_scheduler_looks_is_not_missed() {
        let (alarm, now) = (Alarm::new(), ManualClock::default().now());
        alarm.listen();
        alarm.armed(Some(now + Duration::from_hours(1)));
        alarm.sleeps_until(now);
        assert!(rings(&alarm).await);
    }

    async fn rings(alarm: &Alarm) -> bool {
        let mut rings = pin!(alarm.rings());
        std::future::poll_fn(|cx| std::task::Poll::Ready(rings.as_mut().poll(cx).is_ready())).await
    }
}
