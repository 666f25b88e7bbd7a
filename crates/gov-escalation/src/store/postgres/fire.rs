//! Firing due timers.

use chrono::{DateTime, Utc};
use gov_core::Timestamp;
use sqlx::{PgConnection, PgExecutor, Row as _};
use uuid::Uuid;

use super::{approvals, batch::Batch, halt};
use crate::{
    roster::Roster,
    store::{
        Firing, Pulse, StoreError,
        rows::{Plan, Planned, plan},
    },
};

/// Locks the first `limit` due timers; one that another transaction holds is left to it.
pub(super) async fn lock_due(
    tx: &mut PgConnection,
    now: Timestamp,
    limit: u32,
) -> Result<Vec<Uuid>, StoreError> {
    let clock = halt::read(&mut *tx).await?;
    if clock.halted_at.is_some() {
        return Ok(Vec::new());
    }
    let rows = sqlx::query(
        "select approval_id from escalation_timer
         where due_at <= $1 and unreadable is null
         order by due_at, approval_id limit $2
         for update skip locked",
    )
    .bind(DateTime::<Utc>::from(clock.stored(now)))
    .bind(i64::from(limit))
    .fetch_all(tx)
    .await?;
    rows.iter().map(|row| Ok(row.try_get("approval_id")?)).collect()
}

/// Fires the locked timers.
pub(super) async fn write(
    tx: &mut PgConnection,
    locked: &[Uuid],
    people: Option<&Roster>,
    now: Timestamp,
) -> Result<Firing, StoreError> {
    // Read by a statement of its own, which began after the locks were taken: what it sees stays.
    let due = approvals::get_due(tx, locked).await?;
    let mut firing = Firing::default();
    let mut planned = Vec::with_capacity(due.len());
    for (id, generation, read) in due {
        let Some(mut it) = plan(id, generation, read, people, now)? else { continue };
        firing.fired.add(it.counts);
        firing.events.extend(it.event.take());
        planned.push(it);
    }
    put_away(tx, &planned).await?;
    let mut batch = Batch::default();
    for it in &planned {
        if let Plan::Step(step) = &it.plan {
            batch.take(step)?;
        }
    }
    batch.write(tx).await?;
    Ok(firing)
}

/// Stops the clocks of what is over, and sets aside what cannot be read.
async fn put_away(tx: &mut PgConnection, planned: &[Planned]) -> Result<(), StoreError> {
    let (mut ids, mut generations, mut reasons) = (Vec::new(), Vec::new(), Vec::new());
    for it in planned {
        match &it.plan {
            Plan::Step(_) => continue,
            Plan::Stop => reasons.push(None),
            Plan::SetAside(why) => reasons.push(Some(why.as_str())),
        }
        ids.push(it.id.as_uuid());
        generations.push(it.generation);
    }
    if ids.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "update escalation_timer t
         set unreadable = new.why, due_at = case when new.why is null then null else t.due_at end
         from unnest($1::uuid[], $2::bigint[], $3::text[]) as new (approval_id, generation, why)
         where t.approval_id = new.approval_id and t.generation = new.generation",
    )
    .bind(ids)
    .bind(generations)
    .bind(reasons)
    .execute(tx)
    .await?;
    Ok(())
}

pub(super) async fn pulse(executor: impl PgExecutor<'_>) -> Result<Pulse, StoreError> {
    let row = sqlx::query(
        "select (select due_at from escalation_timer
                 where due_at is not null and unreadable is null order by due_at limit 1),
             (select min(greatest(free_at, held_until)) as free_at
              from (select notifier, min(free_at) as free_at from escalation_outbox
                    where free_at is not null group by notifier) as unsent
                  left join escalation_target on name = notifier
              where disabled_at is null),
             halted_at, last_halt_at, given_back
         from escalation_clock",
    )
    .fetch_one(executor)
    .await?;
    let clock = halt::row(&row)?.clock;
    Ok(Pulse {
        next_deadline: clock.strikes_at(approvals::optional_time(&row, "due_at")?),
        next_unsent: approvals::optional_clamped_time(&row, "free_at")?,
    })
}
