//! Messages that wait to be sent.

use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use gov_core::{NotificationId, Timestamp};
use serde_json::Value;
use sqlx::{AssertSqlSafe, PgConnection, postgres::PgRow};

use super::{
    PgApprovalStore,
    approvals::{self, Cells},
    batch::Batch,
    fate,
    targets::{self, Door},
};
use crate::{
    approval::{HistoryEntry, Notification},
    store::{
        Failure, Lane, Lease, Outbox, StoreError, TargetState, Waiting,
        outbox::note::{disabled, given_up},
        rows::{Columns, SealedStep, notification, readable, unavailable},
    },
};

#[async_trait]
impl Outbox for PgApprovalStore {
    async fn lease_unsent(
        &self,
        lane: Lane<'_>,
        now: Timestamp,
        lease: Duration,
        limit: u32,
    ) -> Result<Vec<Lease>, StoreError> {
        let mut tx = self.pool.begin().await?;
        let door = Door::lock(&mut tx, lane).await?;
        let limit = limit.min(door.room(lane, now));
        let leases = if limit > 0 {
            take(&mut tx, lane.target, now, now + lease, limit).await?
        } else {
            Vec::new()
        };
        if leases.is_empty() {
            tx.rollback().await?;
            return Ok(Vec::new());
        }
        let count = u32::try_from(leases.len()).map_err(unavailable)?;
        door.pay(&mut tx, lane, now, count).await?;
        tx.commit().await.map_err(fate)?;
        Ok(leases.into_iter().filter_map(readable).collect())
    }

    async fn mark_sent(&self, lease: &Lease, at: Timestamp) -> Result<(), StoreError> {
        let mut tx = self.pool.begin().await?;
        settle(&mut tx, "sent_at = $3, free_at = null, last_error = $4", lease, at, None).await?;
        targets::went_well(&mut tx, &lease.notification.notifier).await?;
        tx.commit().await.map_err(fate)
    }

    async fn mark_failed(&self, lease: &Lease, failure: Failure<'_>) -> Result<(), StoreError> {
        let Failure { retry_at, hold_until, why } = failure;
        let mut tx = self.pool.begin().await?;
        settle(&mut tx, GIVEN_BACK, lease, retry_at, Some(why)).await?;
        targets::failed(&mut tx, &lease.notification.notifier, why, hold_until, 0).await?;
        tx.commit().await.map_err(fate)
    }

    async fn give_up(&self, lease: &Lease, why: &str, at: Timestamp) -> Result<(), StoreError> {
        let note = self.note(lease, given_up(lease, why, at)).await?;
        let mut tx = self.pool.begin().await?;
        let set = "sent_at = $3, free_at = null, given_up = $4, last_error = $4";
        settle(&mut tx, set, lease, at, Some(why)).await?;
        targets::failed(&mut tx, &lease.notification.notifier, why, None, 1).await?;
        write(&mut tx, &note).await?;
        tx.commit().await.map_err(fate)
    }

    async fn disable_target(
        &self,
        lease: &Lease,
        why: &str,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        let note = self.note(lease, disabled(lease, why, at)).await?;
        let mut tx = self.pool.begin().await?;
        settle(&mut tx, GIVEN_BACK, lease, at, Some(why)).await?;
        if targets::disable(&mut tx, &lease.notification.notifier, why, at).await? {
            write(&mut tx, &note).await?;
        }
        tx.commit().await.map_err(fate)
    }

    async fn enable_target(&self, target: &str) -> Result<bool, StoreError> {
        targets::enable(&self.pool, target).await
    }

    async fn waiting(&self) -> Result<Vec<Waiting>, StoreError> {
        targets::waiting(&self.pool).await
    }

    async fn targets(&self) -> Result<Vec<TargetState>, StoreError> {
        targets::states(&self.pool).await
    }
}

impl PgApprovalStore {
    /// A line in the history of the message's approval.
    async fn note(&self, lease: &Lease, entry: HistoryEntry) -> Result<SealedStep, StoreError> {
        let approval = approvals::get(&self.pool, lease.notification.approval_id).await?;
        SealedStep::note(approval, entry).map_err(unavailable)
    }
}

/// The message may be tried again at `$3`.
const GIVEN_BACK: &str = "lease_token = null, free_at = $3, last_error = $4";

/// The history comes last: nothing may follow it but the commit.
async fn write(tx: &mut PgConnection, note: &SealedStep) -> Result<(), StoreError> {
    let mut batch = Batch::default();
    batch.tell(note)?;
    batch.write(tx).await.map(drop)
}

async fn take(
    tx: &mut PgConnection,
    target: &str,
    now: Timestamp,
    until: Timestamp,
    limit: u32,
) -> Result<Vec<Result<Lease, StoreError>>, StoreError> {
    let rows = sqlx::query(
        "with free as (
             select position from escalation_outbox where notifier = $4 and free_at <= $1
             order by position limit $2
             for update skip locked
         ), leased as (
             update escalation_outbox o
             set lease_token = gen_random_uuid(), free_at = $3, attempts = attempts + 1
             from free where o.position = free.position
             returning o.*
         )
         select approval_id, notification_id, rung, notifier, content, lease_token,
             attempts - 1 as attempts
         from leased order by position",
    )
    .bind(DateTime::<Utc>::from(now))
    .bind(i64::from(limit))
    .bind(DateTime::<Utc>::from(until))
    .bind(target)
    .fetch_all(tx)
    .await?;
    Ok(rows.iter().map(|row| read(row, until)).collect())
}

/// `set` knows the moment as `$3` and the reason as `$4`.
async fn settle(
    tx: &mut PgConnection,
    set: &'static str,
    lease: &Lease,
    at: Timestamp,
    why: Option<&str>,
) -> Result<(), StoreError> {
    let id = lease.notification.id;
    let done = sqlx::query(AssertSqlSafe(format!(
        "update escalation_outbox set {set}
         where notification_id = $1 and lease_token = $2 and free_at is not null"
    )))
    .bind(id.as_uuid())
    .bind(lease.token)
    .bind(DateTime::<Utc>::from(at))
    .bind(why);
    match done.execute(tx).await?.rows_affected() {
        0 => Err(StoreError::LeaseLost(id)),
        _ => Ok(()),
    }
}

fn read(row: &PgRow, until: Timestamp) -> Result<Lease, StoreError> {
    let approval_id = approvals::id(row)?;
    let cells = Cells::of(row, approval_id);
    let number = |column| {
        let number = u32::try_from(cells.get::<i32>(column)?);
        Columns::of(approval_id).must(column, number.ok())
    };
    let message = Notification {
        id: NotificationId::from_uuid(cells.get("notification_id")?),
        approval_id,
        rung: number("rung")?,
        notifier: cells.get("notifier")?,
        content: Value::Null,
    };
    let notification = notification(message, cells.get("content")?)?;
    Ok(Lease {
        notification,
        token: cells.get("lease_token")?,
        until,
        attempts: number("attempts")?,
    })
}
