//! What is known of the targets of messages.

use gov_core::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, Row, Transaction, params};

use crate::store::{Lane, StoreError, TargetState, Waiting, rows::unavailable};

/// A target as its lane asks for it; one without a row is well.
#[derive(Debug, Default)]
pub(super) struct Door {
    is_disabled: bool,
    held_until: Option<i64>,
    paid_until: Option<i64>,
}

impl Door {
    pub(super) fn of(tx: &Transaction<'_>, target: &str) -> Result<Self, StoreError> {
        let mut statement = tx.prepare_cached(
            "select disabled_at is not null, held_until, paid_until
             from escalation_target where name = ?1",
        )?;
        let read = |row: &Row<'_>| {
            Ok(Self { is_disabled: row.get(0)?, held_until: row.get(1)?, paid_until: row.get(2)? })
        };
        Ok(statement.query_row([target], read).optional()?.unwrap_or_default())
    }

    /// How many messages may be leased.
    pub(super) fn room(&self, lane: Lane<'_>, now: Timestamp) -> u32 {
        let is_held = self.held_until.is_some_and(|it| now.as_micros() < it);
        if self.is_disabled || is_held { 0 } else { lane.pace.room(self.paid_until(), now) }
    }

    pub(super) fn pay(
        &self,
        tx: &Transaction<'_>,
        lane: Lane<'_>,
        now: Timestamp,
        count: u32,
    ) -> Result<(), StoreError> {
        if !lane.pace.is_limited() {
            return Ok(());
        }
        let paid_until = lane.pace.pay(self.paid_until(), now, count);
        tx.prepare_cached(
            "insert into escalation_target (name, paid_until) values (?1, ?2)
             on conflict (name) do update set paid_until = excluded.paid_until",
        )?
        .execute(params![lane.target, paid_until.as_micros()])?;
        Ok(())
    }

    fn paid_until(&self) -> Option<Timestamp> {
        self.paid_until.map(Timestamp::from_micros_clamped)
    }
}

/// The last try did not fail.
pub(super) fn went_well(tx: &Transaction<'_>, target: &str) -> Result<(), StoreError> {
    tx.prepare_cached(
        "update escalation_target set failures = 0, last_error = null, held_until = null
         where name = ?1 and (failures > 0 or held_until is not null)",
    )?
    .execute([target])?;
    Ok(())
}

/// The last try failed, and `given_up` messages with it.
pub(super) fn failed(
    tx: &Transaction<'_>,
    target: &str,
    why: &str,
    hold_until: Option<Timestamp>,
    given_up: u32,
) -> Result<(), StoreError> {
    tx.prepare_cached(
        "insert into escalation_target (name, failures, last_error, held_until, given_up)
         values (?1, 1, ?2, ?3, ?4)
         on conflict (name) do update
         set failures = failures + 1, last_error = excluded.last_error,
             held_until = coalesce(max(held_until, excluded.held_until), held_until,
                 excluded.held_until),
             given_up = given_up + excluded.given_up",
    )?
    .execute(params![target, why, hold_until.map(Timestamp::as_micros), given_up])?;
    Ok(())
}

/// False if it is disabled already.
pub(super) fn disable(
    tx: &Transaction<'_>,
    target: &str,
    why: &str,
    at: Timestamp,
) -> Result<bool, StoreError> {
    let done = tx
        .prepare_cached(
            "insert into escalation_target (name, failures, last_error, disabled_at,
                 disabled_because)
             values (?1, 1, ?2, ?3, ?2)
             on conflict (name) do update
             set failures = failures + 1, last_error = excluded.last_error,
                 disabled_at = excluded.disabled_at, disabled_because = excluded.disabled_because
             where disabled_at is null",
        )?
        .execute(params![target, why, at.as_micros()])?;
    Ok(done > 0)
}

/// False if there was nothing to forget.
pub(super) fn enable(tx: &Transaction<'_>, target: &str) -> Result<bool, StoreError> {
    let done = tx
        .prepare_cached(
            "update escalation_target
             set disabled_at = null, disabled_because = null, held_until = null, failures = 0,
                 last_error = null, given_up = 0
             where name = ?1 and (disabled_at is not null or held_until is not null
                 or failures > 0 or given_up > 0)",
        )?
        .execute([target])?;
    Ok(done > 0)
}

pub(super) fn waiting(connection: &Connection) -> Result<Vec<Waiting>, StoreError> {
    let mut statement = connection.prepare_cached(
        "select notifier, max(free_at, coalesce(held_until, free_at)), paid_until
         from (select notifier, min(free_at) as free_at from escalation_outbox
               where free_at is not null group by notifier)
             left join escalation_target on name = notifier
         where disabled_at is null order by notifier",
    )?;
    let rows = statement.query_map([], |row| {
        let paid_until: Option<i64> = row.get(2)?;
        Ok(Waiting {
            target: row.get(0)?,
            free_at: Timestamp::from_micros_clamped(row.get(1)?),
            paid_until: paid_until.map(Timestamp::from_micros_clamped),
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

pub(super) fn states(connection: &Connection) -> Result<Vec<TargetState>, StoreError> {
    let mut statement = connection.prepare_cached(
        "with unsent (name, waiting) as (
             select notifier, count(*) from escalation_outbox where free_at is not null
             group by notifier
         )
         select name, coalesce(waiting, 0), coalesce(given_up, 0), coalesce(failures, 0),
             last_error, held_until, disabled_at, disabled_because
         from escalation_target full join unsent using (name) order by name",
    )?;
    let mut rows = statement.query([])?;
    let mut states = Vec::new();
    while let Some(row) = rows.next()? {
        let count = |column| u64::try_from(row.get::<_, i64>(column)?).map_err(unavailable);
        let time = |column| {
            let micros: Option<i64> = row.get(column)?;
            Ok::<_, StoreError>(micros.map(Timestamp::from_micros_clamped))
        };
        states.push(TargetState {
            name: row.get(0)?,
            waiting: count(1)?,
            given_up: count(2)?,
            failures: count(3)?,
            last_error: row.get(4)?,
            held_until: time(5)?,
            disabled: time(6)?.zip(row.get(7)?),
        });
    }
    states.retain(|it| it.waiting > 0 || it.is_remarkable());
    Ok(states)
}
