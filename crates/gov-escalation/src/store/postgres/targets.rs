//! What is known of the targets of messages.

use chrono::{DateTime, Utc};
use gov_core::Timestamp;
use sqlx::{PgConnection, PgPool, Row as _, postgres::PgRow};

use super::{approvals::clamped_time, fate};
use crate::store::{Lane, StoreError, TargetState, Waiting, rows::unavailable};

/// A target as its lane asks for it; one without a row is well.
#[derive(Debug, Default)]
pub(super) struct Door {
    is_disabled: bool,
    held_until: Option<Timestamp>,
    paid_until: Option<Timestamp>,
}

impl Door {
    /// Where there is a pace, nobody else pays from it before this transaction ends.
    pub(super) async fn lock(tx: &mut PgConnection, lane: Lane<'_>) -> Result<Self, StoreError> {
        if lane.pace.is_limited() {
            // Without a row there would be nothing to lock. It stays if no message is there.
            let row = sqlx::query(
                "insert into escalation_target (name) values ($1) on conflict (name) do nothing",
            );
            row.bind(lane.target).execute(&mut *tx).await?;
        }
        let sql = if lane.pace.is_limited() {
            "select disabled_at is not null as is_disabled, held_until, paid_until
             from escalation_target where name = $1 for update"
        } else {
            "select disabled_at is not null as is_disabled, held_until, paid_until
             from escalation_target where name = $1"
        };
        let row = sqlx::query(sql).bind(lane.target).fetch_optional(tx).await?;
        let Some(row) = row else { return Ok(Self::default()) };
        Ok(Self {
            is_disabled: row.try_get("is_disabled")?,
            held_until: time(&row, "held_until")?,
            paid_until: time(&row, "paid_until")?,
        })
    }

    /// How many messages may be leased.
    pub(super) fn room(&self, lane: Lane<'_>, now: Timestamp) -> u32 {
        let is_held = self.held_until.is_some_and(|it| now < it);
        if self.is_disabled || is_held { 0 } else { lane.pace.room(self.paid_until, now) }
    }

    pub(super) async fn pay(
        &self,
        tx: &mut PgConnection,
        lane: Lane<'_>,
        now: Timestamp,
        count: u32,
    ) -> Result<(), StoreError> {
        if lane.pace.is_limited() {
            let paid_until = lane.pace.pay(self.paid_until, now, count);
            sqlx::query("update escalation_target set paid_until = $2 where name = $1")
                .bind(lane.target)
                .bind(DateTime::<Utc>::from(paid_until))
                .execute(tx)
                .await?;
        }
        Ok(())
    }
}

/// The last try did not fail.
pub(super) async fn went_well(tx: &mut PgConnection, target: &str) -> Result<(), StoreError> {
    let done = sqlx::query(
        "update escalation_target set failures = 0, last_error = null, held_until = null
         where name = $1 and (failures > 0 or held_until is not null)",
    );
    done.bind(target).execute(tx).await?;
    Ok(())
}

/// The last try failed, and `given_up` messages with it.
pub(super) async fn failed(
    tx: &mut PgConnection,
    target: &str,
    why: &str,
    hold_until: Option<Timestamp>,
    given_up: u32,
) -> Result<(), StoreError> {
    sqlx::query(
        "insert into escalation_target as t (name, failures, last_error, held_until, given_up)
         values ($1, 1, $2, $3, $4)
         on conflict (name) do update
         set failures = t.failures + 1, last_error = excluded.last_error,
             held_until = greatest(t.held_until, excluded.held_until),
             given_up = t.given_up + excluded.given_up",
    )
    .bind(target)
    .bind(why)
    .bind(hold_until.map(DateTime::<Utc>::from))
    .bind(i64::from(given_up))
    .execute(tx)
    .await?;
    Ok(())
}

/// False if it is disabled already.
pub(super) async fn disable(
    tx: &mut PgConnection,
    target: &str,
    why: &str,
    at: Timestamp,
) -> Result<bool, StoreError> {
    let done = sqlx::query(
        "insert into escalation_target as t (name, failures, last_error, disabled_at,
             disabled_because)
         values ($1, 1, $2, $3, $2)
         on conflict (name) do update
         set failures = t.failures + 1, last_error = excluded.last_error,
             disabled_at = excluded.disabled_at, disabled_because = excluded.disabled_because
         where t.disabled_at is null",
    )
    .bind(target)
    .bind(why)
    .bind(DateTime::<Utc>::from(at))
    .execute(tx)
    .await?;
    Ok(done.rows_affected() > 0)
}

/// False if there was nothing to forget.
pub(super) async fn enable(pool: &PgPool, target: &str) -> Result<bool, StoreError> {
    let done = sqlx::query(
        "update escalation_target
         set disabled_at = null, disabled_because = null, held_until = null, failures = 0,
             last_error = null, given_up = 0
         where name = $1 and (disabled_at is not null or held_until is not null
             or failures > 0 or given_up > 0)",
    );
    let done = done.bind(target).execute(pool).await.map_err(fate)?;
    Ok(done.rows_affected() > 0)
}

pub(super) async fn waiting(pool: &PgPool) -> Result<Vec<Waiting>, StoreError> {
    let rows = sqlx::query(
        "select notifier, greatest(free_at, held_until) as free_at, paid_until
         from (select notifier, min(free_at) as free_at from escalation_outbox
               where free_at is not null group by notifier) unsent
             left join escalation_target on name = notifier
         where disabled_at is null order by notifier",
    )
    .fetch_all(pool)
    .await?;
    let waiting = rows.iter().map(|row| {
        Ok(Waiting {
            target: row.try_get("notifier")?,
            free_at: clamped_time(row, "free_at")?,
            paid_until: time(row, "paid_until")?,
        })
    });
    waiting.collect()
}

pub(super) async fn states(pool: &PgPool) -> Result<Vec<TargetState>, StoreError> {
    let rows = sqlx::query(
        "with unsent (name, waiting) as (
             select notifier, count(*) from escalation_outbox where free_at is not null
             group by notifier
         )
         select name, coalesce(waiting, 0) as waiting, coalesce(given_up, 0) as given_up,
             coalesce(failures, 0) as failures, last_error, held_until, disabled_at,
             disabled_because
         from escalation_target full join unsent using (name) order by name",
    )
    .fetch_all(pool)
    .await?;
    let states = rows.iter().map(|row| {
        let count = |column| u64::try_from(row.try_get::<i64, _>(column)?).map_err(unavailable);
        Ok(TargetState {
            name: row.try_get("name")?,
            waiting: count("waiting")?,
            given_up: count("given_up")?,
            failures: count("failures")?,
            last_error: row.try_get("last_error")?,
            held_until: time(row, "held_until")?,
            disabled: time(row, "disabled_at")?.zip(row.try_get("disabled_because")?),
        })
    });
    let mut states = states.collect::<Result<Vec<_>, StoreError>>()?;
    states.retain(|it| it.waiting > 0 || it.is_remarkable());
    Ok(states)
}

fn time(row: &PgRow, column: &str) -> Result<Option<Timestamp>, StoreError> {
    let micros: Option<DateTime<Utc>> = row.try_get(column)?;
    Ok(micros.map(|it| Timestamp::from_micros_clamped(it.timestamp_micros())))
}
