//! Deadlines of one process that another one would sleep over.

use std::{error::Error, sync::Arc, time::Duration};

use gov_core::{Clock, Timestamp};
use sqlx::{PgPool, postgres::PgListener};
use tokio_util::sync::CancellationToken;
use tracing::warn;
use uuid::Uuid;

use super::PgApprovalStore;
use crate::alarm::Alarm;

const CHANNEL: &str = "gov_escalation_armed";

/// A deadline that is farther away is found by everybody's safety poll.
const HORIZON: Duration = Duration::from_secs(10);

/// The least pause between two notices of one process: a notice takes a lock of the whole server
/// when it is committed.
const PAUSE: Duration = Duration::from_millis(50);

/// The pause after a lost connection.
const RETRY: Duration = Duration::from_secs(1);

/// Wakes the schedulers of other processes, and is woken by theirs, when a deadline is armed that
/// comes before their next look.
///
/// Only a comfort: a notice that is lost costs one safety poll. It is sent after the transaction
/// and outside of it, the earliest deadline for all that were armed within 50 ms. The task keeps
/// one connection of the pool.
#[derive(Debug)]
pub struct PgBell {
    pool: PgPool,
    alarm: Arc<Alarm>,
    clock: Arc<dyn Clock>,
    // So that nobody wakes itself.
    process: Uuid,
}

impl PgBell {
    /// Wires the task; [`PgBell::run`] starts it. The alarm is the one of this process's
    /// [`Approvals`](crate::Approvals).
    #[must_use]
    pub fn new(store: &PgApprovalStore, alarm: Arc<Alarm>, clock: Arc<dyn Clock>) -> Self {
        Self { pool: store.pool.clone(), alarm, clock, process: Uuid::new_v4() }
    }

    /// Passes deadlines on until `shutdown`; a lost connection is logged and made again.
    pub async fn run(self, shutdown: CancellationToken) {
        loop {
            let outcome = tokio::select! {
                () = shutdown.cancelled() => return,
                outcome = self.serve() => outcome,
            };
            if let Err(error) = outcome {
                warn!(error = &error as &dyn Error, "deadlines of other processes are polled for");
            }
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = self.clock.sleep_until(self.clock.now() + RETRY) => (),
            }
        }
    }

    /// Until the connection fails.
    async fn serve(&self) -> Result<(), sqlx::Error> {
        let mut listener = PgListener::connect_with(&self.pool).await?;
        listener.listen(CHANNEL).await?;
        tokio::select! {
            outcome = self.hear(listener) => outcome,
            outcome = self.tell() => outcome,
        }
    }

    async fn hear(&self, mut listener: PgListener) -> Result<(), sqlx::Error> {
        loop {
            let notice = listener.recv().await?;
            let Some((process, micros)) = notice.payload().split_once(' ') else { continue };
            let deadline = micros.parse().ok().map(Timestamp::from_micros_clamped);
            if process != self.process.to_string() {
                self.alarm.armed_elsewhere(deadline);
            }
        }
    }

    async fn tell(&self) -> Result<(), sqlx::Error> {
        loop {
            let deadline = self.alarm.unheard().await;
            if self.clock.now() + HORIZON <= deadline {
                continue;
            }
            sqlx::query("select pg_notify($1, $2)")
                .bind(CHANNEL)
                .bind(format!("{} {}", self.process, deadline.as_micros()))
                .execute(&self.pool)
                .await?;
            self.clock.sleep_until(self.clock.now() + PAUSE).await;
        }
    }
}
