//! The one row of the clock.

use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use gov_core::Timestamp;
use sqlx::{AssertSqlSafe, PgExecutor, Row as _, postgres::PgRow};

use super::{PgApprovalStore, approvals, commit};
use crate::{
    clock::{Halts, RunningClock},
    store::{HaltClock, StoreError, rows::unavailable},
};

#[async_trait]
impl HaltClock for PgApprovalStore {
    async fn halt(&self, at: Timestamp) -> Result<bool, StoreError> {
        let halted = self.turn(|it| it.halt(at).map(|halts| (halts, ()))).await?;
        Ok(halted.is_some())
    }

    async fn resume(
        &self,
        halted_at: Timestamp,
        at: Timestamp,
    ) -> Result<Option<Duration>, StoreError> {
        self.turn(|it| it.resume(halted_at, at)).await
    }

    async fn clock(&self) -> Result<RunningClock, StoreError> {
        read(&self.pool).await
    }
}

impl PgApprovalStore {
    /// Writes what becomes of the clock, unless that is `None`.
    async fn turn<T>(
        &self,
        change: impl FnOnce(Halts) -> Option<(Halts, T)>,
    ) -> Result<Option<T>, StoreError> {
        let mut tx = self.pool.begin().await?;
        let Some((halts, answer)) = change(load(&mut *tx, "for update").await?) else {
            tx.rollback().await?;
            return Ok(None);
        };
        let given_back = i64::try_from(halts.clock.given_back.as_micros()).map_err(unavailable)?;
        sqlx::query(
            "with clock as (
                 update escalation_clock
                 set halted_at = $1, last_halt_at = $2, given_back = $3
             )
             select set_config('synchronous_commit', 'on', true)",
        )
        .bind(halts.clock.halted_at.map(DateTime::<Utc>::from))
        .bind(halts.last.map(DateTime::<Utc>::from))
        .bind(given_back)
        .execute(&mut *tx)
        .await?;
        commit(tx).await?;
        Ok(Some(answer))
    }
}

pub(super) async fn read(executor: impl PgExecutor<'_>) -> Result<RunningClock, StoreError> {
    Ok(load(executor, "").await?.clock)
}

async fn load(executor: impl PgExecutor<'_>, lock: &str) -> Result<Halts, StoreError> {
    let sql = format!("select halted_at, last_halt_at, given_back from escalation_clock {lock}");
    row(&sqlx::query(AssertSqlSafe(sql)).fetch_one(executor).await?)
}

pub(super) fn row(row: &PgRow) -> Result<Halts, StoreError> {
    let given_back = u64::try_from(row.try_get::<i64, _>("given_back")?).map_err(unavailable)?;
    let halted_at = approvals::optional_clamped_time(row, "halted_at")?;
    let clock = RunningClock { halted_at, given_back: Duration::from_micros(given_back) };
    Ok(Halts { clock, last: approvals::optional_clamped_time(row, "last_halt_at")? })
}
