//! Reading approvals, and opening one.

use chrono::{DateTime, Utc};
use gov_core::{ActionDigest, AgentId, ApprovalId, SessionId, TeamId, Timestamp};
use sqlx::{
    AssertSqlSafe, Decode, PgConnection, PgExecutor, Postgres, Row as _, Type, postgres::PgRow,
};
use uuid::Uuid;

use crate::{
    approval::Approval,
    store::{
        ApprovalFilter, StoreError,
        rows::{ApprovalRow, Columns, chain_text, integer, readable, terms_text, unavailable},
    },
};

/// What [`read`] reads.
pub(super) const COLUMNS: &str =
    "t.approval_id, a.digest, a.agent_id, a.session_id, a.team_id, a.action_kind,
    a.content, a.rule_id, a.reason, a.risk, a.policy_version, a.chain, a.submitted_at, a.status,
    a.expires_at, a.answered_by, a.answered_at, a.comment, a.consumed_at, a.consumed_under,
    a.idempotency_key, t.rung, t.arrived_at, t.due_at, t.generation, a.votes, a.chain_now,
    a.terms, a.calls_left, a.edited_from, a.edited_into,
    (select halted_at from escalation_clock) as halted_at,
    (select given_back from escalation_clock) as given_back";

/// Microseconds from 1970 to 2000, where PostgreSQL's times begin.
const EPOCH_2000: i64 = 946_684_800_000_000;

/// Reads columns by name, and names the one that nobody can read.
#[derive(Clone, Copy)]
pub(super) struct Cells<'r> {
    row: &'r PgRow,
    columns: Columns,
}

impl<'r> Cells<'r> {
    pub(super) fn of(row: &'r PgRow, id: ApprovalId) -> Self {
        Self { row, columns: Columns::of(id) }
    }

    pub(super) fn get<T>(self, column: &'static str) -> Result<T, StoreError>
    where
        T: Decode<'r, Postgres> + Type<Postgres>,
    {
        self.columns.must(column, self.row.try_get(column).ok())
    }

    /// A time in microseconds since 1970. Read as the number that travels: `infinity` is one too,
    /// and no calendar holds it.
    pub(super) fn time(self, column: &'static str) -> Result<i64, StoreError> {
        self.columns.must(column, self.optional_time(column)?)
    }

    pub(super) fn optional_time(self, column: &'static str) -> Result<Option<i64>, StoreError> {
        let micros: Option<Option<i64>> = self.row.try_get_unchecked(column).ok();
        Ok(self.columns.must(column, micros)?.map(|it| it.saturating_add(EPOCH_2000)))
    }
}

/// The approval of a row of [`COLUMNS`], or which of its columns cannot be read.
pub(super) fn read(row: &PgRow) -> Result<Approval, StoreError> {
    let id = id(row)?;
    let cells = Cells::of(row, id);
    let row = ApprovalRow {
        digest: cells.get("digest")?,
        agent_id: cells.get("agent_id")?,
        session_id: cells.get("session_id")?,
        team_id: cells.get("team_id")?,
        action_kind: cells.get("action_kind")?,
        content: cells.get("content")?,
        rule_id: cells.get("rule_id")?,
        reason: cells.get("reason")?,
        risk: cells.get("risk")?,
        policy_version: cells.get("policy_version")?,
        chain: cells.get("chain")?,
        submitted_at: cells.time("submitted_at")?,
        status: cells.get("status")?,
        expires_at: cells.optional_time("expires_at")?,
        answered_by: cells.get("answered_by")?,
        answered_at: cells.optional_time("answered_at")?,
        comment: cells.get("comment")?,
        consumed_at: cells.optional_time("consumed_at")?,
        consumed_under: cells.get("consumed_under")?,
        idempotency_key: cells.get("idempotency_key")?,
        rung: cells.get::<i32>("rung")?.into(),
        arrived_at: cells.time("arrived_at")?,
        due_at: cells.optional_time("due_at")?,
        generation: cells.get("generation")?,
        votes: cells.get("votes")?,
        chain_now: cells.get("chain_now")?,
        terms: cells.get("terms")?,
        calls_left: cells.get::<Option<i32>>("calls_left")?.map(Into::into),
        edited_from: cells.get("edited_from")?,
        edited_into: cells.get("edited_into")?,
        halted_at: cells.optional_time("halted_at")?,
        given_back: cells.get("given_back")?,
    };
    row.read(id)
}

/// The time in a column, or the end of the calendar that is nearest to it.
pub(super) fn clamped_time(row: &PgRow, column: &str) -> Result<Timestamp, StoreError> {
    let micros: i64 = row.try_get_unchecked(column)?;
    Ok(Timestamp::from_micros_clamped(micros.saturating_add(EPOCH_2000)))
}

/// The same, where there may be none.
pub(super) fn optional_clamped_time(
    row: &PgRow,
    column: &str,
) -> Result<Option<Timestamp>, StoreError> {
    Ok(optional_time(row, column)?.map(Timestamp::from_micros_clamped))
}

/// The same in microseconds since 1970, wherever that is.
pub(super) fn optional_time(row: &PgRow, column: &str) -> Result<Option<i64>, StoreError> {
    let micros: Option<i64> = row.try_get_unchecked(column)?;
    Ok(micros.map(|it| it.saturating_add(EPOCH_2000)))
}

pub(super) fn id(row: &PgRow) -> Result<ApprovalId, StoreError> {
    Ok(ApprovalId::from_uuid(row.try_get("approval_id")?))
}

pub(super) async fn get(
    executor: impl PgExecutor<'_>,
    id: ApprovalId,
) -> Result<Approval, StoreError> {
    let row = sqlx::query(AssertSqlSafe(format!(
        "select {COLUMNS} from escalation_approval a join escalation_timer t using (approval_id)
         where a.approval_id = $1"
    )))
    .bind(id.as_uuid())
    .fetch_optional(executor)
    .await?;
    read(&row.ok_or(StoreError::NotFound(id))?)
}

/// Waits until nobody else changes the approval, and reads it as it is then.
pub(super) async fn lock(tx: &mut PgConnection, id: ApprovalId) -> Result<Approval, StoreError> {
    // A statement sees what was committed when it began, so the one that waits must not be the one
    // that reads the answer.
    sqlx::query("select 1 from escalation_timer where approval_id = $1 for update")
        .bind(id.as_uuid())
        .execute(&mut *tx)
        .await?;
    get(tx, id).await
}

/// The approvals of locked timers, in the order of their deadlines; `None` for a timer that has
/// none. With each its generation as it is stored.
pub(super) async fn get_due(
    tx: &mut PgConnection,
    ids: &[Uuid],
) -> Result<Vec<(ApprovalId, i64, Result<Approval, StoreError>)>, StoreError> {
    let rows = sqlx::query(AssertSqlSafe(format!(
        "select {COLUMNS}, a.approval_id is null as orphan
         from escalation_timer t left join escalation_approval a using (approval_id)
         where t.approval_id = any($1) order by t.due_at, t.approval_id"
    )))
    .bind(ids)
    .fetch_all(tx)
    .await?;
    let due = rows.iter().map(|row| {
        let id = id(row)?;
        let orphan = row.try_get("orphan")?;
        let read = if orphan { Err(StoreError::NotFound(id)) } else { read(row) };
        Ok((id, row.try_get("generation")?, read))
    });
    due.collect()
}

pub(super) async fn find_open(
    executor: impl PgExecutor<'_>,
    digest: &ActionDigest,
) -> Result<Option<Approval>, StoreError> {
    let row = sqlx::query(AssertSqlSafe(format!(
        "select {COLUMNS} from escalation_approval a join escalation_timer t using (approval_id)
         where a.digest = $1 and a.status in ('pending', 'parked', 'approved')"
    )))
    .bind(digest.as_bytes())
    .fetch_optional(executor)
    .await?;
    row.as_ref().map(read).transpose()
}

pub(super) async fn list(
    executor: impl PgExecutor<'_>,
    filter: &ApprovalFilter,
    before: Option<ApprovalId>,
    limit: u32,
) -> Result<Vec<Approval>, StoreError> {
    let kind = if filter.grants { "and terms is not null" } else { "" };
    // One walk along the index a status, each no longer than the page.
    let among = if filter.statuses.is_empty() {
        "escalation_approval a".to_owned()
    } else {
        format!(
            "(select distinct status from unnest($4::text[]) status) wanted cross join lateral (
             select * from escalation_approval
             where status = wanted.status and approval_id < $1
                 and ($2::text is null or agent_id = $2) {kind}
             order by approval_id desc limit $3
         ) a"
        )
    };
    let sql = format!(
        "select {COLUMNS} from {among} join escalation_timer t on t.approval_id = a.approval_id
         where a.approval_id < $1 and ($2::text is null or a.agent_id = $2) {kind}
         order by a.approval_id desc limit $3"
    );
    let mut query = sqlx::query(AssertSqlSafe(sql))
        // Nothing is behind the greatest id that there can be.
        .bind(before.map_or(Uuid::max(), ApprovalId::as_uuid))
        .bind(filter.agent_id.as_ref().map(AgentId::as_str))
        .bind(i64::from(limit));
    if !filter.statuses.is_empty() {
        let statuses: Vec<&str> = filter.statuses.iter().map(|it| it.as_str()).collect();
        query = query.bind(statuses);
    }
    let rows = query.fetch_all(executor).await?;
    Ok(rows.iter().filter_map(|row| readable(read(row))).collect())
}

/// Inserts a new approval with its timer; `false` if there is an open one for its action.
pub(super) async fn insert(tx: &mut PgConnection, new: &Approval) -> Result<bool, StoreError> {
    let Approval { id, request, clock, .. } = new;
    let stored = |deadline| DateTime::<Utc>::from(clock.stored(deadline));
    let done = sqlx::query(
        "with opened as (
             insert into escalation_approval (approval_id, digest, agent_id, session_id, team_id,
                 action_kind, content, rule_id, reason, risk, policy_version, chain, submitted_at,
                 status, expires_at, terms, calls_left, edited_from)
             values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $20, $21,
                 $22)
             on conflict (digest) where status in ('pending', 'parked', 'approved') do nothing
             returning approval_id
         )
         insert into escalation_timer (approval_id, rung, arrived_at, due_at, generation)
         select approval_id, $16, $17, $18, $19 from opened",
    )
    .bind(id.as_uuid())
    .bind(request.digest.as_bytes())
    .bind(request.agent_id.as_str())
    .bind(request.session_id.as_ref().map(SessionId::as_str))
    .bind(request.team_id.as_ref().map(TeamId::as_str))
    .bind(&request.action_kind)
    .bind(request.content.to_string())
    .bind(request.rule_id.as_str())
    .bind(&request.reason)
    .bind(&request.risk)
    .bind(integer(request.policy_version)?)
    .bind(chain_text(&request.chain)?)
    .bind(DateTime::<Utc>::from(new.submitted_at))
    .bind(new.status.as_str())
    .bind(new.expires_at.map(stored))
    .bind(Columns::of(*id).must("rung", i32::try_from(new.rung).ok())?)
    .bind(stored(new.arrived_at))
    .bind(new.due_at.map(stored))
    .bind(integer(new.generation)?)
    .bind(terms_text(request.grant.as_ref())?)
    .bind(small(new.calls_left)?)
    .bind(request.edited_from.map(ApprovalId::as_uuid))
    .execute(tx)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// A small number as it is stored.
pub(super) fn small(number: Option<u32>) -> Result<Option<i32>, StoreError> {
    number.map(i32::try_from).transpose().map_err(unavailable)
}
