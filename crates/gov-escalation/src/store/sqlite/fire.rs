//! Firing due timers.

use gov_core::Timestamp;
use rusqlite::{Connection, Transaction, params};

use super::{approvals, halt, steps::Steps};
use crate::{
    roster::Roster,
    store::{
        Firing, Pulse, StoreError,
        rows::{Plan, Planned, plan},
    },
};

/// What becomes of the first `limit` due timers, by deadline, then id.
pub(super) fn plan_due(
    connection: &Connection,
    people: Option<&Roster>,
    now: Timestamp,
    limit: u32,
) -> Result<Vec<Planned>, StoreError> {
    let clock = halt::read(connection)?.clock;
    if clock.halted_at.is_some() {
        return Ok(Vec::new());
    }
    let sql = format!(
        "select {}, a.approval_id is null as orphan
         from escalation_timer t left join escalation_approval a using (approval_id)
         where t.due_at <= ?1 and t.unreadable is null
         order by t.due_at, t.approval_id
         limit ?2",
        approvals::columns!()
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query(params![clock.stored(now).as_micros(), limit])?;
    let mut planned = Vec::new();
    while let Some(row) = rows.next()? {
        let id = approvals::id(row)?;
        let orphan: bool = row.get("orphan")?;
        let read = if orphan { Err(StoreError::NotFound(id)) } else { approvals::read(row, id) };
        planned.extend(plan(id, row.get("generation")?, read, people, now)?);
    }
    Ok(planned)
}

/// Writes what is planned, in order; what has changed since it was read is left alone.
pub(super) fn write(tx: &Transaction<'_>, planned: Vec<Planned>) -> Result<Firing, StoreError> {
    let mut firing = Firing::default();
    let mut steps = Steps::of(tx)?;
    for Planned { id, generation, plan, counts, event } in planned {
        let id = id.as_uuid();
        let done = match &plan {
            Plan::Step(step) => steps.take_from(step, generation)?.is_some(),
            Plan::Stop => {
                tx.prepare_cached(
                    "update escalation_timer set due_at = null
                     where approval_id = ?1 and generation = ?2",
                )?
                .execute(params![id.as_bytes(), generation])?
                    == 1
            }
            Plan::SetAside(why) => {
                tx.prepare_cached(
                    "update escalation_timer set unreadable = ?3
                     where approval_id = ?1 and generation = ?2 and unreadable is null",
                )?
                .execute(params![id.as_bytes(), generation, why])?
                    == 1
            }
        };
        if done {
            firing.fired.add(counts);
            firing.events.extend(event);
        }
    }
    Ok(firing)
}

pub(super) fn pulse(connection: &Connection) -> Result<Pulse, StoreError> {
    let mut statement = connection.prepare_cached(
        "select (select min(due_at) from escalation_timer
                 where due_at is not null and unreadable is null),
             (select min(max(free_at, coalesce(held_until, free_at)))
              from (select notifier, min(free_at) as free_at from escalation_outbox
                    where free_at is not null group by notifier)
                  left join escalation_target on name = notifier
              where disabled_at is null),
             halted_at, last_halt_at, given_back
         from escalation_clock",
    )?;
    let pulse = statement.query_row([], |row| {
        let clock = halt::row(row, 2)?.clock;
        let next_unsent = row.get::<_, Option<i64>>(1)?.map(Timestamp::from_micros_clamped);
        Ok(Pulse { next_deadline: clock.strikes_at(row.get(0)?), next_unsent })
    });
    Ok(pulse?)
}
