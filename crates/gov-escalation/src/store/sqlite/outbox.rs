//! Messages that wait to be sent.

use std::time::Duration;

use async_trait::async_trait;
use gov_core::{NotificationId, Timestamp};
use rusqlite::{Row, Transaction, params};
use serde_json::Value;
use uuid::Uuid;

use super::{
    SqliteApprovalStore,
    approvals::Cells,
    steps::Steps,
    targets::{self, Door},
};
use crate::{
    approval::{HistoryEntry, Notification},
    store::{
        Failure, Lane, Lease, Outbox, StoreError, TargetState, Waiting,
        outbox::note::{disabled, given_up},
        rows::{SealedStep, notification, readable, unavailable},
    },
};

#[async_trait]
impl Outbox for SqliteApprovalStore {
    async fn lease_unsent(
        &self,
        lane: Lane<'_>,
        now: Timestamp,
        lease: Duration,
        limit: u32,
    ) -> Result<Vec<Lease>, StoreError> {
        let (target, pace, until) = (lane.target.to_owned(), lane.pace, now + lease);
        self.write(move |tx| {
            let lane = Lane { target: &target, pace };
            let door = Door::of(tx, lane.target)?;
            let limit = limit.min(door.room(lane, now));
            if limit == 0 {
                return Ok(Vec::new());
            }
            let found = free(tx, lane.target, now, until, limit)?;
            let mut take = tx.prepare_cached(
                "update escalation_outbox
                 set lease_token = ?2, free_at = ?3, attempts = attempts + 1 where position = ?1",
            )?;
            let (mut leases, mut count) = (Vec::new(), 0);
            for (position, lease) in found {
                let token = lease.as_ref().map_or(Uuid::nil(), |it| it.token);
                take.execute(params![position, token.as_bytes(), until.as_micros()])?;
                leases.extend(readable(lease));
                count += 1;
            }
            if count > 0 {
                door.pay(tx, lane, now, count)?;
            }
            Ok(leases)
        })
        .await
    }

    async fn mark_sent(&self, lease: &Lease, at: Timestamp) -> Result<(), StoreError> {
        let held = Held::of(lease);
        self.write(move |tx| {
            held.settle(tx, "sent_at = ?3, free_at = null, last_error = ?4", at, None)?;
            targets::went_well(tx, &held.target)
        })
        .await
    }

    async fn mark_failed(&self, lease: &Lease, failure: Failure<'_>) -> Result<(), StoreError> {
        let (held, why) = (Held::of(lease), failure.why.to_owned());
        let Failure { retry_at, hold_until, .. } = failure;
        self.write(move |tx| {
            held.settle(tx, GIVEN_BACK, retry_at, Some(&why))?;
            targets::failed(tx, &held.target, &why, hold_until, 0)
        })
        .await
    }

    async fn give_up(&self, lease: &Lease, why: &str, at: Timestamp) -> Result<(), StoreError> {
        let note = self.note(lease, given_up(lease, why, at)).await?;
        let (held, why) = (Held::of(lease), why.to_owned());
        self.write(move |tx| {
            let set = "sent_at = ?3, free_at = null, given_up = ?4, last_error = ?4";
            held.settle(tx, set, at, Some(&why))?;
            targets::failed(tx, &held.target, &why, None, 1)?;
            Steps::of(tx)?.tell(&note).map(drop)
        })
        .await
    }

    async fn disable_target(
        &self,
        lease: &Lease,
        why: &str,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        let note = self.note(lease, disabled(lease, why, at)).await?;
        let (held, why) = (Held::of(lease), why.to_owned());
        self.write(move |tx| {
            held.settle(tx, GIVEN_BACK, at, Some(&why))?;
            if targets::disable(tx, &held.target, &why, at)? {
                Steps::of(tx)?.tell(&note)?;
            }
            Ok(())
        })
        .await
    }

    async fn enable_target(&self, target: &str) -> Result<bool, StoreError> {
        let target = target.to_owned();
        self.write(move |tx| targets::enable(tx, &target)).await
    }

    async fn waiting(&self) -> Result<Vec<Waiting>, StoreError> {
        self.read(targets::waiting).await
    }

    async fn targets(&self) -> Result<Vec<TargetState>, StoreError> {
        self.read(targets::states).await
    }
}

impl SqliteApprovalStore {
    /// A line in the history of the message's approval.
    async fn note(&self, lease: &Lease, entry: HistoryEntry) -> Result<SealedStep, StoreError> {
        let id = lease.notification.approval_id;
        let approval = self.read(move |connection| super::approvals::get(connection, id)).await?;
        SealedStep::note(approval, entry).map_err(unavailable)
    }
}

/// The message may be tried again at `?3`.
const GIVEN_BACK: &str = "lease_token = null, free_at = ?3, last_error = ?4";

/// What is needed of a lease inside a transaction.
struct Held {
    id: NotificationId,
    token: Uuid,
    target: String,
}

impl Held {
    fn of(lease: &Lease) -> Self {
        let Lease { notification, token, .. } = lease;
        Self { id: notification.id, token: *token, target: notification.notifier.clone() }
    }

    /// `set` knows the moment as `?3` and the reason as `?4`.
    fn settle(
        &self,
        tx: &Transaction<'_>,
        set: &'static str,
        at: Timestamp,
        why: Option<&str>,
    ) -> Result<(), StoreError> {
        let (key, at) = (self.id.as_uuid(), at.as_micros());
        let sql = format!(
            "update escalation_outbox set {set}
             where notification_id = ?1 and lease_token = ?2 and free_at is not null"
        );
        let values = params![key.as_bytes(), self.token.as_bytes(), at, why];
        match tx.prepare_cached(&sql)?.execute(values)? {
            0 => Err(StoreError::LeaseLost(self.id)),
            _ => Ok(()),
        }
    }
}

/// A message by its position, or why it cannot be read.
type Found = (i64, Result<Lease, StoreError>);

/// The first messages of a target that may be tried, by position.
fn free(
    tx: &Transaction<'_>,
    target: &str,
    now: Timestamp,
    until: Timestamp,
    limit: u32,
) -> Result<Vec<Found>, StoreError> {
    let mut free = tx.prepare_cached(
        // `+` keeps SQLite from walking all that was ever sent in the order that is asked for.
        "select approval_id, position, notification_id, rung, notifier, content, attempts
         from escalation_outbox
         where position in (
             select position from escalation_outbox where notifier = ?3 and free_at <= ?1
             order by +position limit ?2
         ) order by position",
    )?;
    let mut rows = free.query(params![now.as_micros(), limit, target])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let position: i64 = row.get(1)?;
        found.push((position, read(row, until)));
    }
    Ok(found)
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
