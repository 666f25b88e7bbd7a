//! Writing what a change does: timer, answer, messages and history.

use gov_core::ApprovalId;
use rusqlite::{CachedStatement, Transaction, params};

use crate::{
    approval::Approval,
    store::{
        StoreError,
        rows::{
            Columns, SealedStep, chain_text, integer, optional_chain_text, terms_text, votes_text,
        },
    },
};

/// Writes steps, with statements that are looked up once for all of them.
pub(super) struct Steps<'t> {
    tx: &'t Transaction<'t>,
    timer: CachedStatement<'t>,
    answer: CachedStatement<'t>,
    message: CachedStatement<'t>,
    entry: CachedStatement<'t>,
}

/// Opens an approval; the answer is where its last history row stands.
pub(super) fn open(tx: &Transaction<'_>, step: &SealedStep) -> Result<u64, StoreError> {
    let Approval { id, request, clock, .. } = &step.approval;
    let stored = |deadline| clock.stored(deadline).as_micros();
    tx.prepare_cached(
        "insert into escalation_approval (approval_id, digest, agent_id, session_id, team_id,
             action_kind, content, rule_id, reason, risk, policy_version, chain, submitted_at,
             status, expires_at, terms, calls_left, edited_from)
         values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18)",
    )?
    .execute(params![
        id.as_uuid().as_bytes(),
        request.digest.as_bytes(),
        request.agent_id.as_str(),
        request.session_id.as_ref().map(gov_core::SessionId::as_str),
        request.team_id.as_ref().map(gov_core::TeamId::as_str),
        request.action_kind,
        request.content.to_string(),
        request.rule_id.as_str(),
        request.reason,
        request.risk,
        integer(request.policy_version)?,
        chain_text(&request.chain)?,
        step.approval.submitted_at.as_micros(),
        step.approval.status.as_str(),
        step.approval.expires_at.map(stored),
        terms_text(request.grant.as_ref())?,
        step.approval.calls_left,
        request.edited_from.map(|it| it.as_uuid().into_bytes()),
    ])?;
    tx.prepare_cached(
        "insert into escalation_timer (approval_id, rung, arrived_at, due_at, generation)
         values (?1, ?2, ?3, ?4, ?5)",
    )?
    .execute(params![
        id.as_uuid().as_bytes(),
        step.approval.rung,
        stored(step.approval.arrived_at),
        step.approval.due_at.map(stored),
        integer(step.approval.generation)?,
    ])?;
    Steps::of(tx)?.tell(step)
}

impl<'t> Steps<'t> {
    pub(super) fn of(tx: &'t Transaction<'t>) -> Result<Self, StoreError> {
        Ok(Self {
            tx,
            timer: tx.prepare_cached(
                "update escalation_timer
                 set rung = ?3, arrived_at = ?4, due_at = ?5, generation = ?2 + 1, unreadable = null
                 where approval_id = ?1 and generation = ?2",
            )?,
            answer: tx.prepare_cached(
                "update escalation_approval
                 set status = ?2, expires_at = ?3, answered_by = ?4, answered_at = ?5, comment = ?6,
                     consumed_at = ?7, consumed_under = ?8, idempotency_key = ?9,
                     votes = ?10, chain_now = ?11, calls_left = ?12, edited_into = ?13
                 where approval_id = ?1",
            )?,
            message: tx.prepare_cached(
                "insert into escalation_outbox
                     (notification_id, approval_id, rung, notifier, content, free_at)
                 values (?1, ?2, ?3, ?4, ?5, ?6)",
            )?,
            entry: tx.prepare_cached(
                "insert into escalation_history (approval_id, at, kind, actor, policy_version,
                     from_role, to_role, payload, salt)
                 values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
            )?,
        })
    }

    /// Writes a step inside the transaction that has read its approval.
    pub(super) fn take(&mut self, step: &SealedStep) -> Result<u64, StoreError> {
        let approval = &step.approval;
        let before = integer(approval.generation)? - 1;
        self.take_from(step, before)?.ok_or_else(|| Columns::of(approval.id).corrupt("generation"))
    }

    /// Writes a step if the approval is still the one of generation `before`; `None` if it has
    /// changed since. The answer is where the last history row stands.
    pub(super) fn take_from(
        &mut self,
        step: &SealedStep,
        before: i64,
    ) -> Result<Option<u64>, StoreError> {
        let approval = &step.approval;
        let stored = |deadline| approval.clock.stored(deadline).as_micros();
        let moved = self.timer.execute(params![
            approval.id.as_uuid().as_bytes(),
            before,
            approval.rung,
            stored(approval.arrived_at),
            approval.due_at.map(stored),
        ])?;
        if moved == 0 {
            return Ok(None);
        }
        if step.settles {
            self.settle(approval)?;
        }
        self.tell(step).map(Some)
    }

    fn settle(&mut self, approval: &Approval) -> Result<(), StoreError> {
        let (answer, consumption) = (approval.answer.as_ref(), approval.consumption.as_ref());
        self.answer.execute(params![
            approval.id.as_uuid().as_bytes(),
            approval.status.as_str(),
            approval.expires_at.map(|it| approval.clock.stored(it).as_micros()),
            answer.map(|it| &it.actor),
            answer.map(|it| it.at.as_micros()),
            answer.and_then(|it| it.comment.as_ref()),
            consumption.map(|it| it.at.as_micros()),
            consumption.map(|it| integer(it.policy_version)).transpose()?,
            consumption.and_then(|it| it.idempotency_key.as_ref()),
            votes_text(&approval.votes)?,
            optional_chain_text(approval.chain_now.as_ref())?,
            approval.calls_left,
            approval.edited_into.map(|it| it.as_uuid().into_bytes()),
        ])?;
        Ok(())
    }

    /// Writes the messages and the history of a step.
    pub(super) fn tell(&mut self, step: &SealedStep) -> Result<u64, StoreError> {
        let id: ApprovalId = step.approval.id;
        let approval_id = id.as_uuid();
        // A message may go out as soon as its rung is reached.
        let free_at = step.approval.arrived_at.as_micros();
        for (message, content) in &step.outbox {
            self.message.execute(params![
                message.id.as_uuid().as_bytes(),
                approval_id.as_bytes(),
                message.rung,
                message.notifier,
                content,
                free_at,
            ])?;
        }
        for it in &step.history {
            let entry = &it.entry;
            self.entry.execute(params![
                approval_id.as_bytes(),
                entry.at.as_micros(),
                entry.kind.as_str(),
                entry.actor,
                entry.policy_version.map(integer).transpose()?,
                entry.from_role,
                entry.to_role,
                it.payload.as_bytes(),
                it.payload.salt(),
            ])?;
        }
        Columns::of(id).number("position", self.tx.last_insert_rowid())
    }
}
