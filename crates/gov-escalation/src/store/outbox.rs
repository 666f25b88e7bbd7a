//! The messages that changes wrote, by the target that they are for.

use std::{fmt, time::Duration};

use async_trait::async_trait;
use gov_core::Timestamp;
use uuid::Uuid;

use super::StoreError;
use crate::approval::Notification;

pub(super) mod note;
mod pace;

pub use self::pace::Pace;

/// Hands out the messages that changes wrote. Each target has a lane of its own: what happens to
/// the messages of one holds up no other's.
#[async_trait]
pub trait Outbox: fmt::Debug + Send + Sync {
    /// Leases at most `limit` unsent messages of one target that may be tried now, in the order
    /// they were written.
    ///
    /// Two concurrent callers never get the same one. A lease runs out `lease` after `now`, and
    /// then the message can be leased again. None, while the target is disabled, is held, or is
    /// ahead of its pace; each message that is leased is paid from the pace, by all senders
    /// together.
    async fn lease_unsent(
        &self,
        lane: Lane<'_>,
        now: Timestamp,
        lease: Duration,
        limit: u32,
    ) -> Result<Vec<Lease>, StoreError>;

    /// Marks a leased message as sent: nobody gets it again. Its target is well.
    ///
    /// # Errors
    ///
    /// [`StoreError::LeaseLost`] if the lease was taken over: the new holder sends it again.
    async fn mark_sent(&self, lease: &Lease, at: Timestamp) -> Result<(), StoreError>;

    /// Gives a leased message back, to be tried at `failure.retry_at` and not before.
    ///
    /// # Errors
    ///
    /// [`StoreError::LeaseLost`] if the lease was taken over.
    async fn mark_failed(&self, lease: &Lease, failure: Failure<'_>) -> Result<(), StoreError>;

    /// Ends the tries of a leased message, with the reason, and writes it to the history.
    ///
    /// # Errors
    ///
    /// [`StoreError::LeaseLost`] if the lease was taken over.
    async fn give_up(&self, lease: &Lease, why: &str, at: Timestamp) -> Result<(), StoreError>;

    /// Disables the target of a leased message, with the reason, and writes it to the history. The
    /// message and all others of the target wait until it is enabled.
    ///
    /// One that is disabled already stays as it is.
    ///
    /// # Errors
    ///
    /// [`StoreError::LeaseLost`] if the lease was taken over.
    async fn disable_target(
        &self,
        lease: &Lease,
        why: &str,
        at: Timestamp,
    ) -> Result<(), StoreError>;

    /// Lets a target have messages again, at once, and forgets what it failed; false if there was
    /// nothing to forget.
    async fn enable_target(&self, target: &str) -> Result<bool, StoreError>;

    /// Every target that has unsent messages and is not disabled, by name.
    async fn waiting(&self) -> Result<Vec<Waiting>, StoreError>;

    /// Every target that has unsent messages or about which there is something to say, by name.
    async fn targets(&self) -> Result<Vec<TargetState>, StoreError>;

    /// When the next unsent message may be tried or its lease runs out.
    async fn next_unsent(&self) -> Result<Option<Timestamp>, StoreError> {
        Ok(self.waiting().await?.into_iter().map(|it| it.free_at).min())
    }
}

/// Whose messages are leased, and how fast.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lane<'t> {
    /// The target, by its name in the chains.
    pub target: &'t str,
    /// How fast it may have messages.
    pub pace: Pace,
}

/// An unsent message, held by this caller until `until`.
#[derive(Clone, Debug, PartialEq)]
pub struct Lease {
    /// The message.
    pub notification: Notification,
    /// Proves the hold: a write with another token is refused.
    pub token: Uuid,
    /// When the hold ends by itself.
    pub until: Timestamp,
    /// How often it was leased before.
    pub attempts: u32,
}

/// What came of a try that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failure<'w> {
    /// When the message is tried again.
    pub retry_at: Timestamp,
    /// Until when the target wants no message at all, if it said so.
    pub hold_until: Option<Timestamp>,
    /// Why, for people.
    pub why: &'w str,
}

/// A target with messages to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// The target, by name.
    pub target: String,
    /// When its first message may be tried or its lease runs out, and the target is not held.
    pub free_at: Timestamp,
    /// Up to when its pace is used up; see [`Pace::opens_at`].
    pub paid_until: Option<Timestamp>,
}

/// How a target is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TargetState {
    /// The target, by name.
    pub name: String,
    /// Messages that are not sent.
    pub waiting: u64,
    /// Messages that were given up since it was last enabled.
    pub given_up: u64,
    /// Tries that failed since the last that did not.
    pub failures: u64,
    /// Why the last of them failed, or was the last.
    pub last_error: Option<String>,
    /// Until when it wants no message.
    pub held_until: Option<Timestamp>,
    /// Since when it gets none, and why.
    pub disabled: Option<(Timestamp, String)>,
}

impl<'t> Lane<'t> {
    /// A target without a limit.
    #[must_use]
    pub fn unpaced(target: &'t str) -> Self {
        Self { target, pace: Pace::UNLIMITED }
    }
}

impl<'w> Failure<'w> {
    /// Only this message waits.
    #[must_use]
    pub fn of_message(retry_at: Timestamp, why: &'w str) -> Self {
        Self { retry_at, hold_until: None, why }
    }
}

impl TargetState {
    /// Whether there is something to say about it, but for messages that wait.
    pub(super) fn is_remarkable(&self) -> bool {
        self.given_up > 0
            || self.failures > 0
            || self.held_until.is_some()
            || self.disabled.is_some()
    }
}
