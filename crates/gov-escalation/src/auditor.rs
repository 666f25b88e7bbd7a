//! The task that takes nothing for granted.

use std::{error::Error, sync::Arc, time::Duration};

use gov_core::Clock;
use tokio_util::sync::CancellationToken;
use tracing::{error, warn};

use self::meters::Meters;
use crate::{
    alarm::Alarm,
    store::{Auditing, Bounds, Findings, Mended, StoreError},
};

mod health;
mod meters;

pub use self::health::AuditorHealth;

/// How an [`EscalationAuditor`] paces itself.
#[derive(Clone, Copy, Debug)]
pub struct AuditorConfig {
    /// The pause between two passes.
    pub every: Duration,
    /// How late something may be.
    pub bounds: Bounds,
    /// At most this many clocks a transaction; a pass runs as many as it needs.
    pub batch: u32,
}

impl Default for AuditorConfig {
    fn default() -> Self {
        Self { every: Duration::from_secs(30), bounds: Bounds::default(), batch: 500 }
    }
}

/// What one pass did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AuditReport {
    /// What it found.
    pub found: Findings,
    /// What it put right of that.
    pub mended: Mended,
}

/// Finds approvals whose clock does not do what it should, mends what can be mended, and says what
/// somebody must look at.
#[derive(Debug)]
pub struct EscalationAuditor {
    store: Arc<dyn Auditing>,
    clock: Arc<dyn Clock>,
    alarm: Arc<Alarm>,
    config: AuditorConfig,
    health: Arc<AuditorHealth>,
    meters: Meters,
}

impl EscalationAuditor {
    /// Wires the task; [`EscalationAuditor::run`] starts it. The alarm is the one of this process's
    /// [`Approvals`](crate::Approvals).
    #[must_use]
    pub fn new(
        store: Arc<dyn Auditing>,
        clock: Arc<dyn Clock>,
        alarm: Arc<Alarm>,
        config: AuditorConfig,
    ) -> Self {
        let (health, meters) = (Arc::default(), Meters::new());
        Self { store, clock, alarm, config, health, meters }
    }

    /// How it is, also while it runs.
    #[must_use]
    pub fn health(&self) -> Arc<AuditorHealth> {
        Arc::clone(&self.health)
    }

    /// Looks once a pause until `shutdown`; a failed pass is logged, and the next one is tried.
    ///
    /// The first comes after a pause: what fell due while nobody ran is not late by its own fault.
    pub async fn run(self, shutdown: CancellationToken) {
        loop {
            let next = self.clock.now() + self.config.every;
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = self.clock.sleep_until(next) => (),
            }
            match self.run_once().await {
                Ok(report) if report == AuditReport::default() => (),
                Ok(report) => warn!(?report, "approvals need a look"),
                Err(error) => error!(error = &error as &dyn Error, "audit of the approvals failed"),
            }
        }
    }

    /// Looks, and mends what it finds. A scheduler that sleeps over something overdue is woken.
    ///
    /// # Errors
    ///
    /// As from [`Auditing`]. What is already mended stays mended.
    pub async fn run_once(&self) -> Result<AuditReport, StoreError> {
        let outcome = self.pass().await;
        self.meters.passed(&outcome);
        self.health.passed(&outcome);
        outcome
    }

    async fn pass(&self) -> Result<AuditReport, StoreError> {
        let now = self.clock.now();
        let found = self.store.findings(now, self.config.bounds).await?;
        let mut mended = Mended::default();
        let mut needs_mending = found.unarmed > 0 || found.stale > 0;
        while needs_mending {
            let done = self.store.mend(self.clock.now(), self.config.batch).await?;
            mended.add(done);
            needs_mending = done != Mended::default();
        }
        if mended.armed > 0 || found.overdue > 0 {
            self.alarm.armed(Some(now));
        }
        Ok(AuditReport { found, mended })
    }
}
