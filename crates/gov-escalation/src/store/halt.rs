//! The clock of all approvals, and who stops it.

use std::{fmt, time::Duration};

use async_trait::async_trait;
use gov_core::Timestamp;

use super::StoreError;
use crate::clock::RunningClock;

/// Stops the clock of all approvals for as long as everything is halted, and gives back exactly
/// that time.
///
/// A halt and its end each write one row, however many approvals wait; a change that races one is
/// as if it came just before. Decisions count meanwhile, and messages go out. Both may be told
/// again, in any order and by several processes: a halt is known by when it began.
#[async_trait]
pub trait HaltClock: fmt::Debug + Send + Sync {
    /// Stops the clock, from `at` on; `false` if it stands still already, or if this halt was heard
    /// of before.
    async fn halt(&self, at: Timestamp) -> Result<bool, StoreError>;

    /// Lets the clock run from `at` on, if it stands still for the halt that began at `halted_at`
    /// or for an earlier one. The answer is what every deadline gets back; `None` if nothing has
    /// changed.
    async fn resume(
        &self,
        halted_at: Timestamp,
        at: Timestamp,
    ) -> Result<Option<Duration>, StoreError>;

    /// The clock as it is.
    async fn clock(&self) -> Result<RunningClock, StoreError>;
}
