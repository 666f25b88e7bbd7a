//! What the asker is told.

use gov_core::{ApprovalId, Decision, RecordId, RuleId, Timestamp};
use gov_escalation::approval::Status;
use serde::Serialize;

use super::Recorded;
use crate::{
    approvals::{Drawn, Kept},
    policy::Judgement,
};

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
    /// The approval that the action waits for, or that let it happen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub approval: Option<ApprovalRef>,
    /// The record of a blocking answer, and of one that used an approval.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub record: Option<RecordRef>,
}

/// An approval as it stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ApprovalRef {
    /// Names it.
    pub id: ApprovalId,
    /// Its status: `pending`, `parked` or `consumed`.
    pub status: &'static str,
    /// The end of that status, where it ends by itself.
    pub expires_at: Option<Timestamp>,
    /// How many calls of a grant are left behind this one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub calls_left: Option<u32>,
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
        let record = recorded.map(Into::into);
        Self { decision: name, rule_id, reason, policy_version, approval: None, record }
    }

    /// The answer where an approval has a part in it.
    #[must_use]
    pub fn about(judgement: Judgement, kept: Kept) -> Self {
        let Kept { approval, recorded } = kept;
        let approval = ApprovalRef {
            id: approval.id,
            status: approval.status.as_str(),
            expires_at: approval.expires_at,
            calls_left: None,
        };
        Self { approval: Some(approval), ..Self::new(judgement, Some(recorded)) }
    }

    /// The answer that a grant was drawn on for, as it was then: a repeat of it is the same.
    #[must_use]
    pub fn drawn(judgement: Judgement, drawn: Drawn) -> Self {
        let Drawn { approval, call, recorded, .. } = drawn;
        let terms = approval.request.grant.as_ref();
        let left = terms.map_or(0, |it| it.calls.saturating_sub(call));
        let status = if left == 0 { Status::Consumed } else { Status::Approved };
        let given = approval.answer.as_ref().filter(|_| left > 0);
        // Of one that is over by now the end is counted from its approval.
        let lasted = given.zip(terms).map(|(given, terms)| given.at + terms.lasts.0);
        let expires_at = approval.expires_at.filter(|_| left > 0).or(lasted);
        let approval = ApprovalRef {
            id: approval.id,
            status: status.as_str(),
            expires_at,
            calls_left: Some(left),
        };
        Self { approval: Some(approval), ..Self::new(judgement, Some(recorded)) }
    }
}

impl From<Recorded> for RecordRef {
    fn from(recorded: Recorded) -> Self {
        match recorded {
            Recorded::InLog { id, seq } => {
                Self { id, index: seq.checked_sub(1), durability: "durable" }
            }
            Recorded::Logged { id } => Self { id, index: None, durability: "durable" },
            Recorded::Spooled { id } => Self { id, index: None, durability: "spooled" },
            Recorded::DeadLettered { id } => Self { id, index: None, durability: "dead_lettered" },
        }
    }
}
