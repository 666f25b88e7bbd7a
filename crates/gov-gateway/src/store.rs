//! What the gateway keeps in `gov.db`: tokens, agents, policies, runs, and the history of changes.

use gov_core::{AgentId, AuditEventKind, Payload, Timestamp, canonical};

pub mod sqlite;

/// One policy version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredPolicy {
    /// From 1; the largest one is active.
    pub version: u64,
    /// The starter it came from, or `own`.
    pub name: String,
    /// Cedar text.
    pub text: String,
    /// Since when it was active.
    pub activated_at: Timestamp,
}

impl StoredPolicy {
    /// The same without its text.
    #[must_use]
    pub fn about(&self) -> PolicyVersion {
        PolicyVersion {
            version: self.version,
            name: self.name.clone(),
            sha256: canonical::sha256(self.text.as_bytes()),
            activated_at: self.activated_at,
        }
    }
}

/// What is known of a policy version besides its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyVersion {
    /// From 1; the largest one is active.
    pub version: u64,
    /// The starter it came from, or `own`.
    pub name: String,
    /// SHA-256 of the text.
    pub sha256: [u8; 32],
    /// Since when it was active.
    pub activated_at: Timestamp,
}

/// One change: a row of the history, and so a record of the signed log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// When it happened.
    pub at: Timestamp,
    /// What happened.
    pub kind: AuditEventKind,
    /// The agent concerned.
    pub agent_id: Option<AgentId>,
    /// The policy version concerned.
    pub policy_version: Option<u64>,
    /// Everything else; sealed once, so that the record is always the same.
    pub payload: Payload,
}

/// A change with its place in the history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryRow {
    /// From 1, rising, without reuse.
    pub history_id: i64,
    /// The change.
    pub change: Change,
}

/// One run of the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// The boot of the machine in which it began.
    pub boot_id: String,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended in order; `None` if it was cut off.
    pub ended_at: Option<Timestamp>,
}

/// `gov.db` could not answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// A stored row cannot be read: the file was changed by other hands.
    #[error("stored {table} has an invalid `{column}`")]
    Corrupt {
        /// Which table.
        table: &'static str,
        /// Which column.
        column: &'static str,
    },
    /// The database failed; trying again may help.
    #[error("gov.db is unavailable")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
}
