//! Messages that wait to be sent.

use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use gov_core::{NotificationId, Timestamp};
use serde_json::Value;
use sqlx::{
    PgPool, Postgres,
    postgres::{PgArguments, PgRow},
    query::Query,
};

use super::{
    PgApprovalStore,
    approvals::{self, Cells},
    fate,
};
use crate::{
    approval::Notification,
    store::{
        Lease, Outbox, StoreError,
        rows::{Columns, notification, readable},
    },
};

#[async_trait]
impl Outbox for PgApprovalStore {
    async fn lease_unsent(
        &self,
        now: Timestamp,
        lease: Duration,
        limit: u32,
    ) -> Result<Vec<Lease>, StoreError> {
        let until = now + lease;
        let rows = sqlx::query(
            "with free as (
                 select position from escalation_outbox where free_at <= $1
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
        .fetch_all(&self.pool)
        .await
        .map_err(fate)?;
        Ok(rows.iter().filter_map(|row| readable(read(row, until))).collect())
    }

    async fn mark_sent(&self, lease: &Lease, at: Timestamp) -> Result<(), StoreError> {
        let done = sqlx::query(
            "update escalation_outbox set sent_at = $3, free_at = null
             where notification_id = $1 and lease_token = $2 and free_at is not null",
        );
        settle(&self.pool, done, lease, at).await
    }

    async fn mark_failed(&self, lease: &Lease, retry_at: Timestamp) -> Result<(), StoreError> {
        let given_back = sqlx::query(
            "update escalation_outbox set lease_token = null, free_at = $3
             where notification_id = $1 and lease_token = $2 and free_at is not null",
        );
        settle(&self.pool, given_back, lease, retry_at).await
    }

    async fn next_unsent(&self) -> Result<Option<Timestamp>, StoreError> {
        let row = sqlx::query(
            "select free_at from escalation_outbox where free_at is not null
             order by free_at limit 1",
        )
        .fetch_optional(&self.pool)
        .await?;
        row.as_ref().map(|row| approvals::clamped_time(row, "free_at")).transpose()
    }
}

async fn settle(
    pool: &PgPool,
    query: Query<'_, Postgres, PgArguments>,
    lease: &Lease,
    at: Timestamp,
) -> Result<(), StoreError> {
    let id = lease.notification.id;
    let query = query.bind(id.as_uuid()).bind(lease.token).bind(DateTime::<Utc>::from(at));
    match query.execute(pool).await.map_err(fate)?.rows_affected() {
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
