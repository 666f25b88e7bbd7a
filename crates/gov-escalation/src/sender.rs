//! The task that delivers what changes have written.

use std::{collections::BTreeMap, error::Error, sync::Arc, time::Duration};

use gov_core::{Clock, Timestamp};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use crate::{
    alarm::Alarm,
    meters::Meters,
    notifier::{Notifier, NotifyError},
    store::{Lease, Outbox, StoreError},
};

/// How a [`Sender`] paces itself.
#[derive(Clone, Copy, Debug)]
pub struct SenderConfig {
    /// How long it sleeps at most: messages that another process wrote are seen by then.
    pub poll_interval: Duration,
    /// How long a message is this sender's alone.
    pub lease: Duration,
    /// At most this many messages a lease.
    pub batch: u32,
    /// How long one try may take; never longer than the lease.
    pub attempt_timeout: Duration,
    /// The pause after a message's first failed try, and after a failed pass; longer than
    /// zero. It doubles.
    pub first_retry: Duration,
    /// The longest pause between two tries.
    pub longest_retry: Duration,
}

impl Default for SenderConfig {
    fn default() -> Self {
        Self {
            poll_interval: Duration::from_secs(5),
            lease: Duration::from_mins(1),
            batch: 32,
            attempt_timeout: Duration::from_secs(10),
            first_retry: Duration::from_secs(1),
            longest_retry: Duration::from_mins(5),
        }
    }
}

/// What one pass did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SendReport {
    /// Messages delivered and marked as sent.
    pub sent: u32,
    /// Messages that were not taken and will be tried again.
    pub failed: u32,
    /// Messages whose lease another sender had taken over: it sends them again.
    pub lost: u32,
}

/// Delivers messages, each at least once and always under the same id.
#[derive(Debug)]
pub struct Sender {
    outbox: Arc<dyn Outbox>,
    notifiers: BTreeMap<String, Arc<dyn Notifier>>,
    clock: Arc<dyn Clock>,
    alarm: Arc<Alarm>,
    config: SenderConfig,
    meters: Meters,
}

impl Sender {
    /// Wires the task; [`Sender::run`] starts it. Notifiers by the names that chains give them.
    #[must_use]
    pub fn new(
        outbox: Arc<dyn Outbox>,
        notifiers: BTreeMap<String, Arc<dyn Notifier>>,
        clock: Arc<dyn Clock>,
        alarm: Arc<Alarm>,
        config: SenderConfig,
    ) -> Self {
        Self { outbox, notifiers, clock, alarm, config, meters: Meters::new() }
    }

    /// Delivers until `shutdown`. The message at hand is finished; the others of the batch are
    /// given back.
    pub async fn run(self, shutdown: CancellationToken) {
        let mut failures = 0_u32;
        while !shutdown.is_cancelled() {
            let outcome = self.pass(&shutdown).await;
            log(&outcome);
            let now = self.clock.now();
            let wakes_at = if let Ok((_, next)) = &outcome {
                failures = 0;
                let poll = now + self.config.poll_interval;
                match *next {
                    // Others hold it: looked at again soon, but not in a spin.
                    Some(due) if due <= now => poll.min(now + self.config.first_retry),
                    due => due.map_or(poll, |it| it.min(poll)),
                }
            } else {
                failures = failures.saturating_add(1);
                now + self.pause(failures).min(self.config.poll_interval)
            };
            tokio::select! {
                () = shutdown.cancelled() => (),
                () = self.alarm.mail(), if outcome.is_ok() => (),
                () = self.clock.sleep_until(wakes_at) => (),
            }
        }
    }

    /// Delivers until nothing is left that may be tried now.
    ///
    /// # Errors
    ///
    /// As from [`Outbox`]; messages that could not be marked come back when their lease runs out.
    pub async fn run_once(&self) -> Result<SendReport, StoreError> {
        self.pass(&CancellationToken::new()).await.map(|(report, _)| report)
    }

    async fn pass(
        &self,
        shutdown: &CancellationToken,
    ) -> Result<(SendReport, Option<Timestamp>), StoreError> {
        let SenderConfig { lease, batch, .. } = self.config;
        let mut report = SendReport::default();
        loop {
            // Asked first: as long as there is nothing to send, nobody takes a write lock.
            let next = self.outbox.next_unsent().await?;
            let now = self.clock.now();
            if shutdown.is_cancelled() || next.is_none_or(|it| now < it) {
                return Ok((report, next));
            }
            let leases = self.outbox.lease_unsent(now, lease, batch).await?;
            if leases.is_empty() {
                return Ok((report, next));
            }
            for lease in leases {
                let now = self.clock.now();
                let outcome = if shutdown.is_cancelled() {
                    self.outbox.mark_failed(&lease, now).await
                } else if lease.until <= now {
                    // The ones before took its time: by now it may be another's.
                    Err(StoreError::LeaseLost(lease.notification.id))
                } else {
                    self.send(&lease, &mut report).await
                };
                match outcome {
                    Err(StoreError::LeaseLost(_)) => report.lost += 1,
                    outcome => outcome?,
                }
            }
        }
    }

    async fn send(&self, lease: &Lease, report: &mut SendReport) -> Result<(), StoreError> {
        let bound = lease.until.min(self.clock.now() + self.config.attempt_timeout);
        let outcome = tokio::select! {
            outcome = self.notify(lease) => outcome,
            () = self.clock.sleep_until(bound) => Err(failure(lease, "it takes too long")),
        };
        let now = self.clock.now();
        // A crash from here to the mark repeats the message, under the same id.
        match outcome {
            Ok(()) => {
                self.outbox.mark_sent(lease, now).await?;
                self.meters.sent.increment(1);
                report.sent += 1;
            }
            Err(error) => {
                let (id, tries) = (lease.notification.id, lease.attempts.saturating_add(1));
                warn!(%id, tries, error = &error as &dyn Error, "a notification is not delivered");
                self.meters.failed.increment(1);
                self.outbox.mark_failed(lease, now + self.pause(tries)).await?;
                report.failed += 1;
            }
        }
        Ok(())
    }

    async fn notify(&self, lease: &Lease) -> Result<(), NotifyError> {
        match self.notifiers.get(&lease.notification.notifier) {
            Some(notifier) => notifier.notify(&lease.notification).await,
            None => Err(failure(lease, "no notifier has this name any more")),
        }
    }

    /// How long to wait after that many tries.
    fn pause(&self, tries: u32) -> Duration {
        let doubled = 2_u32.saturating_pow(tries.saturating_sub(1));
        self.config.first_retry.saturating_mul(doubled).min(self.config.longest_retry)
    }
}

fn failure(lease: &Lease, why: &str) -> NotifyError {
    NotifyError { notifier: lease.notification.notifier.clone(), source: why.into() }
}

fn log(outcome: &Result<(SendReport, Option<Timestamp>), StoreError>) {
    match outcome {
        Ok((report, _)) if *report == SendReport::default() => (),
        Ok((report, _)) => info!(?report, "notification pass"),
        Err(error) => error!(error = error as &dyn Error, "notification pass failed"),
    }
}
