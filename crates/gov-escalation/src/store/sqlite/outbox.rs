//! Messages that wait to be sent.

use std::time::Duration;

use async_trait::async_trait;
use gov_core::{NotificationId, Timestamp};
use rusqlite::{Row, params};
use serde_json::Value;
use uuid::Uuid;

use super::{SqliteApprovalStore, approvals::Cells, number};
use crate::{
    approval::Notification,
    store::{
        Lease, Outbox, StoreError,
        rows::{notification, readable},
    },
};

#[async_trait]
impl Outbox for SqliteApprovalStore {
    async fn lease_unsent(
        &self,
        now: Timestamp,
        lease: Duration,
        limit: u32,
    ) -> Result<Vec<Lease>, StoreError> {
        let until = now + lease;
        let (now, free_at) = (now.as_micros(), until.as_micros());
        self.write(move |tx| {
            let mut free = tx.prepare_cached(
                // `+` keeps SQLite from walking all that was ever sent in the order that is asked for.
                "select approval_id, position, notification_id, rung, notifier, content, attempts
                 from escalation_outbox
                 where position in (
                     select position from escalation_outbox where free_at <= ?1
                     order by +position limit ?2
                 ) order by position",
            )?;
            let mut take = tx.prepare_cached(
                "update escalation_outbox
                 set lease_token = ?2, free_at = ?3, attempts = attempts + 1 where position = ?1",
            )?;
            let mut rows = free.query(params![now, limit])?;
            let mut found = Vec::new();
            while let Some(row) = rows.next()? {
                let position: i64 = row.get(1)?;
                found.push((position, read(row, until)));
            }
            drop(rows);
            let mut leases = Vec::new();
            for (position, lease) in found {
                let token = lease.as_ref().map_or(Uuid::nil(), |it| it.token);
                take.execute(params![position, token.as_bytes(), free_at])?;
                leases.extend(readable(lease));
            }
            Ok(leases)
        })
        .await
    }

    async fn mark_sent(&self, lease: &Lease, at: Timestamp) -> Result<(), StoreError> {
        self.settle(lease, "sent_at = ?3, free_at = null", at).await
    }

    async fn mark_failed(&self, lease: &Lease, retry_at: Timestamp) -> Result<(), StoreError> {
        self.settle(lease, "lease_token = null, free_at = ?3", retry_at).await
    }

    async fn next_unsent(&self) -> Result<Option<Timestamp>, StoreError> {
        let sql = "select min(free_at) from escalation_outbox where free_at is not null";
        let free = self.read(|connection| number(connection, sql)).await?;
        Ok(free.map(Timestamp::from_micros_clamped))
    }
}

impl SqliteApprovalStore {
    async fn settle(
        &self,
        lease: &Lease,
        set: &'static str,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        let (id, token) = (lease.notification.id, lease.token);
        let key = id.as_uuid();
        self.write(move |tx| {
            let sql = format!(
                "update escalation_outbox set {set}
                 where notification_id = ?1 and lease_token = ?2 and free_at is not null"
            );
            let values = params![key.as_bytes(), token.as_bytes(), at.as_micros()];
            match tx.prepare_cached(&sql)?.execute(values)? {
                0 => Err(StoreError::LeaseLost(id)),
                _ => Ok(()),
            }
        })
        .await
    }
}

fn read(row: &Row<'_>, until: Timestamp) -> Result<Lease, StoreError> {
    let approval_id = super::approvals::id(row)?;
    let mut cells = Cells::of(row, approval_id, 2);
    let id: [u8; 16] = cells.next("notification_id")?;
    let message = Notification {
        id: NotificationId::from_uuid(Uuid::from_bytes(id)),
        approval_id,
        rung: cells.next("rung")?,
        notifier: cells.next("notifier")?,
        content: Value::Null,
    };
    let content: String = cells.next("content")?;
    let notification = notification(message, &content)?;
    let attempts = cells.next("attempts")?;
    Ok(Lease { notification, token: Uuid::new_v4(), until, attempts })
}
