//! What changed, as the history tells it.

use gov_core::{AgentId, AuditEventKind, Payload, Timestamp};

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
    pub position: u64,
    /// The change.
    pub change: Change,
}
