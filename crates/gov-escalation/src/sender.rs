//! The task that delivers what changes have written.

use std::{collections::BTreeMap, error::Error, sync::Arc, time::Duration};

use gov_core::{Clock, Timestamp};
use tokio_util::sync::CancellationToken;
use tracing::error;

use self::{health::SenderHealth, lane::Lane, lanes::Lanes};
use crate::{
    alarm::Alarm,
    meters::Meters,
    notifier::Notifier,
    store::{Outbox, Pace, StoreError, Waiting},
};

pub mod health;
mod lane;
mod lanes;
pub mod schedule;

/// How often it looks how the targets are.
const LOOK: Duration = Duration::from_secs(30);

/// How a [`Sender`] paces itself.
#[derive(Clone, Copy, Debug)]
pub struct SenderConfig {
    /// How long it sleeps at most while no scheduler of this process looks for messages, too: those
    /// that another process wrote are seen by then.
    pub poll_interval: Duration,
    /// How long a message is this sender's alone. A try ends after three quarters of it at the
    /// latest.
    pub lease: Duration,
    /// The pauses between the tries of one message; after the last it is given up.
    pub pauses: &'static [Duration],
    /// A target that asks to be left alone is, for so long at most.
    pub longest_hold: Duration,
    /// The pause after a failed pass, and before messages that others hold are looked at again;
    /// longer than zero. After failed passes it doubles.
    pub first_retry: Duration,
}

impl Default for SenderConfig {
    fn default() -> Self {
        Self {
            poll_interval: Duration::from_secs(5),
            lease: Duration::from_mins(1),
            pauses: schedule::STANDARD,
            longest_hold: Duration::from_hours(24),
            first_retry: Duration::from_secs(1),
        }
    }
}

/// Where messages go, under a name of the chains.
#[derive(Clone, Debug)]
pub struct Target {
    /// Who carries them.
    pub notifier: Arc<dyn Notifier>,
    /// How fast.
    pub pace: Pace,
    /// How long one try may take.
    pub timeout: Duration,
}

/// What one pass did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SendReport {
    /// Messages delivered and marked as sent.
    pub sent: u32,
    /// Messages that were not taken and will be tried again.
    pub failed: u32,
    /// Messages that are not tried any more.
    pub given_up: u32,
    /// Messages whose target is disabled since it was tried.
    pub disabled: u32,
    /// Messages whose lease another sender had taken over: it sends them again.
    pub lost: u32,
}

/// Delivers messages, each at least once and always under the same id. Each target has a lane of
/// its own: one that hangs holds up nobody else.
#[derive(Debug)]
pub struct Sender {
    outbox: Arc<dyn Outbox>,
    targets: BTreeMap<String, Target>,
    clock: Arc<dyn Clock>,
    alarm: Arc<Alarm>,
    config: SenderConfig,
    health: Arc<SenderHealth>,
    meters: Arc<Meters>,
}

impl Sender {
    /// Wires the task; [`Sender::run`] starts it. Targets by the names that chains give them.
    #[must_use]
    pub fn new(
        outbox: Arc<dyn Outbox>,
        targets: BTreeMap<String, Target>,
        clock: Arc<dyn Clock>,
        alarm: Arc<Alarm>,
        config: SenderConfig,
    ) -> Self {
        let health = Arc::new(SenderHealth::new(Arc::clone(&outbox)));
        Self { outbox, targets, clock, alarm, config, health, meters: Arc::new(Meters::new()) }
    }

    /// How the targets are, also while it runs.
    #[must_use]
    pub fn health(&self) -> Arc<SenderHealth> {
        Arc::clone(&self.health)
    }

    /// Delivers until `shutdown`. The messages at hand are finished.
    pub async fn run(self, shutdown: CancellationToken) {
        let (mut lanes, mut failures) = (Lanes::default(), 0_u32);
        let mut looks_at = self.clock.now();
        while !shutdown.is_cancelled() {
            if looks_at <= self.clock.now() {
                self.health.look().await;
                looks_at = self.clock.now() + LOOK;
            }
            let looked = self.start(&mut lanes, &shutdown).await;
            let now = self.clock.now();
            let wakes_at = match &looked {
                Ok(next) => {
                    failures = 0;
                    next.unwrap_or(Timestamp::MAX)
                }
                Err(error) => {
                    error!(error = error as &dyn Error, "notification pass failed");
                    failures = failures.saturating_add(1);
                    now + self.pause(failures)
                }
            };
            tokio::select! {
                () = shutdown.cancelled() => (),
                () = self.alarm.mail(), if looked.is_ok() => lanes.rest_no_more(),
                Some(ended) = lanes.next() => {
                    if ended.report.given_up > 0 || ended.report.disabled > 0 {
                        looks_at = self.clock.now();
                    }
                    if ended.found_nothing {
                        lanes.rest(ended.target, self.clock.now() + self.config.first_retry);
                    }
                }
                // One look of the scheduler is enough for both.
                () = self.alarm.mail_is_unwatched(&*self.clock, self.config.poll_interval) => (),
                () = self.clock.sleep_until(wakes_at) => (),
            }
        }
        while lanes.next().await.is_some() {}
    }

    /// Delivers until nothing is left that may be tried now.
    ///
    /// # Errors
    ///
    /// As from [`Outbox`]; messages that could not be marked come back when their lease runs out.
    pub async fn run_once(&self) -> Result<SendReport, StoreError> {
        let (mut lanes, mut sum, mut failure) = (Lanes::default(), SendReport::default(), None);
        self.start(&mut lanes, &CancellationToken::new()).await?;
        while let Some(ended) = lanes.next().await {
            sum.add(ended.report);
            failure = failure.or(ended.failure);
        }
        failure.map_or(Ok(sum), Err)
    }

    /// Starts a lane for each target with something to send; the answer is when the next of the
    /// others has. Asked by one read: as long as there is nothing to send, nobody takes a write
    /// lock.
    async fn start(
        &self,
        lanes: &mut Lanes,
        shutdown: &CancellationToken,
    ) -> Result<Option<Timestamp>, StoreError> {
        let waiting = self.outbox.waiting().await?;
        let now = self.clock.now();
        let mut next: Option<Timestamp> = None;
        for it in waiting {
            if lanes.is_running(&it.target) {
                continue;
            }
            let due = self.due_at(&it, now).max(lanes.rests_until(&it.target));
            if due <= now {
                lanes.start(self.lane(it.target), shutdown.clone());
            } else {
                next = Some(next.map_or(due, |it| it.min(due)));
            }
        }
        Ok(next)
    }

    fn due_at(&self, waiting: &Waiting, now: Timestamp) -> Timestamp {
        let pace = self.targets.get(&waiting.target).map_or(Pace::UNLIMITED, |it| it.pace);
        waiting.free_at.max(pace.opens_at(waiting.paid_until, now))
    }

    fn lane(&self, name: String) -> Lane {
        Lane {
            target: self.targets.get(&name).cloned(),
            name,
            outbox: Arc::clone(&self.outbox),
            clock: Arc::clone(&self.clock),
            config: self.config,
            meters: Arc::clone(&self.meters),
        }
    }

    /// How long to wait after that many failed passes.
    fn pause(&self, failures: u32) -> Duration {
        let doubled = 2_u32.saturating_pow(failures.saturating_sub(1));
        self.config.first_retry.saturating_mul(doubled).min(self.config.poll_interval)
    }
}

impl Target {
    /// As fast as it goes, 10 s a try.
    #[must_use]
    pub fn new(notifier: Arc<dyn Notifier>) -> Self {
        Self { notifier, pace: Pace::UNLIMITED, timeout: Duration::from_secs(10) }
    }
}

impl SendReport {
    fn add(&mut self, other: Self) {
        for (sum, by) in [
            (&mut self.sent, other.sent),
            (&mut self.failed, other.failed),
            (&mut self.given_up, other.given_up),
            (&mut self.disabled, other.disabled),
            (&mut self.lost, other.lost),
        ] {
            *sum = sum.saturating_add(by);
        }
    }
}
