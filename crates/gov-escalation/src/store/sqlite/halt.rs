//! The one row of the clock.

use std::time::Duration;

use async_trait::async_trait;
use gov_core::Timestamp;
use rusqlite::{Connection, Row, Transaction, params};

use super::SqliteApprovalStore;
use crate::{
    clock::{Halts, RunningClock},
    store::{HaltClock, StoreError, rows::unavailable},
};

#[async_trait]
impl HaltClock for SqliteApprovalStore {
    async fn halt(&self, at: Timestamp) -> Result<bool, StoreError> {
        self.change(move |tx| {
            let Some(halts) = read(tx)?.halt(at) else { return Ok(false) };
            write(tx, &halts).map(|()| true)
        })
        .await
    }

    async fn resume(
        &self,
        halted_at: Timestamp,
        at: Timestamp,
    ) -> Result<Option<Duration>, StoreError> {
        self.change(move |tx| {
            let Some((halts, by)) = read(tx)?.resume(halted_at, at) else { return Ok(None) };
            write(tx, &halts).map(|()| Some(by))
        })
        .await
    }

    async fn clock(&self) -> Result<RunningClock, StoreError> {
        Ok(self.read(read).await?.clock)
    }
}

pub(super) fn read(connection: &Connection) -> Result<Halts, StoreError> {
    let mut statement = connection
        .prepare_cached("select halted_at, last_halt_at, given_back from escalation_clock")?;
    Ok(statement.query_row([], |it| row(it, 0))?)
}

/// The three columns from `first` on.
pub(super) fn row(row: &Row<'_>, first: usize) -> rusqlite::Result<Halts> {
    let time = |column| {
        let micros: rusqlite::Result<Option<i64>> = row.get(column);
        micros.map(|it| it.map(Timestamp::from_micros_clamped))
    };
    // The table holds none below zero.
    let given_back = Duration::from_micros(row.get::<_, i64>(first + 2)?.unsigned_abs());
    let clock = RunningClock { halted_at: time(first)?, given_back };
    Ok(Halts { clock, last: time(first + 1)? })
}

fn write(tx: &Transaction<'_>, halts: &Halts) -> Result<(), StoreError> {
    tx.prepare_cached(
        "update escalation_clock set halted_at = ?1, last_halt_at = ?2, given_back = ?3",
    )?
    .execute(params![
        halts.clock.halted_at.map(Timestamp::as_micros),
        halts.last.map(Timestamp::as_micros),
        i64::try_from(halts.clock.given_back.as_micros()).map_err(unavailable)?,
    ])?;
    Ok(())
}
