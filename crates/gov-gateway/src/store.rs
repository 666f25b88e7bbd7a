//! What the gateway keeps: tokens, agents, people, policies, runs, and the history of changes.
//!
//! [`GatewayStore`] is the contract; [`sqlite`] and [`postgres`] keep it, and `conformance` is the
//! contract as tests. A backend is done when it passes.

use std::{error, fmt};

use async_trait::async_trait;
use gov_core::Timestamp;

#[cfg(test)]
mod conformance;
mod edit;
mod founding;
mod history;
mod policy;
pub mod postgres;
pub mod sqlite;

pub use self::{
    edit::{Edit, Effect},
    founding::{Founding, FoundingOutcome, IfLost},
    history::{Change, HistoryRow},
    policy::{PolicyVersion, StoredPolicy},
};
use crate::identity::Identities;

/// Keeps what the gateway knows.
///
/// Every change is one transaction with its row in the history, and durable when the call
/// returns. Times come from the caller, never from the backend's own clock.
#[async_trait]
pub trait GatewayStore: fmt::Debug + Send + Sync {
    /// Everything that a server holds in memory, as of one moment.
    async fn contents(&self) -> Result<Contents, StoreError>;

    /// The position of the last row of the history; 0 before there is one.
    ///
    /// Every change writes a row, so as long as this stands still nothing has changed.
    async fn generation(&self) -> Result<u64, StoreError>;

    /// Puts in the first policy, and the first admin token if there is none. Of concurrent callers
    /// one founds, and the others find what it made.
    async fn found(&self, founding: Founding) -> Result<FoundingOutcome, StoreError>;

    /// Makes one change, and gives its position in the history; `None` where it does not fit what
    /// is there ([`Effect`] says when): then nothing is changed.
    async fn apply(&self, edit: Edit) -> Result<Option<u64>, StoreError>;

    /// The active policy: the one of the largest version.
    async fn active_policy(&self) -> Result<Option<StoredPolicy>, StoreError>;

    /// The policy that was active before `version` was.
    async fn policy_before(&self, version: u64) -> Result<Option<StoredPolicy>, StoreError>;

    /// Every policy version without its text, the newest first.
    async fn policy_versions(&self) -> Result<Vec<PolicyVersion>, StoreError>;

    /// The version after every one that there is, or that the history names.
    async fn next_policy_version(&self) -> Result<u64, StoreError>;

    /// The last run of the server that is called `node`; `None` before its first. Where one
    /// server owns the database, it has one name.
    async fn last_run(&self, node: &str) -> Result<Option<Run>, StoreError>;

    /// Replaces the last run of `node`, and with it notes in the history what the one before may
    /// have lost.
    async fn put_run(&self, node: &str, run: Run, gap: Option<Change>) -> Result<(), StoreError>;

    /// Replaces what a server noted about itself before, and forgets the servers that were seen a
    /// day before it or earlier. A note may be lost in a crash.
    async fn put_presence(&self, presence: Presence) -> Result<(), StoreError>;

    /// Forgets the server that is called `node`.
    async fn leave(&self, node: &str) -> Result<(), StoreError>;

    /// What servers have noted about themselves, by name; those that died are among them.
    async fn presences(&self) -> Result<Vec<Presence>, StoreError>;

    /// At most `limit` rows of the history behind `position`, by position, without a gap.
    ///
    /// A position is never seen before a smaller one.
    async fn history_after(&self, position: u64, limit: u32)
    -> Result<Vec<HistoryRow>, StoreError>;

    /// Up to which position the signed log has all; 0 at first.
    async fn feed_cursor(&self) -> Result<u64, StoreError>;

    /// Moves the cursor ahead; one that is there already, or further, stays.
    async fn set_feed_cursor(&self, position: u64) -> Result<(), StoreError>;
}

/// What a server holds in memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contents {
    /// Tokens, agents and people.
    pub identities: Identities,
    /// The active policy.
    pub policy: Option<StoredPolicy>,
    /// The position of the last change that is part of it.
    pub generation: u64,
}

/// A server of those that share a database, as it was a moment ago.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Presence {
    /// What it is called.
    pub node: String,
    /// The position of the history up to which it judges.
    pub generation: u64,
    /// When it noted that.
    pub seen_at: Timestamp,
}

impl Presence {
    /// Who was seen no later than that is forgotten.
    fn forgets(&self) -> Timestamp {
        const DAY: i64 = 24 * 60 * 60 * 1_000_000;
        Timestamp::from_micros_clamped(self.seen_at.as_micros().saturating_sub(DAY))
    }
}

/// One run of a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// The boot of the machine in which it began.
    pub boot_id: String,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended in order; `None` if it was cut off.
    pub ended_at: Option<Timestamp>,
}

/// The database could not answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// A stored row cannot be read: it was changed by other hands.
    #[error("stored {table} has an invalid `{column}`")]
    Corrupt {
        /// Which table.
        table: &'static str,
        /// Which column.
        column: &'static str,
    },
    /// The database failed; trying again may help. A change may or may not be made.
    #[error("the gateway's database is unavailable")]
    Unavailable(#[source] Box<dyn error::Error + Send + Sync>),
}

impl StoreError {
    pub(crate) fn unavailable(source: impl error::Error + Send + Sync + 'static) -> Self {
        Self::Unavailable(Box::new(source))
    }
}

/// A version or a position as a column holds it.
fn whole(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
