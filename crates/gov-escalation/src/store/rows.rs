//! What both SQL backends store, in the values that both dialects have: words, numbers and JSON.
//!
//! A backend reads its columns into these rows; here they become approvals again, or the name of
//! the column that nobody can read.

use std::time::Duration;

use gov_core::{
    ActionDigest, ApprovalId, AuditEventKind, Payload, Timestamp, id::uuid::Uuid,
    payload::SALT_BYTES,
};

use super::StoreError;
use crate::{
    approval::{
        Approval, ApprovalRequest, Consumption, HistoryRow, HumanAnswer, Notification, Status,
    },
    clock::RunningClock,
};

mod exchange;
mod json;
mod mend;
mod plan;
mod sealed;
mod use_row;

pub(super) use self::{
    exchange::SealedExchange,
    json::{chain_text, optional_chain_text, terms_text, votes_text},
    mend::{Mending, mending},
    plan::{Plan, Planned, plan},
    sealed::SealedStep,
    use_row::StoredUse,
};

/// One approval with its timer. Times are microseconds since 1970.
#[derive(Debug)]
pub(super) struct ApprovalRow {
    pub(super) digest: Vec<u8>,
    pub(super) agent_id: String,
    pub(super) session_id: Option<String>,
    pub(super) team_id: Option<String>,
    pub(super) action_kind: String,
    pub(super) content: String,
    pub(super) rule_id: String,
    pub(super) reason: String,
    pub(super) risk: Option<String>,
    pub(super) policy_version: i64,
    pub(super) chain: String,
    pub(super) submitted_at: i64,
    pub(super) status: String,
    pub(super) expires_at: Option<i64>,
    pub(super) answered_by: Option<String>,
    pub(super) answered_at: Option<i64>,
    pub(super) comment: Option<String>,
    pub(super) consumed_at: Option<i64>,
    pub(super) consumed_under: Option<i64>,
    pub(super) idempotency_key: Option<String>,
    pub(super) rung: i64,
    pub(super) arrived_at: i64,
    pub(super) due_at: Option<i64>,
    pub(super) generation: i64,
    pub(super) votes: Option<String>,
    pub(super) chain_now: Option<String>,
    pub(super) terms: Option<String>,
    pub(super) calls_left: Option<i64>,
    pub(super) edited_from: Option<Uuid>,
    pub(super) edited_into: Option<Uuid>,
    pub(super) halted_at: Option<i64>,
    pub(super) given_back: i64,
}

/// One history row with what it takes from its approval.
#[derive(Debug)]
pub(super) struct StoredEntry {
    pub(super) position: i64,
    pub(super) at: i64,
    pub(super) kind: String,
    pub(super) actor: String,
    pub(super) policy_version: Option<i64>,
    pub(super) from_role: Option<String>,
    pub(super) to_role: Option<String>,
    pub(super) payload: Vec<u8>,
    pub(super) salt: Vec<u8>,
    // Of the approval, which other hands may have changed since.
    pub(super) agent_id: Result<String, StoreError>,
    pub(super) session_id: Result<Option<String>, StoreError>,
    pub(super) action_kind: Result<String, StoreError>,
    pub(super) digest: Result<Vec<u8>, StoreError>,
    pub(super) rule_id: Result<String, StoreError>,
    pub(super) reason: Result<String, StoreError>,
}

/// How the approval's part of an entry is read.
#[derive(Clone, Copy, Debug)]
struct OfApproval {
    /// Whether the entry says nothing without it: a decision about the action names the action.
    needed: bool,
}

/// Names the column of a value that cannot be read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Columns {
    id: ApprovalId,
}

impl ApprovalRow {
    /// The approval `id`.
    ///
    /// # Errors
    ///
    /// [`StoreError::Corrupt`] with the first column that makes no sense.
    pub(super) fn read(self, id: ApprovalId) -> Result<Approval, StoreError> {
        let columns = Columns::of(id);
        let clock = columns.clock(self.halted_at, self.given_back)?;
        let deadline = |column, stored| columns.deadline(column, clock.by_calendar(stored));
        let grant = self.terms.as_deref().map(json::terms_from);
        let grant = grant.map(|it| columns.must("terms", it)).transpose()?;
        let calls_left = self.calls_left.map(|it| columns.number("calls_left", it)).transpose()?;
        if grant.is_some() != calls_left.is_some() {
            return Err(columns.corrupt("calls_left"));
        }
        let request = ApprovalRequest {
            digest: columns.digest(&self.digest)?,
            agent_id: columns.word("agent_id", &self.agent_id)?,
            session_id: columns.optional_word("session_id", self.session_id.as_deref())?,
            team_id: columns.optional_word("team_id", self.team_id.as_deref())?,
            action_kind: self.action_kind,
            content: columns.must("content", serde_json::from_str(&self.content).ok())?,
            rule_id: columns.word("rule_id", &self.rule_id)?,
            reason: self.reason,
            risk: self.risk,
            policy_version: columns.number("policy_version", self.policy_version)?,
            chain: columns.must("chain", json::chain_from(&self.chain))?,
            grant,
            edited_from: self.edited_from.map(ApprovalId::from_uuid),
        };
        let answer = match (self.answered_by, self.answered_at) {
            (Some(actor), Some(at)) => {
                let at = columns.time("answered_at", at)?;
                Some(HumanAnswer { actor, at, comment: self.comment })
            }
            _ => None,
        };
        let consumption = match (self.consumed_at, self.consumed_under) {
            (Some(at), Some(policy_version)) => Some(Consumption {
                at: columns.time("consumed_at", at)?,
                policy_version: columns.number("consumed_under", policy_version)?,
                idempotency_key: self.idempotency_key,
            }),
            _ => None,
        };
        let votes = self.votes.as_deref().map_or(Some(Vec::new()), json::votes_from);
        let chain_now = self.chain_now.as_deref().map(json::chain_from);
        let chain_now = chain_now.map(|it| columns.must("chain_now", it)).transpose()?;
        Ok(Approval {
            id,
            request,
            status: columns.must("status", Status::from_word(&self.status))?,
            rung: columns.number("rung", self.rung)?,
            arrived_at: deadline("arrived_at", self.arrived_at)?,
            submitted_at: columns.time("submitted_at", self.submitted_at)?,
            expires_at: self.expires_at.map(|it| deadline("expires_at", it)).transpose()?,
            due_at: self.due_at.map(|it| deadline("due_at", it)).transpose()?,
            chain_now,
            votes: columns.must("votes", votes)?,
            answer,
            consumption,
            calls_left,
            edited_into: self.edited_into.map(ApprovalId::from_uuid),
            generation: columns.number("generation", self.generation)?,
            clock,
        })
    }
}

impl StoredEntry {
    /// The row of the history of `id`.
    ///
    /// # Errors
    ///
    /// [`StoreError::Corrupt`] with the first column that makes no sense: of the entry itself, or of
    /// its approval where the entry is a decision about the action.
    pub(super) fn read(self, id: ApprovalId) -> Result<HistoryRow, StoreError> {
        let columns = Columns::of(id);
        let kind = columns.word("kind", &self.kind)?;
        let of = OfApproval {
            needed: matches!(
                kind,
                AuditEventKind::ApprovalRequested | AuditEventKind::ApprovalConsumed
            ),
        };
        let salt: Option<[u8; SALT_BYTES]> = self.salt.try_into().ok();
        let policy_version = self.policy_version;
        Ok(HistoryRow {
            position: columns.number("position", self.position)?,
            approval_id: id,
            at: columns.time("at", self.at)?,
            kind,
            actor: self.actor,
            policy_version: policy_version
                .map(|it| columns.number("policy_version", it))
                .transpose()?,
            from_role: self.from_role,
            to_role: self.to_role,
            payload: Payload::from_parts(self.payload, columns.must("salt", salt)?),
            agent_id: of.known(self.agent_id.and_then(|it| columns.word("agent_id", &it)))?,
            session_id: of
                .known(
                    self.session_id
                        .and_then(|it| columns.optional_word("session_id", it.as_deref())),
                )?
                .flatten(),
            action_kind: of.known(self.action_kind)?.unwrap_or_default(),
            digest: of.known(self.digest.and_then(|it| columns.digest(&it)))?,
            rule_id: of.known(self.rule_id.and_then(|it| columns.word("rule_id", &it)))?,
            reason: of.known(self.reason)?.unwrap_or_default(),
        })
    }
}

impl OfApproval {
    /// What cannot be read is an error only where it is needed: else one damaged approval would keep
    /// everything behind it, and that it was closed, from the log.
    fn known<T>(self, value: Result<T, StoreError>) -> Result<Option<T>, StoreError> {
        match value {
            Ok(value) => Ok(Some(value)),
            Err(error) if self.needed => Err(error),
            Err(_) => Ok(None),
        }
    }
}

impl Columns {
    pub(super) fn of(id: ApprovalId) -> Self {
        Self { id }
    }

    pub(super) fn corrupt(self, column: &'static str) -> StoreError {
        StoreError::Corrupt { id: self.id, column }
    }

    pub(super) fn must<T>(self, column: &'static str, value: Option<T>) -> Result<T, StoreError> {
        value.ok_or_else(|| self.corrupt(column))
    }

    pub(super) fn number<N: TryFrom<i64>>(
        self,
        column: &'static str,
        number: i64,
    ) -> Result<N, StoreError> {
        self.must(column, N::try_from(number).ok())
    }

    pub(super) fn time(self, column: &'static str, micros: i64) -> Result<Timestamp, StoreError> {
        self.must(column, Timestamp::from_micros(micros))
    }

    /// A time beyond the end of the calendar is never, and not unreadable.
    pub(super) fn deadline(
        self,
        column: &'static str,
        micros: i64,
    ) -> Result<Timestamp, StoreError> {
        self.time(column, micros.min(Timestamp::MAX.as_micros()))
    }

    /// The clock of all approvals, read beside this one.
    fn clock(self, halted_at: Option<i64>, given_back: i64) -> Result<RunningClock, StoreError> {
        let halted_at = halted_at.map(|it| self.time("halted_at", it)).transpose()?;
        let given_back = Duration::from_micros(self.number("given_back", given_back)?);
        Ok(RunningClock { halted_at, given_back })
    }

    fn word<T: std::str::FromStr>(self, column: &'static str, word: &str) -> Result<T, StoreError> {
        self.must(column, word.parse().ok())
    }

    fn optional_word<T: std::str::FromStr>(
        self,
        column: &'static str,
        word: Option<&str>,
    ) -> Result<Option<T>, StoreError> {
        word.map(|it| self.word(column, it)).transpose()
    }

    fn digest(self, bytes: &[u8]) -> Result<ActionDigest, StoreError> {
        let bytes = bytes.try_into().ok();
        Ok(ActionDigest::from_bytes(self.must("digest", bytes)?))
    }
}

/// A message with its JSON read.
pub(super) fn notification(
    message: Notification,
    content: &str,
) -> Result<Notification, StoreError> {
    let columns = Columns::of(message.approval_id);
    let content = columns.must("content", serde_json::from_str(content).ok())?;
    Ok(Notification { content, ..message })
}

/// Leaves out what nobody can read, so that it stops no other. It is leased all the same: until
/// somebody repairs it, it comes up again when the lease runs out, and is told again.
pub(super) fn readable<T>(row: Result<T, StoreError>) -> Option<T> {
    row.inspect_err(|error| {
        tracing::error!(error = error as &dyn std::error::Error, "a stored row is left out");
    })
    .ok()
}

/// A number as it is stored: both dialects end at 2⁶³ - 1.
pub(super) fn integer(number: u64) -> Result<i64, StoreError> {
    i64::try_from(number).map_err(unavailable)
}

/// The backend failed, and nothing was changed.
pub(super) fn unavailable(error: impl std::error::Error + Send + Sync + 'static) -> StoreError {
    StoreError::Unavailable(Box::new(error))
}
