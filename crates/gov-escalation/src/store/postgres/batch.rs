//! What one transaction writes: columns of many rows, so that a batch is a handful of statements.

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, Row as _};
use uuid::Uuid;

use super::approvals::small;
use crate::store::{
    StoreError,
    rows::{Columns, SealedStep, integer, optional_chain_text, unavailable, votes_text},
};

type Time = DateTime<Utc>;

/// The rows of one or many steps, column by column.
#[derive(Debug, Default)]
pub(super) struct Batch<'s> {
    timers: Timers,
    answers: Answers<'s>,
    messages: Messages<'s>,
    entries: Entries<'s>,
}

#[derive(Debug, Default)]
struct Timers {
    ids: Vec<Uuid>,
    rungs: Vec<i32>,
    arrived_at: Vec<Time>,
    due_at: Vec<Option<Time>>,
    generations: Vec<i64>,
}

#[derive(Debug, Default)]
struct Answers<'s> {
    ids: Vec<Uuid>,
    statuses: Vec<&'static str>,
    expires_at: Vec<Option<Time>>,
    answered_by: Vec<Option<&'s str>>,
    answered_at: Vec<Option<Time>>,
    comments: Vec<Option<&'s str>>,
    consumed_at: Vec<Option<Time>>,
    consumed_under: Vec<Option<i64>>,
    keys: Vec<Option<&'s str>>,
    votes: Vec<Option<String>>,
    chains_now: Vec<Option<String>>,
    calls_left: Vec<Option<i32>>,
    edited_into: Vec<Option<Uuid>>,
}

#[derive(Debug, Default)]
struct Messages<'s> {
    ids: Vec<Uuid>,
    approvals: Vec<Uuid>,
    rungs: Vec<i32>,
    notifiers: Vec<&'s str>,
    contents: Vec<&'s str>,
    free_at: Vec<Time>,
}

#[derive(Debug, Default)]
struct Entries<'s> {
    approvals: Vec<Uuid>,
    at: Vec<Time>,
    kinds: Vec<&'s str>,
    actors: Vec<&'s str>,
    policy_versions: Vec<Option<i64>>,
    from_roles: Vec<Option<&'s str>>,
    to_roles: Vec<Option<&'s str>>,
    payloads: Vec<&'s [u8]>,
    salts: Vec<&'s [u8]>,
}

impl<'s> Batch<'s> {
    /// Adds the whole step of an approval that was there before.
    pub(super) fn take(&mut self, step: &'s SealedStep) -> Result<(), StoreError> {
        let approval = &step.approval;
        let id = approval.id.as_uuid();
        let stored = |deadline| Time::from(approval.clock.stored(deadline));
        let timers = &mut self.timers;
        timers.ids.push(id);
        timers.rungs.push(rung(approval.rung)?);
        timers.arrived_at.push(stored(approval.arrived_at));
        timers.due_at.push(approval.due_at.map(stored));
        timers.generations.push(integer(approval.generation)?);
        if step.settles {
            let answers = &mut self.answers;
            let (answer, used) = (approval.answer.as_ref(), approval.consumption.as_ref());
            answers.ids.push(id);
            answers.statuses.push(approval.status.as_str());
            answers.expires_at.push(approval.expires_at.map(stored));
            answers.answered_by.push(answer.map(|it| it.actor.as_str()));
            answers.answered_at.push(answer.map(|it| it.at.into()));
            answers.comments.push(answer.and_then(|it| it.comment.as_deref()));
            answers.consumed_at.push(used.map(|it| it.at.into()));
            answers.consumed_under.push(used.map(|it| integer(it.policy_version)).transpose()?);
            answers.keys.push(used.and_then(|it| it.idempotency_key.as_deref()));
            answers.votes.push(votes_text(&approval.votes)?);
            answers.chains_now.push(optional_chain_text(approval.chain_now.as_ref())?);
            answers.calls_left.push(small(approval.calls_left)?);
            answers.edited_into.push(approval.edited_into.map(gov_core::ApprovalId::as_uuid));
        }
        self.tell(step)
    }

    /// Adds the messages and the history of a step.
    pub(super) fn tell(&mut self, step: &'s SealedStep) -> Result<(), StoreError> {
        let id = step.approval.id.as_uuid();
        for (message, content) in &step.outbox {
            let messages = &mut self.messages;
            messages.ids.push(message.id.as_uuid());
            messages.approvals.push(id);
            messages.rungs.push(rung(message.rung)?);
            messages.notifiers.push(&message.notifier);
            messages.contents.push(content);
            // A message may go out as soon as its rung is reached.
            messages.free_at.push(step.approval.arrived_at.into());
        }
        for it in &step.history {
            let (entry, entries) = (&it.entry, &mut self.entries);
            entries.approvals.push(id);
            entries.at.push(entry.at.into());
            entries.kinds.push(entry.kind.as_str());
            entries.actors.push(&entry.actor);
            entries.policy_versions.push(entry.policy_version.map(integer).transpose()?);
            entries.from_roles.push(entry.from_role.as_deref());
            entries.to_roles.push(entry.to_role.as_deref());
            entries.payloads.push(it.payload.as_bytes());
            entries.salts.push(it.payload.salt());
        }
        Ok(())
    }

    /// Writes all of it; the answer is where the last history row stands, 0 if there is none. The
    /// history comes last, and nothing may follow it but the commit.
    pub(super) async fn write(self, tx: &mut PgConnection) -> Result<u64, StoreError> {
        self.timers.write(tx).await?;
        self.answers.write(tx).await?;
        self.messages.write(tx).await?;
        self.entries.write(tx).await
    }
}

impl Timers {
    async fn write(self, tx: &mut PgConnection) -> Result<(), StoreError> {
        let Some(first) = self.ids.first() else { return Ok(()) };
        let (first, all) = (*first, self.ids.len() as u64);
        let moved = sqlx::query(
            "update escalation_timer t
             set rung = new.rung, arrived_at = new.arrived_at, due_at = new.due_at,
                 generation = new.generation, unreadable = null
             from unnest($1::uuid[], $2::int[], $3::timestamptz[], $4::timestamptz[], $5::bigint[])
                 as new (approval_id, rung, arrived_at, due_at, generation)
             where t.approval_id = new.approval_id and t.generation = new.generation - 1",
        )
        .bind(self.ids)
        .bind(self.rungs)
        .bind(self.arrived_at)
        .bind(self.due_at)
        .bind(self.generations)
        .execute(tx)
        .await?;
        // The lock is held since it was read, so this is a row that other hands have changed.
        if moved.rows_affected() == all {
            Ok(())
        } else {
            let id = gov_core::ApprovalId::from_uuid(first);
            Err(Columns::of(id).corrupt("generation"))
        }
    }
}

impl Answers<'_> {
    async fn write(self, tx: &mut PgConnection) -> Result<(), StoreError> {
        if self.ids.is_empty() {
            return Ok(());
        }
        sqlx::query(
            "update escalation_approval a
             set status = new.status, expires_at = new.expires_at, answered_by = new.answered_by,
                 answered_at = new.answered_at, comment = new.comment,
                 consumed_at = new.consumed_at, consumed_under = new.consumed_under,
                 idempotency_key = new.idempotency_key, votes = new.votes,
                 chain_now = new.chain_now, calls_left = new.calls_left,
                 edited_into = new.edited_into
             from unnest($1::uuid[], $2::text[], $3::timestamptz[], $4::text[], $5::timestamptz[],
                     $6::text[], $7::timestamptz[], $8::bigint[], $9::text[], $10::text[],
                     $11::text[], $12::int[], $13::uuid[])
                 as new (approval_id, status, expires_at, answered_by, answered_at, comment,
                     consumed_at, consumed_under, idempotency_key, votes, chain_now, calls_left,
                     edited_into)
             where a.approval_id = new.approval_id",
        )
        .bind(self.ids)
        .bind(self.statuses)
        .bind(self.expires_at)
        .bind(self.answered_by)
        .bind(self.answered_at)
        .bind(self.comments)
        .bind(self.consumed_at)
        .bind(self.consumed_under)
        .bind(self.keys)
        .bind(self.votes)
        .bind(self.chains_now)
        .bind(self.calls_left)
        .bind(self.edited_into)
        .execute(tx)
        .await?;
        Ok(())
    }
}

impl Messages<'_> {
    async fn write(self, tx: &mut PgConnection) -> Result<(), StoreError> {
        if self.ids.is_empty() {
            return Ok(());
        }
        sqlx::query(
            "insert into escalation_outbox
                 (notification_id, approval_id, rung, notifier, content, free_at)
             select notification_id, approval_id, rung, notifier, content, free_at
             from unnest($1::uuid[], $2::uuid[], $3::int[], $4::text[], $5::text[],
                     $6::timestamptz[]) with ordinality
                 as new (notification_id, approval_id, rung, notifier, content, free_at, nth)
             order by nth",
        )
        .bind(self.ids)
        .bind(self.approvals)
        .bind(self.rungs)
        .bind(self.notifiers)
        .bind(self.contents)
        .bind(self.free_at)
        .execute(tx)
        .await?;
        Ok(())
    }
}

impl Entries<'_> {
    /// Waits for every transaction that has a position to end; from here on nobody gets the next
    /// one before this transaction ends. Its commit waits for the disk, whatever the server's own
    /// setting is.
    async fn write(self, tx: &mut PgConnection) -> Result<u64, StoreError> {
        if self.approvals.is_empty() {
            return Ok(0);
        }
        let row = sqlx::query(
            "with counter as (
                 update escalation_position set last = last + cardinality($1::uuid[])
                 returning last
             ), written as (
                 insert into escalation_history (position, approval_id, at, kind, actor,
                     policy_version, from_role, to_role, payload, salt)
                 select counter.last - cardinality($1::uuid[]) + nth, approval_id, at, kind, actor,
                     policy_version, from_role, to_role, payload, salt
                 from counter, unnest($1::uuid[], $2::timestamptz[], $3::text[], $4::text[],
                         $5::bigint[], $6::text[], $7::text[], $8::bytea[], $9::bytea[])
                     with ordinality as new (approval_id, at, kind, actor, policy_version,
                         from_role, to_role, payload, salt, nth)
             )
             select last, set_config('synchronous_commit', 'on', true) from counter",
        )
        .bind(self.approvals)
        .bind(self.at)
        .bind(self.kinds)
        .bind(self.actors)
        .bind(self.policy_versions)
        .bind(self.from_roles)
        .bind(self.to_roles)
        .bind(self.payloads)
        .bind(self.salts)
        .fetch_one(tx)
        .await?;
        u64::try_from(row.try_get::<i64, _>("last")?).map_err(unavailable)
    }
}

fn rung(rung: u32) -> Result<i32, StoreError> {
    i32::try_from(rung).map_err(unavailable)
}
