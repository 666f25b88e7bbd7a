//! Finding what went wrong, and mending it.

use async_trait::async_trait;
use gov_core::{ApprovalId, AuditEventKind, NotificationId, Payload, Timestamp};
use rusqlite::{Connection, Row, Transaction, params};
use serde_json::json;

use super::{SqliteApprovalStore, approvals, halt};
use crate::store::{
    Auditing, Bounds, Findings, Mended, SetAside, StoreError,
    rows::{Columns, Mending, mending, unavailable},
};

/// Approvals without the timer that they should have. Of those that are over only the newest are
/// looked at: their number has no bound.
const UNARMED: &str =
    "select a.approval_id from escalation_approval a left join escalation_timer t using (approval_id)
     where a.status in ('pending', 'approved') and t.due_at is null and t.unreadable is null
     union
     select a.approval_id from (
         select approval_id from escalation_approval where status = 'parked'
         union
         select * from (
             select approval_id from escalation_approval order by approval_id desc limit 10000)
     ) a where not exists (select 1 from escalation_timer t where t.approval_id = a.approval_id)";

/// Timers that run although their approval is over. By the narrow index: the status stands behind
/// the whole content of its row.
const STALE: &str = "from escalation_timer t where t.due_at is not null and t.unreadable is null
     and not exists (
         select 1 from escalation_approval a indexed by escalation_approval_status
         where a.status in ('pending', 'approved') and a.approval_id = t.approval_id)
     and exists (
         select 1 from escalation_approval a where a.approval_id = t.approval_id and a.status in
             ('parked', 'rejected', 'timed_out', 'cancelled', 'consumed', 'expired'))";

/// A timer that runs and should not, as it was read.
type Stale = (ApprovalId, i64);

#[async_trait]
impl Auditing for SqliteApprovalStore {
    async fn findings(&self, now: Timestamp, bounds: Bounds) -> Result<Findings, StoreError> {
        let due = bounds.overdue_since(now);
        // An id begins with its time.
        let written = NotificationId::at(bounds.unsent_since(now)).as_uuid();
        let sql = format!(
            "select (select count(*) from ({UNARMED})),
                 (select count(*) from escalation_timer where unreadable is null and due_at < ?1 - (
                     select given_back from escalation_clock where halted_at is null)),
                 (select count(*) from escalation_outbox
                     where free_at is not null and +notification_id < ?2),
                 (select count(*) {STALE}),
                 (select count(*) from escalation_timer where unreadable is not null)"
        );
        self.read(move |connection| {
            let values = params![due.as_micros(), written.as_bytes()];
            Ok(connection.prepare_cached(&sql)?.query_row(values, |row| {
                let count = |column| row.get::<_, i64>(column).map(i64::unsigned_abs);
                Ok(Findings {
                    unarmed: count(0)?,
                    overdue: count(1)?,
                    unsent: count(2)?,
                    stale: count(3)?,
                    set_aside: count(4)?,
                })
            })?)
        })
        .await
    }

    async fn mend(&self, now: Timestamp, limit: u32) -> Result<Mended, StoreError> {
        // As when firing: judged before the transaction, and the generation decides in it.
        let (unarmed, stale) = self
            .read(move |it| Ok((plan_unarmed(it, now, limit)?, plan_stale(it, limit)?)))
            .await?;
        if unarmed.is_empty() && stale.is_empty() {
            return Ok(Mended::default());
        }
        self.change(move |tx| {
            let mut mended = Mended::default();
            for it in &unarmed {
                let counter =
                    if it.unreadable.is_some() { &mut mended.set_aside } else { &mut mended.armed };
                *counter += u32::from(arm(tx, it)?);
            }
            for it in &stale {
                mended.disarmed += u32::from(disarm(tx, *it)?);
            }
            Ok(mended)
        })
        .await
    }

    async fn set_aside(&self, limit: u32) -> Result<Vec<SetAside>, StoreError> {
        self.read(move |connection| {
            let mut statement = connection.prepare_cached(
                "select approval_id, unreadable from escalation_timer where unreadable is not null
                 order by approval_id limit ?1",
            )?;
            let mut rows = statement.query([limit])?;
            let mut found = Vec::new();
            while let Some(row) = rows.next()? {
                found.push(SetAside { approval_id: approvals::id(row)?, reason: row.get(1)? });
            }
            Ok(found)
        })
        .await
    }

    async fn discard(
        &self,
        id: ApprovalId,
        actor: &str,
        reason: &str,
        now: Timestamp,
    ) -> Result<u64, StoreError> {
        let content = json!({"approval_id": id, "actor": actor, "reason": reason});
        let payload = Payload::seal(&content).map_err(unavailable)?;
        let (key, actor) = (id.as_uuid(), actor.to_owned());
        self.change(move |tx| {
            let mut changed = tx
                .prepare_cached(
                    "update escalation_timer
                     set due_at = null, generation = generation + 1, unreadable = null
                     where approval_id = ?1 and unreadable is not null",
                )?
                .execute([key.as_bytes()])?;
            changed += tx
                .prepare_cached(
                    "update escalation_approval set status = 'cancelled', expires_at = null
                     where approval_id = ?1",
                )?
                .execute([key.as_bytes()])?;
            if changed != 2 {
                return Err(StoreError::NotFound(id));
            }
            tx.prepare_cached(
                "insert into escalation_history (approval_id, at, kind, actor, payload, salt)
                 values (?1, ?2, ?3, ?4, ?5, ?6)",
            )?
            .execute(params![
                key.as_bytes(),
                now.as_micros(),
                AuditEventKind::ApprovalCancelled.as_str(),
                actor,
                payload.as_bytes(),
                payload.salt(),
            ])?;
            Columns::of(id).number("position", tx.last_insert_rowid())
        })
        .await
    }
}

fn plan_unarmed(
    connection: &Connection,
    now: Timestamp,
    limit: u32,
) -> Result<Vec<Mending>, StoreError> {
    // Messages are found by no approval: one walk for all that are lost.
    let sql = format!(
        "with found as materialized (select approval_id from ({UNARMED}) order by 1 limit ?2),
         lost as materialized (
             select approval_id from found f where not exists
                 (select 1 from escalation_timer t where t.approval_id = f.approval_id)),
         told as materialized (
             select approval_id, max(rung) as rung from escalation_outbox
             where approval_id in (select approval_id from lost) group by approval_id)
         select {}, t.is_missing
         from escalation_approval a join (
             select f.approval_id, coalesce(o.rung, told.rung, 0) as rung,
                 coalesce(o.arrived_at, ?1) as arrived_at, o.due_at,
                 coalesce(o.generation, 1 + (
                     select count(*) from escalation_history h where h.approval_id = f.approval_id
                 )) as generation,
                 o.approval_id is null as is_missing
             from found f left join escalation_timer o using (approval_id)
                 left join told using (approval_id)
         ) t using (approval_id)
         order by t.approval_id",
        approvals::columns!()
    );
    let clock = halt::read(connection)?.clock;
    let begins = clock.stored(clock.at(now));
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query(params![begins.as_micros(), limit])?;
    let mut planned = Vec::new();
    while let Some(row) = rows.next()? {
        let id = approvals::id(row)?;
        let (generation, is_missing) = (row.get("generation")?, row.get("is_missing")?);
        planned.push(mending(id, generation, is_missing, approvals::read(row, id), begins)?);
    }
    Ok(planned)
}

fn plan_stale(connection: &Connection, limit: u32) -> Result<Vec<Stale>, StoreError> {
    let sql = format!("select t.approval_id, t.generation {STALE} order by t.due_at limit ?1");
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query([limit])?;
    let mut planned = Vec::new();
    while let Some(row) = rows.next()? {
        planned.push(stale(row)?);
    }
    Ok(planned)
}

fn stale(row: &Row<'_>) -> Result<Stale, StoreError> {
    Ok((approvals::id(row)?, row.get(1)?))
}

/// False where somebody else was there first.
fn arm(tx: &Transaction<'_>, it: &Mending) -> Result<bool, StoreError> {
    let id = it.id.as_uuid();
    let due_at = it.due_at.map(Timestamp::as_micros);
    let done = if it.is_missing {
        tx.prepare_cached(
            "insert into escalation_timer
                 (approval_id, rung, arrived_at, due_at, generation, unreadable)
             values (?1, ?2, ?3, ?4, ?5 + 1, ?6) on conflict do nothing",
        )?
        .execute(params![
            id.as_bytes(),
            it.rung,
            it.arrived_at.as_micros(),
            due_at,
            it.generation,
            it.unreadable,
        ])?
    } else {
        tx.prepare_cached(
            "update escalation_timer set due_at = ?2, generation = generation + 1, unreadable = ?4
             where approval_id = ?1 and generation = ?3 and due_at is null and unreadable is null",
        )?
        .execute(params![id.as_bytes(), due_at, it.generation, it.unreadable])?
    };
    Ok(done == 1)
}

fn disarm(tx: &Transaction<'_>, (id, generation): Stale) -> Result<bool, StoreError> {
    let id = id.as_uuid();
    let done = tx
        .prepare_cached(
            "update escalation_timer set due_at = null, generation = generation + 1
             where approval_id = ?1 and generation = ?2",
        )?
        .execute(params![id.as_bytes(), generation])?;
    Ok(done == 1)
}
