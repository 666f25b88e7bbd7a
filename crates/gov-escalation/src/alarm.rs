//! What wakes the tasks of one process before they would look by themselves.

use std::{
    sync::atomic::{AtomicI64, Ordering},
    time::Duration,
};

use gov_core::{Clock, Timestamp};
use tokio::sync::{Notify, futures::Notified, watch};

/// How late the scheduler may look.
const GRACE: Duration = Duration::from_secs(1);

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
    // Microseconds. Until then the scheduler looks for messages, too.
    mail_is_watched_until: AtomicI64,
    // Microseconds: the earliest deadline that no other process has heard of.
    unheard: AtomicI64,
    news: Notify,
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
            mail_is_watched_until: AtomicI64::new(i64::MIN),
            unheard: AtomicI64::new(i64::MAX),
            news: Notify::new(),
            answers: watch::Sender::new(()),
        }
    }

    /// The clock of all approvals runs again at `now`: whoever slept through the halt looks, here and
    /// in the other processes.
    pub fn runs_again(&self, now: Timestamp) {
        self.armed(Some(now));
    }

    /// A timer was armed: the scheduler wakes if it would sleep beyond it.
    pub(crate) fn armed(&self, deadline: Option<Timestamp>) {
        if let Some(deadline) = deadline {
            self.unheard.fetch_min(deadline.as_micros(), Ordering::SeqCst);
            self.news.notify_one();
        }
        self.armed_elsewhere(deadline);
    }

    /// The same, by another process.
    pub(crate) fn armed_elsewhere(&self, deadline: Option<Timestamp>) {
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

    /// Waits for deadlines that other processes should hear of; the earliest since the last call.
    #[cfg(feature = "postgres")]
    pub(crate) async fn unheard(&self) -> Timestamp {
        self.news.notified().await;
        Timestamp::from_micros_clamped(self.unheard.swap(i64::MAX, Ordering::SeqCst))
    }

    /// A message was written.
    pub(crate) fn mailed(&self) {
        self.mail.notify_one();
    }

    pub(crate) fn mail(&self) -> Notified<'_> {
        self.mail.notified()
    }

    /// The scheduler looked for messages, and does again at `next_look`.
    pub(crate) fn watches_mail(&self, next_look: Timestamp) {
        let until = next_look + GRACE;
        self.mail_is_watched_until.store(until.as_micros(), Ordering::SeqCst);
    }

    /// Ends `poll` from now, or as soon after that as the scheduler has not looked for messages
    /// when it said it would.
    pub(crate) async fn mail_is_unwatched(&self, clock: &dyn Clock, poll: Duration) {
        let mut until = clock.now() + poll;
        while clock.now() < until {
            clock.sleep_until(until).await;
            let watched = self.mail_is_watched_until.load(Ordering::SeqCst);
            until = until.max(Timestamp::from_micros_clamped(watched));
        }
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
    use std::{pin::pin, task::Poll};

    use gov_core::clock::ManualClock;

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

    #[tokio::test]
    async fn nobody_looks_for_messages_while_the_scheduler_does() {
        let (alarm, clock, poll) = (Alarm::new(), ManualClock::default(), Duration::from_secs(5));
        let mut unwatched = pin!(alarm.mail_is_unwatched(&clock, poll));
        let mut ends = async || {
            for _ in 0..8 {
                tokio::task::yield_now().await;
            }
            let unwatched = &mut unwatched;
            std::future::poll_fn(|cx| Poll::Ready(unwatched.as_mut().poll(cx).is_ready())).await
        };
        assert!(!ends().await);
        // Four looks, each as late as it may be.
        for _ in 0..4 {
            alarm.watches_mail(clock.now() + poll);
            clock.advance(poll + almost(GRACE));
            assert!(!ends().await, "looked although the scheduler does");
        }
        clock.advance(Duration::from_micros(1));
        assert!(ends().await);
    }

    #[cfg(feature = "postgres")]
    #[tokio::test]
    async fn other_processes_hear_of_the_earliest_deadline_and_never_of_their_own() {
        let (alarm, now) = (Alarm::new(), ManualClock::default().now());
        for seconds in [3, 1, 2] {
            alarm.armed(Some(now + Duration::from_secs(seconds)));
        }
        alarm.armed(None);
        assert_eq!(alarm.unheard().await, now + Duration::from_secs(1));
        alarm.armed_elsewhere(Some(now));
        let mut unheard = pin!(alarm.unheard());
        let again =
            std::future::poll_fn(|cx| Poll::Ready(unheard.as_mut().poll(cx).is_ready())).await;
        assert!(!again);
    }

    fn almost(span: Duration) -> Duration {
        span.saturating_sub(Duration::from_micros(1))
    }

    async fn rings(alarm: &Alarm) -> bool {
        let mut rings = pin!(alarm.rings());
        std::future::poll_fn(|cx| Poll::Ready(rings.as_mut().poll(cx).is_ready())).await
    }
}
