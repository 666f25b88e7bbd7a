//! The task that fires what is due.

use std::{error::Error, sync::Arc, time::Duration};

use gov_core::{Clock, Timestamp};
use tokio::sync::broadcast;
use tokio_util::sync::CancellationToken;
use tracing::{error, info};
use uuid::Uuid;

use crate::{
    alarm::Alarm,
    event::EscalationEvent,
    meters::Meters,
    store::{ApprovalStore, Fired, Firing, StoreError},
};

mod health;
mod register;

pub use self::{
    health::{OVERDUE, SchedulerHealth},
    register::{Registered, SYSTEM_SCHEDULER},
};

/// The most timers a transaction may fire.
pub const MAX_BATCH: u32 = 500;

/// How a [`DbEscalationScheduler`] paces itself.
#[derive(Clone, Copy, Debug)]
pub struct SchedulerConfig {
    /// At most this many timers a transaction, [`MAX_BATCH`] at the utmost; a pass runs as many as
    /// it needs.
    pub batch: u32,
    /// How long it sleeps at most, give or take an eighth: timers that another process armed are
    /// seen by then, and so are its messages.
    pub safety_poll: Duration,
    /// The pause after a failed pass; it doubles up to `safety_poll`.
    pub first_retry: Duration,
    /// How many events are kept for a subscriber that is slow.
    pub events: usize,
}

impl Default for SchedulerConfig {
    fn default() -> Self {
        Self {
            batch: MAX_BATCH,
            // With the auditor's pass this stays below one statement in five seconds.
            safety_poll: Duration::from_millis(6500),
            first_retry: Duration::from_millis(50),
            events: 1024,
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
    events: broadcast::Sender<EscalationEvent>,
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
        let config = SchedulerConfig { batch: config.batch.min(MAX_BATCH), ..config };
        let events = broadcast::Sender::new(config.events.max(1));
        Self { store, clock, alarm, config, health, meters: Meters::new(), events }
    }

    /// How it is, also while it runs.
    #[must_use]
    pub fn health(&self) -> Arc<SchedulerHealth> {
        Arc::clone(&self.health)
    }

    /// Who is asked next, from now on: each event after its commit, in the order of firing.
    ///
    /// A subscriber that falls behind by more than [`SchedulerConfig::events`] is told how many it
    /// missed. What other processes fire is not among them.
    #[must_use]
    pub fn subscribe(&self) -> broadcast::Receiver<EscalationEvent> {
        self.events.subscribe()
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
            let outcome = self.tick().await;
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
            if outcome.is_ok() {
                self.alarm.watches_mail(wakes_at);
            }
            self.health.sleeps_until(wakes_at);
            tokio::select! {
                () = shutdown.cancelled() => (),
                () = self.alarm.rings(), if outcome.is_ok() => (),
                () = self.clock.sleep_until(wakes_at) => (),
            }
        }
        log(&self.tick().await);
    }

    /// Fires batches until nothing is due any more.
    ///
    /// # Errors
    ///
    /// As from [`ApprovalStore::fire`]. Batches already fired stay fired.
    pub async fn tick(&self) -> Result<TickReport, StoreError> {
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
            let pulse = self.store.pulse().await?;
            let now = self.clock.now();
            report.next = pulse.next_deadline;
            if pulse.next_unsent.is_some_and(|it| it <= now) {
                self.alarm.mailed();
            }
            let Some(due) = report.next.filter(|it| *it <= now) else { return Ok(report) };
            let Firing { fired, events } = self.store.fire(now, self.config.batch).await?;
            if fired == Fired::default() {
                return Ok(report);
            }
            self.meters.late(due, now);
            self.meters.fired(fired);
            report.fired.add(fired);
            report.batches = report.batches.saturating_add(1);
            for event in events {
                // Nobody may listen.
                let _ = self.events.send(event);
            }
            if fired.escalated > 0 {
                self.alarm.mailed();
            }
            if fired.fell_back > 0 || fired.settled > 0 {
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
