//! The rules of one approval, as pure functions: what a change does to it, and what it writes.
//!
//! Every backend reads the row, asks here, and writes what comes back in the same transaction.

use std::sync::Arc;

use gov_core::{ActionDigest, ApprovalId, AuditEventKind, Timestamp};
use serde_json::json;

use crate::{
    approval::{Approval, Decider, HistoryEntry, HumanAnswer, Notification, Status, Verdict},
    chain::Chain,
    grant::Use,
    roster::Roster,
};

mod cancel;
mod consume;
mod decide;
mod draw;
mod edit;
mod fire;
mod message;
mod open;
mod reopen;
mod right;
mod routing;
#[cfg(all(test, feature = "test-util"))]
mod tests;

pub(crate) use self::right::right;
pub use self::{
    draw::Draw,
    edit::{Edit, Exchange, edit},
    fire::fire,
    open::open,
};

/// Who acts where nobody answered.
pub const SYSTEM_TIMEOUT: &str = "system:timeout";

/// Who asks one rung after the other.
const SYSTEM_CHAIN: &str = "system:chain";

/// A change that somebody asks for.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// A person answers.
    Decide {
        /// Yes or no.
        verdict: Verdict,
        /// The digest that the person saw.
        digest: ActionDigest,
        /// The person.
        decider: Decider,
        /// Everyone as of now: whether this person may answer is judged by it.
        roster: Arc<Roster>,
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
    /// One call of a grant is released.
    Draw(Box<Draw>),
    /// What is approved is asked again, because the policy is stricter now. The votes stay.
    Reopen {
        /// Who is asked now.
        chain: Chain,
        /// The policy version that asks.
        policy_version: u64,
        /// Everyone as of now.
        roster: Arc<Roster>,
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
    /// The call of a grant that it releases.
    pub used: Option<Use>,
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
    /// Nobody, or somebody who was disabled: somebody else must decide.
    #[error("the person is unknown or disabled")]
    Unknown,
    /// It is about an agent of their own, or of whose right they have: somebody else must decide.
    #[error("the agent that asks is their own, or that of who named them stand-in")]
    OwnsAgent,
    /// No rung that was asked so far admits them: somebody else must decide.
    #[error("the person is not among those who are asked")]
    NotAsked,
    /// This person, or somebody in the same right, has answered: the others must.
    #[error("the person has answered already, or another one in the same right")]
    VotedBefore,
    /// It is a grant and the call is none of its own, or the other way round: ask for that call.
    #[error("the approval does not cover that")]
    NotCovered,
    /// The edited action is the same one: decide about it as it is.
    #[error("the edited action is the one that is asked for already")]
    SameAction,
    /// Somebody has asked about the edited action: decide about that request.
    #[error("the edited action is asked about already, by another request")]
    AskedAlready,
    /// The edited action is for others to say yes to: one of them must edit.
    #[error("others are asked about the edited action")]
    OthersAsked,
    /// The votes satisfy the stricter chain too: use the approval.
    #[error("the votes satisfy the chain that is asked now")]
    Satisfied,
}

/// What `change` does at `now`.
///
/// # Errors
///
/// [`Refusal`]: nothing.
pub fn apply(approval: &Approval, change: &Change, now: Timestamp) -> Result<Step, Refusal> {
    match change {
        Change::Decide { verdict, digest, decider, roster, comment } => {
            let answer = decide::Answer { verdict: *verdict, digest, comment: comment.as_deref() };
            decide::decide(approval, &answer, *decider, roster, now)
        }
        Change::Consume { digest, policy_version, idempotency_key } => {
            consume::consume(approval, digest, *policy_version, idempotency_key.as_deref(), now)
        }
        Change::Draw(it) => draw::draw(approval, it, now),
        Change::Reopen { chain, policy_version, roster } => {
            reopen::reopen(approval, chain, *policy_version, roster, now)
        }
        Change::Cancel { actor, reason, policy_version } => {
            cancel::cancel(approval, actor, reason, *policy_version, now)
        }
    }
}

/// The approval with an answer; a yes may be used for a while.
fn answer(approval: &Approval, status: Status, answer: HumanAnswer, now: Timestamp) -> Approval {
    let begins = approval.clock.at(now);
    let lives =
        approval.request.grant.as_ref().map_or(approval.chain().approved_for, |it| it.lasts);
    let until = (status == Status::Approved).then(|| begins + lives.0);
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
    Step { approval, history: vec![history], outbox: Vec::new(), used: None }
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
