//! The messages of one target, one after the other.

use std::{error::Error, sync::Arc, time::Duration};

use gov_core::{Clock, Timestamp};
use gov_store::crash;
use tokio_util::sync::CancellationToken;
use tracing::{error, warn};

use super::{SendReport, SenderConfig, Target, schedule};
use crate::{
    meters::Meters,
    notifier::NotifyError,
    store::{self, Failure, Lease, Outbox, Pace, StoreError},
};

/// Delivers what is there for one target.
#[derive(Clone, Debug)]
pub(super) struct Lane {
    pub(super) name: String,
    /// `None`: no notifier has this name any more.
    pub(super) target: Option<Target>,
    pub(super) outbox: Arc<dyn Outbox>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) config: SenderConfig,
    pub(super) meters: Arc<Meters>,
}

/// What a lane did, and why it could not do all.
#[derive(Debug, Default)]
pub(super) struct Passed {
    pub(super) report: SendReport,
    pub(super) failure: Option<StoreError>,
}

impl Lane {
    /// Delivers until nothing is left that may be tried now, or until `shutdown`. One message is
    /// leased at a time, so no lease runs out while it waits for the others.
    pub(super) async fn pass(self, shutdown: CancellationToken) -> Passed {
        let mut report = SendReport::default();
        let failure = self.go(&shutdown, &mut report).await.err();
        Passed { report, failure }
    }

    async fn go(
        &self,
        shutdown: &CancellationToken,
        report: &mut SendReport,
    ) -> Result<(), StoreError> {
        let pace = self.target.as_ref().map_or(Pace::UNLIMITED, |it| it.pace);
        let lane = store::Lane { target: &self.name, pace };
        while !shutdown.is_cancelled() {
            let now = self.clock.now();
            let leases = self.outbox.lease_unsent(lane, now, self.config.lease, 1).await?;
            let Some(lease) = leases.first() else { break };
            match self.send(lease, report).await {
                Err(StoreError::LeaseLost(_)) => report.lost = report.lost.saturating_add(1),
                Err(broken @ StoreError::Corrupt { .. }) => {
                    // It stops no other; its lease keeps it away for a while.
                    error!(error = &broken as &dyn Error, "a notification cannot be marked");
                    report.lost = report.lost.saturating_add(1);
                }
                outcome => {
                    if !outcome? {
                        break;
                    }
                }
            }
        }
        Ok(())
    }

    /// Whether the target may have another message at once.
    async fn send(&self, lease: &Lease, report: &mut SendReport) -> Result<bool, StoreError> {
        crash::point("escalation-before-send");
        let outcome = self.try_once(lease).await;
        let now = self.clock.now();
        // A crash from here to the mark repeats the message, under the same id.
        crash::point("escalation-before-mark");
        let Err(error) = outcome else {
            self.outbox.mark_sent(lease, now).await?;
            crash::point("escalation-after-mark");
            self.meters.sent.increment(1);
            report.sent = report.sent.saturating_add(1);
            return Ok(true);
        };
        let (id, tries) = (lease.notification.id, lease.attempts.saturating_add(1));
        let why = error.reason();
        let target_name = &self.name;
        self.meters.failed.increment(1);
        match error {
            NotifyError::Gone { .. } => {
                warn!(%id, target_name, why, "a target is disabled: it says that it is gone");
                self.outbox.disable_target(lease, &why, now).await?;
                self.meters.disabled.increment(1);
                report.disabled = report.disabled.saturating_add(1);
                Ok(false)
            }
            NotifyError::Refused { .. } => {
                self.give_up(lease, report, &why, now).await?;
                Ok(true)
            }
            NotifyError::Retry { after, .. } => {
                let pause = schedule::pause(self.config.pauses, tries, id);
                let Some(pause) = pause else {
                    self.give_up(lease, report, &why, now).await?;
                    return Ok(true);
                };
                warn!(%id, target_name, tries, why, "a notification is not delivered");
                let hold_until = after.map(|it| now + it.min(self.config.longest_hold));
                let retry_at = hold_until.map_or(now + pause, |it| it.max(now + pause));
                let failure = Failure { retry_at, hold_until, why: &why };
                self.outbox.mark_failed(lease, failure).await?;
                report.failed = report.failed.saturating_add(1);
                Ok(hold_until.is_none())
            }
        }
    }

    async fn give_up(
        &self,
        lease: &Lease,
        report: &mut SendReport,
        why: &str,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let (id, tries) = (lease.notification.id, lease.attempts.saturating_add(1));
        error!(%id, target_name = self.name, tries, why, "a notification is given up");
        self.outbox.give_up(lease, why, now).await?;
        self.meters.given_up.increment(1);
        report.given_up = report.given_up.saturating_add(1);
        Ok(())
    }

    async fn try_once(&self, lease: &Lease) -> Result<(), NotifyError> {
        let Some(target) = &self.target else {
            return Err(NotifyError::refused("no notifier has this name any more"));
        };
        let bound = self.clock.now() + target.timeout.min(longest_try(self.config.lease));
        tokio::select! {
            outcome = target.notifier.notify(&lease.notification) => outcome,
            () = self.clock.sleep_until(bound) => Err(NotifyError::retry("it takes too long")),
        }
    }
}

/// A try ends well before its lease: there must be time to mark it.
fn longest_try(lease: Duration) -> Duration {
    lease * 3 / 4
}
