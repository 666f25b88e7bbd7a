//! What the asker is told.

use gov_core::{Decision, RecordId, RuleId};
use serde::Serialize;

use super::Recorded;
use crate::policy::Judgement;

/// The answer to one check, as it is sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Answer {
    /// `allow`, `warn`, `refuse` or `require_approval`.
    pub decision: &'static str,
    /// The policy that decided.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule_id: Option<RuleId>,
    /// Why, in the policy's words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The policy version that was asked; 0 where none is loaded.
    pub policy_version: u64,
    /// The record of a blocking answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub record: Option<RecordRef>,
}

/// Where a decision is on record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RecordRef {
    /// The record.
    pub id: RecordId,
    /// Its index in the log's tree, from 0, once it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub index: Option<u64>,
    /// `durable`, `spooled` or `dead_lettered`.
    pub durability: &'static str,
}

impl Answer {
    /// The answer for a judgement, with what was recorded of it.
    #[must_use]
    pub fn new(judgement: Judgement, recorded: Option<Recorded>) -> Self {
        let Judgement { decision, rule_id, policy_version, .. } = judgement;
        let name = decision.name();
        let reason = match decision {
            Decision::Warn { reason, .. }
            | Decision::Refuse { reason, .. }
            | Decision::RequireApproval { reason, .. } => Some(reason),
            _ => None,
        };
        Self { decision: name, rule_id, reason, policy_version, record: recorded.map(Into::into) }
    }
}

impl From<Recorded> for RecordRef {
    fn from(recorded: Recorded) -> Self {
        match recorded {
            Recorded::InLog { id, seq } => {
                Self { id, index: seq.checked_sub(1), durability: "durable" }
            }
            Recorded::Spooled { id } => Self { id, index: None, durability: "spooled" },
            Recorded::DeadLettered { id } => Self { id, index: None, durability: "dead_lettered" },
        }
    }
}
