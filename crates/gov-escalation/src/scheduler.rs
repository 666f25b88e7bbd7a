//! The task that fires what is due.

use std::{error::Error, sync::Arc, time::Duration};

use gov_core::{Clock, Timestamp};
use tokio_util::sync::CancellationToken;
use tracing::{error, info};
use uuid::Uuid;

use crate::{
    alarm::Alarm,
    meters::Meters,
    store::{ApprovalStore, Fired, StoreError},
};

mod health;

pub use self::health::{OVERDUE, SchedulerHealth};

/// How a [`DbEscalationScheduler`] paces itself.
#[derive(Clone, Copy, Debug)]
pub struct SchedulerConfig {
    /// At most this many timers a transaction; a pass runs as many as it needs.
    pub batch: u32,
    /// How long it sleeps at most, give or take an eighth: timers that another process armed are
    /// seen by then.
    pub safety_poll: Duration,
    /// The pause after a failed pass; it doubles up to `safety_poll`.
    pub first_retry: Duration,
}

impl Default for SchedulerConfig {
    fn default() -> Self {
        Self {
            batch: 500,
            safety_poll: Duration::from_secs(5),
            first_retry: Duration::from_millis(50),
        }
    }
}

/// What one pass did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TickReport {
    /// The timers of all its batches.
    pub fired: Fired,
    /// How many transactions that took.
    pub batches: u32,
    /// The earliest deadline after it. If that has come already, others hold the timer.
    pub next: Option<Timestamp>,
}

/// Fires timers at their time, each once in effect, however many schedulers share the store.
#[derive(Debug)]
pub struct DbEscalationScheduler {
    store: Arc<dyn ApprovalStore>,
    clock: Arc<dyn Clock>,
    alarm: Arc<Alarm>,
    config: SchedulerConfig,
    health: Arc<SchedulerHealth>,
    meters: Meters,
}

impl DbEscalationScheduler {
    /// Wires the task; [`DbEscalationScheduler::run`] starts it. The alarm is the one of this
    /// process's [`Approvals`](crate::Approvals).
    #[must_use]
    pub fn new(
        store: Arc<dyn ApprovalStore>,
        clock: Arc<dyn Clock>,
        alarm: Arc<Alarm>,
        config: SchedulerConfig,
    ) -> Self {
        let health = Arc::new(SchedulerHealth::new(Arc::clone(&clock)));
        Self { store, clock, alarm, config, health, meters: Meters::new() }
    }

    /// How it is, also while it runs.
    #[must_use]
    pub fn health(&self) -> Arc<SchedulerHealth> {
        Arc::clone(&self.health)
    }

    /// Fires until `shutdown`: it sleeps to the next deadline, and an earlier one that is armed
    /// meanwhile wakes it.
    ///
    /// A failed pass is logged and tried again. A pass that has begun is finished, and the last
    /// one comes after `shutdown`.
    pub async fn run(self, shutdown: CancellationToken) {
        let mut retry = self.config.first_retry;
        while !shutdown.is_cancelled() {
            self.alarm.listen();
            let outcome = self.run_once().await;
            log(&outcome);
            let now = self.clock.now();
            let wakes_at = if let Ok(report) = &outcome {
                retry = self.config.first_retry;
                let poll = now + about(self.config.safety_poll);
                match report.next {
                    // Others hold it: looked at again soon, but not in a spin.
                    Some(due) if due <= now => poll.min(now + self.config.first_retry),
                    due => due.map_or(poll, |it| it.min(poll)),
                }
            } else {
                let pause = retry;
                retry = (retry * 2).min(self.config.safety_poll);
                now + pause
            };
            self.alarm.sleeps_until(wakes_at);
            self.health.sleeps_until(wakes_at);
            tokio::select! {
                () = shutdown.cancelled() => (),
                () = self.alarm.rings(), if outcome.is_ok() => (),
                () = self.clock.sleep_until(wakes_at) => (),
            }
        }
        log(&self.run_once().await);
    }

    /// Fires batches until nothing is due any more.
    ///
    /// # Errors
    ///
    /// As from [`ApprovalStore::fire_due`]. Batches already fired stay fired.
    pub async fn run_once(&self) -> Result<TickReport, StoreError> {
        let outcome = self.pass().await;
        if outcome.is_err() {
            self.meters.pass_errors.increment(1);
        }
        self.health.passed(&outcome);
        outcome
    }

    async fn pass(&self) -> Result<TickReport, StoreError> {
        let mut report = TickReport::default();
        loop {
            report.next = self.store.next_deadline().await?;
            let now = self.clock.now();
            let Some(due) = report.next.filter(|it| *it <= now) else { return Ok(report) };
            let fired = self.store.fire_due(now, self.config.batch).await?;
            if fired == Fired::default() {
                return Ok(report);
            }
            self.meters.late(due, now);
            self.meters.fired(fired);
            report.fired.add(fired);
            report.batches = report.batches.saturating_add(1);
            if fired.escalated > 0 {
                self.alarm.mailed();
            }
            if fired.fell_back > 0 {
                self.alarm.answered();
            }
        }
    }
}

fn log(outcome: &Result<TickReport, StoreError>) {
    match outcome {
        Ok(report) if report.batches == 0 => (),
        Ok(report) => info!(fired = ?report.fired, batches = report.batches, "escalation pass"),
        Err(error) => error!(error = error as &dyn Error, "escalation pass failed"),
    }
}

/// Give or take an eighth, so that processes which started together do not look together.
fn about(span: Duration) -> Duration {
    let chance = u32::from(Uuid::new_v4().as_bytes()[0]);
    span * (7 * 255 + 2 * chance) / (8 * 255)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_jitter_is_at_most_an_eighth() {
        let span = Duration::from_secs(8);
        for _ in 0..1000 {
            let it = about(span);
            assert!((Duration::from_secs(7)..=Duration::from_secs(9)).contains(&it), "{it:?}");
        }
    }
}
