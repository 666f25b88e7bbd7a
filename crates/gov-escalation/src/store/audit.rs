//! What has gone wrong behind the store's back, and how it is put right.

use std::{fmt, time::Duration};

use async_trait::async_trait;
use gov_core::{ApprovalId, Timestamp};

use super::StoreError;
use crate::approval::{Approval, Status};

/// Finds what no change of the store leaves behind: other hands did it, or a task that should have
/// acted is not there.
#[async_trait]
pub trait Auditing: fmt::Debug + Send + Sync {
    /// Counts what is wrong at `now`, in one statement.
    async fn findings(&self, now: Timestamp, bounds: Bounds) -> Result<Findings, StoreError>;

    /// Gives at most `limit` approvals the clock they should have, and stops at most as many that
    /// should not run.
    ///
    /// A clock that was lost runs from `now` and never strikes earlier than it would have. One that
    /// somebody else changes meanwhile is left alone, and an approval that cannot be read is set
    /// aside with the reason.
    async fn mend(&self, now: Timestamp, limit: u32) -> Result<Mended, StoreError>;

    /// At most `limit` approvals that are set aside, the oldest first.
    async fn set_aside(&self, limit: u32) -> Result<Vec<SetAside>, StoreError>;

    /// Closes an approval that is set aside, as cancelled, so that its action can be asked for
    /// again. The answer is where that stands in the history.
    ///
    /// # Errors
    ///
    /// [`StoreError::NotFound`] if nothing of this id is set aside.
    async fn discard(
        &self,
        id: ApprovalId,
        actor: &str,
        reason: &str,
        now: Timestamp,
    ) -> Result<u64, StoreError>;
}

/// How late something may be before it is a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// A timer after its deadline.
    pub overdue: Duration,
    /// A message after it was written.
    pub unsent: Duration,
}

/// How many rows are wrong, by what is wrong with them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Findings {
    /// Open approvals whose clock should run and does not, and approvals without a timer. Of those
    /// that are over only the newest ten thousand are looked at.
    pub unarmed: u64,
    /// Timers that should have fired; none while the clock stands still.
    pub overdue: u64,
    /// Messages that should have been sent.
    pub unsent: u64,
    /// Timers that run although their approval is over.
    pub stale: u64,
    /// Approvals that cannot be read.
    pub set_aside: u64,
}

/// What one [`Auditing::mend`] did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mended {
    /// Approvals that have their timer again.
    pub armed: u32,
    /// Timers that do not run any more.
    pub disarmed: u32,
    /// Approvals that turned out to be unreadable.
    pub set_aside: u32,
}

/// An approval that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetAside {
    /// Which.
    pub approval_id: ApprovalId,
    /// Why, for people.
    pub reason: String,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { overdue: Duration::from_secs(5), unsent: Duration::from_mins(10) }
    }
}

impl Mended {
    /// Adds what another batch did.
    pub(crate) fn add(&mut self, other: Self) {
        for (sum, by) in [
            (&mut self.armed, other.armed),
            (&mut self.disarmed, other.disarmed),
            (&mut self.set_aside, other.set_aside),
        ] {
            *sum = sum.saturating_add(by);
        }
    }
}

impl Bounds {
    /// A timer that was due before is overdue.
    pub(super) fn overdue_since(self, now: Timestamp) -> Timestamp {
        earlier(now, self.overdue)
    }

    /// A message that was written before should have been sent.
    pub(super) fn unsent_since(self, now: Timestamp) -> Timestamp {
        earlier(now, self.unsent)
    }
}

fn earlier(now: Timestamp, by: Duration) -> Timestamp {
    let micros = i64::try_from(by.as_micros()).unwrap_or(i64::MAX);
    Timestamp::from_micros_clamped(now.as_micros().saturating_sub(micros))
}

/// When the clock of an approval should strike, from everything but its deadline.
///
/// # Errors
///
/// [`StoreError::Corrupt`] if it has no end, which it needs.
pub(super) fn deadline_of(approval: &Approval) -> Result<Option<Timestamp>, StoreError> {
    let corrupt = StoreError::Corrupt { id: approval.id, column: "expires_at" };
    match approval.status {
        Status::Pending => {
            let times_out = approval.expires_at.ok_or(corrupt)?;
            let chain = approval.chain();
            Ok(Some(chain.next_deadline(approval.rung, approval.arrived_at, times_out)))
        }
        Status::Approved => approval.expires_at.ok_or(corrupt).map(Some),
        _ => Ok(None),
    }
}
