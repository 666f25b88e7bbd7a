//! Finding what went wrong, and mending it.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use gov_core::{ApprovalId, AuditEventKind, NotificationId, Payload, Timestamp};
use serde_json::json;
use sqlx::{AssertSqlSafe, PgConnection, PgExecutor, PgPool, Row as _};
use uuid::Uuid;

use super::{PgApprovalStore, approvals, commit, halt};
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
         (select approval_id from escalation_approval order by approval_id desc limit 10000)
     ) a where not exists (select 1 from escalation_timer t where t.approval_id = a.approval_id)";

/// Timers that run although their approval is over. First by the narrow index: nearly all of them
/// are of open ones.
const STALE: &str = "from escalation_timer t where t.due_at is not null and t.unreadable is null
     and not exists (
         select 1 from escalation_approval a
         where a.status in ('pending', 'approved') and a.approval_id = t.approval_id)
     and exists (
         select 1 from escalation_approval a where a.approval_id = t.approval_id and a.status in
             ('parked', 'rejected', 'timed_out', 'cancelled', 'consumed', 'expired'))";

#[async_trait]
impl Auditing for PgApprovalStore {
    async fn findings(&self, now: Timestamp, bounds: Bounds) -> Result<Findings, StoreError> {
        // An id begins with its time.
        let written = NotificationId::at(bounds.unsent_since(now)).as_uuid();
        let row = sqlx::query(AssertSqlSafe(format!(
            "select (select count(*) from ({UNARMED}) unarmed) as unarmed,
                 (select count(*) from escalation_timer where unreadable is null and due_at < $1 - (
                     select given_back * interval '1 microsecond' from escalation_clock
                     where halted_at is null)) as overdue,
                 (select count(*) from escalation_outbox
                     where free_at is not null and notification_id < $2) as unsent,
                 (select count(*) {STALE}) as stale,
                 (select count(*) from escalation_timer where unreadable is not null) as set_aside"
        )))
        .bind(DateTime::<Utc>::from(bounds.overdue_since(now)))
        .bind(written)
        .fetch_one(&self.pool)
        .await?;
        let count = |column| row.try_get::<i64, _>(column).map(i64::unsigned_abs);
        Ok(Findings {
            unarmed: count("unarmed")?,
            overdue: count("overdue")?,
            unsent: count("unsent")?,
            stale: count("stale")?,
            set_aside: count("set_aside")?,
        })
    }

    async fn mend(&self, now: Timestamp, limit: u32) -> Result<Mended, StoreError> {
        // Judged before the transaction; the generation decides in it.
        let unarmed = plan_unarmed(&self.pool, now, limit).await?;
        let (missing, stopped): (Vec<_>, Vec<_>) = unarmed.iter().partition(|it| it.is_missing);
        let stale = plan_stale(&self.pool, limit).await?;
        let mut mended = Mended::default();
        if unarmed.is_empty() && stale.0.is_empty() {
            return Ok(mended);
        }
        let mut tx = self.pool.begin().await?;
        insert(&mut tx, Rows::of(&missing)?, &mut mended).await?;
        rearm(&mut tx, Rows::of(&stopped)?, &mut mended).await?;
        mended.disarmed = disarm(&mut tx, stale).await?;
        commit(tx).await?;
        Ok(mended)
    }

    async fn set_aside(&self, limit: u32) -> Result<Vec<SetAside>, StoreError> {
        let rows = sqlx::query(
            "select approval_id, unreadable from escalation_timer where unreadable is not null
             order by approval_id limit $1",
        )
        .bind(i64::from(limit))
        .fetch_all(&self.pool)
        .await?;
        let found = rows.iter().map(|row| {
            Ok(SetAside { approval_id: approvals::id(row)?, reason: row.try_get("unreadable")? })
        });
        found.collect()
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
        let mut tx = self.pool.begin().await?;
        let mut changed = 0;
        for sql in [
            "update escalation_timer
             set due_at = null, generation = generation + 1, unreadable = null
             where approval_id = $1 and unreadable is not null",
            "update escalation_approval set status = 'cancelled', expires_at = null
             where approval_id = $1",
        ] {
            changed += sqlx::query(sql).bind(id.as_uuid()).execute(&mut *tx).await?.rows_affected();
            // The timer comes first: without it there is nothing to close.
            if changed == 0 {
                break;
            }
        }
        if changed != 2 {
            tx.rollback().await?;
            return Err(StoreError::NotFound(id));
        }
        let row = sqlx::query(
            "with counter as (update escalation_position set last = last + 1 returning last),
             written as (
                 insert into escalation_history
                     (position, approval_id, at, kind, actor, payload, salt)
                 select last, $1, $2, $3, $4, $5, $6 from counter
             )
             select last, set_config('synchronous_commit', 'on', true) from counter",
        )
        .bind(id.as_uuid())
        .bind(DateTime::<Utc>::from(now))
        .bind(AuditEventKind::ApprovalCancelled.as_str())
        .bind(actor)
        .bind(payload.as_bytes())
        .bind(&payload.salt()[..])
        .fetch_one(&mut *tx)
        .await?;
        let position = Columns::of(id).number("position", row.try_get("last")?)?;
        commit(tx).await?;
        Ok(position)
    }
}

/// Timers that are written, column by column.
#[derive(Debug, Default)]
struct Rows {
    ids: Vec<Uuid>,
    generations: Vec<i64>,
    rungs: Vec<i32>,
    arrived_at: Vec<DateTime<Utc>>,
    due_at: Vec<Option<DateTime<Utc>>>,
    unreadable: Vec<Option<String>>,
}

impl Rows {
    fn of(planned: &[&Mending]) -> Result<Self, StoreError> {
        let mut rows = Self::default();
        for it in planned {
            rows.ids.push(it.id.as_uuid());
            rows.generations.push(it.generation);
            rows.rungs.push(i32::try_from(it.rung).map_err(unavailable)?);
            rows.arrived_at.push(it.arrived_at.into());
            rows.due_at.push(it.due_at.map(Into::into));
            rows.unreadable.push(it.unreadable.clone());
        }
        Ok(rows)
    }
}

async fn plan_unarmed(
    pool: &PgPool,
    now: Timestamp,
    limit: u32,
) -> Result<Vec<Mending>, StoreError> {
    let clock = halt::read(pool).await?;
    let begins = clock.stored(clock.at(now));
    let columns = approvals::COLUMNS;
    // Messages are found by no approval: one walk for all that are lost.
    let rows = sqlx::query(AssertSqlSafe(format!(
        "with found as materialized (select approval_id from ({UNARMED}) it order by 1 limit $2),
         lost as materialized (
             select approval_id from found f where not exists
                 (select 1 from escalation_timer t where t.approval_id = f.approval_id)),
         told as materialized (
             select approval_id, max(rung) as rung from escalation_outbox
             where approval_id in (select approval_id from lost) group by approval_id)
         select {columns}, t.is_missing
         from escalation_approval a join (
             select f.approval_id, coalesce(o.rung, told.rung, 0) as rung,
                 coalesce(o.arrived_at, $1) as arrived_at, o.due_at,
                 coalesce(o.generation, 1 + (
                     select count(*) from escalation_history h where h.approval_id = f.approval_id
                 )) as generation,
                 o.approval_id is null as is_missing
             from found f left join escalation_timer o using (approval_id)
                 left join told using (approval_id)
         ) t using (approval_id)
         order by t.approval_id"
    )))
    .bind(DateTime::<Utc>::from(begins))
    .bind(i64::from(limit))
    .fetch_all(pool)
    .await?;
    let planned = rows.iter().map(|row| {
        let (generation, is_missing) = (row.try_get("generation")?, row.try_get("is_missing")?);
        mending(approvals::id(row)?, generation, is_missing, approvals::read(row), begins)
    });
    planned.collect()
}

async fn plan_stale(
    executor: impl PgExecutor<'_>,
    limit: u32,
) -> Result<(Vec<Uuid>, Vec<i64>), StoreError> {
    let sql = format!("select t.approval_id, t.generation {STALE} order by t.approval_id limit $1");
    let rows = sqlx::query(AssertSqlSafe(sql)).bind(i64::from(limit)).fetch_all(executor).await?;
    let (mut ids, mut generations) = (Vec::new(), Vec::new());
    for row in &rows {
        ids.push(row.try_get("approval_id")?);
        generations.push(row.try_get("generation")?);
    }
    Ok((ids, generations))
}

async fn insert(tx: &mut PgConnection, rows: Rows, mended: &mut Mended) -> Result<(), StoreError> {
    if rows.ids.is_empty() {
        return Ok(());
    }
    let written = sqlx::query(
        "insert into escalation_timer (approval_id, rung, arrived_at, due_at, generation, unreadable)
         select approval_id, rung, arrived_at, due_at, generation + 1, unreadable
         from unnest($1::uuid[], $2::bigint[], $3::int[], $4::timestamptz[], $5::timestamptz[],
             $6::text[]) as new (approval_id, generation, rung, arrived_at, due_at, unreadable)
         order by approval_id
         on conflict do nothing returning unreadable",
    )
    .bind(rows.ids)
    .bind(rows.generations)
    .bind(rows.rungs)
    .bind(rows.arrived_at)
    .bind(rows.due_at)
    .bind(rows.unreadable)
    .fetch_all(tx)
    .await?;
    written.iter().try_for_each(|row| count(row, mended))
}

async fn rearm(tx: &mut PgConnection, rows: Rows, mended: &mut Mended) -> Result<(), StoreError> {
    if rows.ids.is_empty() {
        return Ok(());
    }
    // What somebody else changes right now is theirs.
    let written = sqlx::query(
        "with free as (
             select approval_id from escalation_timer where approval_id = any($1)
             order by approval_id for update skip locked
         )
         update escalation_timer t
         set due_at = new.due_at, generation = t.generation + 1, unreadable = new.unreadable
         from free, unnest($1::uuid[], $2::bigint[], $3::timestamptz[], $4::text[])
             as new (approval_id, generation, due_at, unreadable)
         where t.approval_id = free.approval_id and t.approval_id = new.approval_id
             and t.generation = new.generation and t.due_at is null and t.unreadable is null
         returning t.unreadable",
    )
    .bind(rows.ids)
    .bind(rows.generations)
    .bind(rows.due_at)
    .bind(rows.unreadable)
    .fetch_all(tx)
    .await?;
    written.iter().try_for_each(|row| count(row, mended))
}

async fn disarm(
    tx: &mut PgConnection,
    (ids, generations): (Vec<Uuid>, Vec<i64>),
) -> Result<u32, StoreError> {
    if ids.is_empty() {
        return Ok(0);
    }
    let done = sqlx::query(
        "with free as (
             select approval_id from escalation_timer where approval_id = any($1)
             order by approval_id for update skip locked
         )
         update escalation_timer t set due_at = null, generation = t.generation + 1
         from free, unnest($1::uuid[], $2::bigint[]) as old (approval_id, generation)
         where t.approval_id = free.approval_id and t.approval_id = old.approval_id
             and t.generation = old.generation",
    )
    .bind(ids)
    .bind(generations)
    .execute(tx)
    .await?;
    u32::try_from(done.rows_affected()).map_err(unavailable)
}

fn count(row: &sqlx::postgres::PgRow, mended: &mut Mended) -> Result<(), StoreError> {
    let why: Option<String> = row.try_get("unreadable")?;
    let counter = if why.is_some() { &mut mended.set_aside } else { &mut mended.armed };
    *counter = counter.saturating_add(1);
    Ok(())
}
