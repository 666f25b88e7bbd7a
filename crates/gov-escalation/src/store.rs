//! Where approvals, their timers, their unsent messages and their history live.
//!
//! [`ApprovalStore`], [`Outbox`] and [`History`] are the contract; [`memory`], `sqlite` and
//! `postgres` keep it, and `conformance` is the contract as tests. A backend is done when it
//! passes.

use std::{error, fmt};

use async_trait::async_trait;
use gov_core::{ActionDigest, AgentId, ApprovalId, AuditEventKind, NotificationId, Timestamp};

use crate::{
    approval::{Approval, ApprovalRequest, HistoryRow, Status},
    event::EscalationEvent,
    transition::{Change, Refusal, Step},
};

mod audit;
#[cfg(feature = "test-util")]
pub mod conformance;
#[cfg(feature = "test-util")]
pub mod damage;
mod edits;
mod grants;
mod halt;
pub mod memory;
mod outbox;
#[cfg(feature = "postgres")]
pub mod postgres;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod rows;
#[cfg(feature = "sqlite")]
pub mod sqlite;

pub use self::audit::{Auditing, Bounds, Findings, Mended, SetAside};
pub use self::edits::{Edits, Replaced};
pub use self::grants::Grants;
pub use self::halt::HaltClock;
pub use self::outbox::{Failure, Lane, Lease, Outbox, Pace, TargetState, Waiting};

/// Keeps approvals and their timers.
///
/// Every method is one atomic change, which also writes its history rows, its messages and the
/// next deadline. Times come from the caller, never from the backend's own clock.
#[async_trait]
pub trait ApprovalStore: Edits + Grants {
    /// Opens an approval, its first rung told and its timer armed; or finds the open one with the
    /// same digest, and changes nothing.
    ///
    /// Of concurrent callers with one digest exactly one opens.
    async fn submit(
        &self,
        request: ApprovalRequest,
        now: Timestamp,
    ) -> Result<Submitted, StoreError>;

    /// Makes one change, if the rules of [`crate::transition`] allow it for what is stored.
    ///
    /// # Errors
    ///
    /// [`StoreError::NotFound`] if there is none; a refused change is no error.
    async fn apply(
        &self,
        id: ApprovalId,
        change: Change,
        now: Timestamp,
    ) -> Result<Applied, StoreError>;

    /// Fires at most `limit` due timers in one transaction, by deadline, then id; with them, who is
    /// asked now.
    ///
    /// An approval that somebody else holds is left to them. A row that cannot be read is set
    /// aside with the reason and stops nobody. While the clock stands still nothing fires.
    async fn fire(&self, now: Timestamp, limit: u32) -> Result<Firing, StoreError>;

    /// The same, counted only.
    async fn fire_due(&self, now: Timestamp, limit: u32) -> Result<Fired, StoreError> {
        Ok(self.fire(now, limit).await?.fired)
    }

    /// When there is something to do next, in one statement: an idle process asks nothing else.
    async fn pulse(&self) -> Result<Pulse, StoreError>;

    /// When the next armed timer is due; none is while the clock stands still.
    async fn next_deadline(&self) -> Result<Option<Timestamp>, StoreError>;

    /// Reads one approval.
    ///
    /// # Errors
    ///
    /// [`StoreError::NotFound`] if there is none.
    async fn get(&self, id: ApprovalId) -> Result<Approval, StoreError>;

    /// The open approval with this digest, if there is one.
    async fn find_open(&self, digest: &ActionDigest) -> Result<Option<Approval>, StoreError>;

    /// At most `limit` approvals that fit, the newest first, older than `before`.
    async fn list(
        &self,
        filter: &ApprovalFilter,
        before: Option<ApprovalId>,
        limit: u32,
    ) -> Result<Vec<Approval>, StoreError>;
}

/// Which approvals are listed; an empty filter lists all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ApprovalFilter {
    /// Only those in one of these states; empty: in any.
    pub statuses: Vec<Status>,
    /// Only those of this agent.
    pub agent_id: Option<AgentId>,
    /// Only grants.
    pub grants: bool,
}

/// What [`ApprovalStore::submit`] did.
#[derive(Clone, Debug, PartialEq)]
pub struct Submitted {
    /// The approval as it is stored.
    pub approval: Approval,
    /// Where its last change stands in the history; `None` if it was open before.
    pub position: Option<u64>,
}

/// What [`ApprovalStore::apply`] did.
#[derive(Clone, Debug, PartialEq)]
pub enum Applied {
    /// The change is made.
    Done {
        /// The approval after it.
        approval: Box<Approval>,
        /// Where the change stands in the history.
        position: u64,
    },
    /// The change is not made.
    Refused {
        /// The approval as it is.
        approval: Box<Approval>,
        /// Why not.
        refusal: Refusal,
    },
}

/// When there is something to do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pulse {
    /// When the next armed timer is due; `None` also while the clock stands still.
    pub next_deadline: Option<Timestamp>,
    /// When the next unsent message may be tried or its lease runs out.
    pub next_unsent: Option<Timestamp>,
}

/// What one [`ApprovalStore::fire`] did, and whom it asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Firing {
    /// The timers, counted.
    pub fired: Fired,
    /// One for each approval whose next rung is told now, in the order of firing.
    pub events: Vec<EscalationEvent>,
}

/// What one [`ApprovalStore::fire`] counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fired {
    /// Approvals whose next rung is told now.
    pub escalated: u32,
    /// Approvals that nobody answered in time.
    pub fell_back: u32,
    /// Approvals whose next rung needs no more than was said before: they are approved.
    pub settled: u32,
    /// Rungs that were skipped because nobody was there.
    pub skipped: u32,
    /// Approvals that were given and not used in time.
    pub expired: u32,
    /// Rows that cannot be read and were set aside.
    pub set_aside: u32,
    /// Timers of approvals that are over, removed.
    pub stale: u32,
}

impl Fired {
    /// Counts the step that the clock made of `before`.
    pub fn count(&mut self, before: &Approval, step: &Step) {
        let has = |kind| step.history.iter().filter(|it| it.kind == kind).count();
        let skipped = has(AuditEventKind::ApprovalSkipped);
        self.skipped = self.skipped.saturating_add(u32::try_from(skipped).unwrap_or(u32::MAX));
        let counter = match (before.status, step.approval.status) {
            (Status::Approved, _) => &mut self.expired,
            (_, Status::Pending) => &mut self.escalated,
            _ if has(AuditEventKind::ApprovalApproved) > 0 => &mut self.settled,
            _ => &mut self.fell_back,
        };
        *counter = counter.saturating_add(1);
    }

    /// Adds what another timer or batch did.
    pub(crate) fn add(&mut self, other: Self) {
        for (sum, by) in [
            (&mut self.escalated, other.escalated),
            (&mut self.fell_back, other.fell_back),
            (&mut self.settled, other.settled),
            (&mut self.skipped, other.skipped),
            (&mut self.expired, other.expired),
            (&mut self.set_aside, other.set_aside),
            (&mut self.stale, other.stale),
        ] {
            *sum = sum.saturating_add(by);
        }
    }
}

/// Hands out the history, in order, to whoever carries it to the signed log.
#[async_trait]
pub trait History: fmt::Debug + Send + Sync {
    /// At most `limit` rows behind `position`, by position: dense, and no position becomes visible
    /// after a greater one.
    async fn rows_after(&self, position: u64, limit: u32) -> Result<Vec<HistoryRow>, StoreError>;

    /// The rows of one approval, in order.
    async fn of_approval(&self, id: ApprovalId) -> Result<Vec<HistoryRow>, StoreError>;

    /// The last row's position; 0 before there is one.
    async fn end(&self) -> Result<u64, StoreError>;

    /// Up to which position the log has all; 0 at first.
    async fn cursor(&self) -> Result<u64, StoreError>;

    /// Moves the cursor forward; a smaller one than the stored changes nothing.
    async fn set_cursor(&self, position: u64) -> Result<(), StoreError>;
}

/// Why the store could not do it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// No such approval.
    #[error("no approval `{0}`")]
    NotFound(ApprovalId),
    /// Somebody else holds the message now, or it is sent.
    #[error("lease on notification `{0}` was lost")]
    LeaseLost(NotificationId),
    /// A stored row cannot be read: the database was changed by other hands.
    #[error("stored approval `{id}` has an invalid `{column}`")]
    Corrupt {
        /// Which row.
        id: ApprovalId,
        /// Which column.
        column: &'static str,
    },
    /// A commit's outcome is unknown: repeat the call; it knows what it did.
    #[error("the commit failed; whether it happened is unknown")]
    Unknown(#[source] Box<dyn error::Error + Send + Sync>),
    /// The backend failed and nothing was changed; trying again may help.
    #[error("the approval store is unavailable")]
    Unavailable(#[source] Box<dyn error::Error + Send + Sync>),
}
