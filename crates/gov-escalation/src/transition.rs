//! The rules of one approval, as pure functions: what a change does to it, and what it writes.
//!
//! Every backend reads the row, asks here, and writes what comes back in the same transaction.

use gov_core::{ActionDigest, ApprovalId, AuditEventKind, Timestamp};
use serde_json::json;

use crate::approval::{
    Approval, Decider, HistoryEntry, HumanAnswer, Notification, Status, Verdict,
};

mod cancel;
mod consume;
mod decide;
mod fire;
mod message;
mod open;
#[cfg(all(test, feature = "test-util"))]
mod tests;

pub use self::{fire::fire, open::open};

/// Who acts where nobody answered.
pub const SYSTEM_TIMEOUT: &str = "system:timeout";

/// A change that somebody asks for.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// A person answers. Whether they may is asked before.
    Decide {
        /// Yes or no.
        verdict: Verdict,
        /// The digest that the person saw.
        digest: ActionDigest,
        /// The person.
        decider: Decider,
        /// In their own words.
        comment: Option<String>,
    },
    /// The approved action is released, once.
    Consume {
        /// The digest of the action that is about to happen.
        digest: ActionDigest,
        /// The policy version that was asked again.
        policy_version: u64,
        /// The caller's key: a repeat of it gets the same answer.
        idempotency_key: Option<String>,
    },
    /// It is withdrawn, or overtaken.
    Cancel {
        /// Who does it: `per_…`, an agent's id, or `system:policy`.
        actor: String,
        /// Why.
        reason: String,
        /// The policy version that overtook it.
        policy_version: Option<u64>,
    },
}

/// What a change does: written whole, or not at all.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// The approval after it.
    pub approval: Approval,
    /// What the history says, in order.
    pub history: Vec<HistoryEntry>,
    /// Who is told.
    pub outbox: Vec<Notification>,
}

/// Why a change is not made; the approval stays as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// It is not in a state for that: look at its status.
    #[error("the approval is `{}`", .0.as_str())]
    Status(Status),
    /// The digest is another action's: look at what is asked, and decide about that.
    #[error("the digest is not the one of this approval")]
    OtherDigest,
    /// It was used with this key before: the answer of then still holds.
    #[error("the approval was consumed under this key before")]
    Replayed,
}

/// What `change` does at `now`.
///
/// # Errors
///
/// [`Refusal`]: nothing.
pub fn apply(approval: &Approval, change: &Change, now: Timestamp) -> Result<Step, Refusal> {
    match change {
        Change::Decide { verdict, digest, decider, comment } => {
            decide::decide(approval, *verdict, digest, *decider, comment.as_deref(), now)
        }
        Change::Consume { digest, policy_version, idempotency_key } => {
            consume::consume(approval, digest, *policy_version, idempotency_key.as_deref(), now)
        }
        Change::Cancel { actor, reason, policy_version } => {
            cancel::cancel(approval, actor, reason, *policy_version, now)
        }
    }
}

/// The approval with an answer; a yes may be used for a while.
fn answer(approval: &Approval, status: Status, answer: HumanAnswer, now: Timestamp) -> Approval {
    let until = (status == Status::Approved).then(|| now + approval.request.chain.approved_for.0);
    Approval { answer: Some(answer), expires_at: until, due_at: until, ..ended(approval, status) }
}

/// The approval in a status without a clock.
fn ended(approval: &Approval, status: Status) -> Approval {
    Approval {
        status,
        expires_at: None,
        due_at: None,
        generation: approval.generation.saturating_add(1),
        ..approval.clone()
    }
}

fn closed(approval: Approval, history: HistoryEntry) -> Step {
    Step { approval, history: vec![history], outbox: Vec::new() }
}

fn entry(at: Timestamp, kind: AuditEventKind, actor: &str, id: ApprovalId) -> HistoryEntry {
    HistoryEntry {
        at,
        kind,
        actor: actor.to_owned(),
        policy_version: None,
        from_role: None,
        to_role: None,
        content: json!({"approval_id": id}),
    }
}
