//! Reading approvals.

use gov_core::{ActionDigest, ApprovalId};
use rusqlite::{Connection, Row, ToSql, params, types::FromSql};
use uuid::Uuid;

use crate::{
    approval::Approval,
    store::{
        ApprovalFilter, StoreError,
        rows::{ApprovalRow, Columns, readable},
    },
};

/// What [`read`] reads, in its order.
macro_rules! columns {
    () => {
        "t.approval_id, a.digest, a.agent_id, a.session_id, a.team_id, a.action_kind, a.content,
         a.rule_id, a.reason, a.risk, a.policy_version, a.chain, a.submitted_at, a.status,
         a.expires_at, a.answered_by, a.answered_at, a.comment, a.consumed_at, a.consumed_under,
         a.idempotency_key, t.rung, t.arrived_at, t.due_at, t.generation as generation,
         a.votes, a.chain_now, a.terms, a.calls_left, a.edited_from, a.edited_into,
         (select halted_at from escalation_clock) as halted_at,
         (select given_back from escalation_clock) as given_back"
    };
}
pub(super) use columns;

const FROM: &str = "from escalation_approval a join escalation_timer t using (approval_id)";

/// Reads columns one after the other, each named for who finds it unreadable.
pub(super) struct Cells<'r> {
    row: &'r Row<'r>,
    columns: Columns,
    next: usize,
}

impl<'r> Cells<'r> {
    /// The columns from `first` on, of a row about approval `id`.
    pub(super) fn of(row: &'r Row<'r>, id: ApprovalId, first: usize) -> Self {
        Self { row, columns: Columns::of(id), next: first }
    }

    /// The next one. Only a value of another type fails: text that is no UTF-8, say.
    pub(super) fn next<T: FromSql>(&mut self, column: &'static str) -> Result<T, StoreError> {
        let value = self.row.get(self.next).ok();
        self.next += 1;
        self.columns.must(column, value)
    }
}

/// The approval of a row of [`columns`], or which of its columns cannot be read.
pub(super) fn read(row: &Row<'_>, id: ApprovalId) -> Result<Approval, StoreError> {
    let mut cells = Cells::of(row, id, 1);
    let row = ApprovalRow {
        digest: cells.next("digest")?,
        agent_id: cells.next("agent_id")?,
        session_id: cells.next("session_id")?,
        team_id: cells.next("team_id")?,
        action_kind: cells.next("action_kind")?,
        content: cells.next("content")?,
        rule_id: cells.next("rule_id")?,
        reason: cells.next("reason")?,
        risk: cells.next("risk")?,
        policy_version: cells.next("policy_version")?,
        chain: cells.next("chain")?,
        submitted_at: cells.next("submitted_at")?,
        status: cells.next("status")?,
        expires_at: cells.next("expires_at")?,
        answered_by: cells.next("answered_by")?,
        answered_at: cells.next("answered_at")?,
        comment: cells.next("comment")?,
        consumed_at: cells.next("consumed_at")?,
        consumed_under: cells.next("consumed_under")?,
        idempotency_key: cells.next("idempotency_key")?,
        rung: cells.next("rung")?,
        arrived_at: cells.next("arrived_at")?,
        due_at: cells.next("due_at")?,
        generation: cells.next("generation")?,
        votes: cells.next("votes")?,
        chain_now: cells.next("chain_now")?,
        terms: cells.next("terms")?,
        calls_left: cells.next("calls_left")?,
        edited_from: cells.next::<Option<[u8; 16]>>("edited_from")?.map(Uuid::from_bytes),
        edited_into: cells.next::<Option<[u8; 16]>>("edited_into")?.map(Uuid::from_bytes),
        halted_at: cells.next("halted_at")?,
        given_back: cells.next("given_back")?,
    };
    row.read(id)
}

/// The id in the first column.
pub(super) fn id(row: &Row<'_>) -> Result<ApprovalId, StoreError> {
    let id: [u8; 16] = row.get(0)?;
    Ok(ApprovalId::from_uuid(Uuid::from_bytes(id)))
}

pub(super) fn get(connection: &Connection, id: ApprovalId) -> Result<Approval, StoreError> {
    let sql = format!("select {} {FROM} where a.approval_id = ?1", columns!());
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query([id.as_uuid().as_bytes()])?;
    let row = rows.next()?.ok_or(StoreError::NotFound(id))?;
    read(row, id)
}

pub(super) fn find_open(
    connection: &Connection,
    digest: &ActionDigest,
) -> Result<Option<Approval>, StoreError> {
    let sql = format!(
        "select {} {FROM}
         where a.digest = ?1 and a.status in ('pending', 'parked', 'approved')",
        columns!()
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query([digest.as_bytes()])?;
    rows.next()?.map(|row| read(row, id(row)?)).transpose()
}

pub(super) fn list(
    connection: &Connection,
    filter: &ApprovalFilter,
    before: Option<ApprovalId>,
    limit: u32,
) -> Result<Vec<Approval>, StoreError> {
    // Nothing is behind the greatest id that there can be.
    let before = before.map_or(Uuid::max(), ApprovalId::as_uuid);
    let agent = filter.agent_id.as_ref().map(gov_core::AgentId::as_str);
    let kind = if filter.grants { "and a.terms is not null" } else { "" };
    if filter.statuses.is_empty() {
        return page(connection, kind, params![before.as_bytes(), agent, limit]);
    }
    let condition = format!("{kind} and a.status = ?4");
    let mut approvals = Vec::new();
    // One walk along the index a status, each no longer than the page.
    for status in &filter.statuses {
        let values = params![before.as_bytes(), agent, limit, status.as_str()];
        approvals.extend(page(connection, &condition, values)?);
    }
    approvals.sort_unstable_by_key(|it| std::cmp::Reverse(it.id));
    approvals.dedup_by_key(|it| it.id);
    approvals.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    Ok(approvals)
}

fn page(
    connection: &Connection,
    condition: &str,
    values: &[&dyn ToSql],
) -> Result<Vec<Approval>, StoreError> {
    let sql = format!(
        "select {} {FROM}
         where a.approval_id < ?1 and (?2 is null or a.agent_id = ?2) {condition}
         order by a.approval_id desc limit ?3",
        columns!()
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query(values)?;
    let mut approvals = Vec::new();
    while let Some(row) = rows.next()? {
        approvals.extend(readable(read(row, id(row)?)));
    }
    Ok(approvals)
}
