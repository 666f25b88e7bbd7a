//! A yes to several calls of one tool, within limits and for a while. Pure rules.
//!
//! What a grant does not name it does not cover: a call that brings an argument of another name is
//! none of its calls.

use std::{collections::BTreeMap, time::Duration};

use gov_core::{
    ActionDigest, AgentId, ApprovalId, SessionId, Timestamp,
    canonical::{self, CanonicalError},
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::chain::Span;

mod limit;
#[cfg(test)]
mod tests;

pub use self::limit::Limit;

/// The most calls of one grant.
pub const MAX_CALLS: u32 = 20;

/// How long a grant lasts at most, from its approval.
pub const LONGEST: Duration = Duration::from_hours(1);

/// The longest terms, in bytes of JSON: a person reads all of it.
pub const MAX_TERMS_BYTES: usize = 16 * 1024;

/// What a grant covers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GrantTerms {
    /// The server that offers the tool; `None` is a harness's own tool, and no other server's.
    pub server: Option<String>,
    /// The tool.
    pub tool: String,
    /// Its arguments, each with what it may be.
    pub arguments: BTreeMap<String, Limit>,
    /// How many calls, 1 to [`MAX_CALLS`].
    pub calls: u32,
    /// How long from the approval on, at most [`LONGEST`].
    pub lasts: Span,
}

/// One call of a tool.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    /// The server that offers the tool.
    pub server: Option<String>,
    /// The tool.
    pub tool: String,
    /// Its arguments; only an object is ever covered.
    pub arguments: Value,
}

/// One call that a grant was drawn on for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Use {
    /// The grant.
    pub approval_id: ApprovalId,
    /// Which of its calls, from 1.
    pub number: u32,
    /// When.
    pub at: Timestamp,
    /// Of the action that was released.
    pub digest: ActionDigest,
    /// The policy version that was asked.
    pub policy_version: u64,
    /// The caller's key: a repeat of it gets the same answer.
    pub idempotency_key: Option<String>,
}

/// Nobody may be asked for such a grant: correct its terms.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TermsProblem {
    /// No tool.
    #[error("`tool` must not be empty")]
    NoTool,
    /// None, or too many.
    #[error("`calls` must be 1 to {MAX_CALLS}; received {0}")]
    Calls(u32),
    /// Over at once, or too long.
    #[error("`lasts` must be longer than zero and at most {LONGEST:?}; received {0:?}")]
    Lasts(Duration),
    /// A limit that no value keeps.
    #[error("`arguments` has a limit that no value keeps: an empty `one_of` or `between`")]
    Unkept,
    /// Too much to read; in bytes.
    #[error("the terms must be at most {MAX_TERMS_BYTES} bytes of JSON; received {0}")]
    TooLong(usize),
}

/// What the digest of a grant is computed of. No action's has these keys, so none is a grant's.
#[derive(Serialize)]
struct Preimage<'a> {
    v: u8,
    agent_id: &'a AgentId,
    session_id: Option<&'a SessionId>,
    grant: &'a GrantTerms,
}

impl GrantTerms {
    /// Whether a person can be asked for it.
    ///
    /// # Errors
    ///
    /// [`TermsProblem`]: the first thing that is wrong.
    pub fn check(&self) -> Result<(), TermsProblem> {
        if self.tool.is_empty() {
            return Err(TermsProblem::NoTool);
        }
        if !(1..=MAX_CALLS).contains(&self.calls) {
            return Err(TermsProblem::Calls(self.calls));
        }
        if self.lasts.0.is_zero() || self.lasts.0 > LONGEST {
            return Err(TermsProblem::Lasts(self.lasts.0));
        }
        if !self.arguments.values().all(Limit::can_be_kept) {
            return Err(TermsProblem::Unkept);
        }
        // Terms are text, numbers and JSON: they always serialise.
        let length = serde_json::to_vec(self).map_or(usize::MAX, |it| it.len());
        if length > MAX_TERMS_BYTES { Err(TermsProblem::TooLong(length)) } else { Ok(()) }
    }

    /// Whether this is one of its calls: the same tool of the same server, every argument named and
    /// within its limit, and none missing that has one.
    #[must_use]
    pub fn covers(&self, call: &Call) -> bool {
        let Value::Object(given) = &call.arguments else { return false };
        let is_within = |(name, value): (&String, &Value)| {
            self.arguments.get(name).is_some_and(|limit| limit.admits(value))
        };
        // What is left out is whatever the tool takes for it.
        let is_there =
            |(name, limit): (&String, &Limit)| *limit == Limit::Any || given.contains_key(name);
        self.server == call.server
            && self.tool == call.tool
            && given.iter().all(is_within)
            && self.arguments.iter().all(is_there)
    }

    /// What the answer is bound to: SHA-256(JCS{v: 1, `agent_id`, `session_id`, grant}), an absent
    /// session as `null`.
    ///
    /// # Errors
    ///
    /// [`CanonicalError`] never happens for terms that [`gov_core::json::parse`] read.
    pub fn digest(
        &self,
        agent_id: &AgentId,
        session_id: Option<&SessionId>,
    ) -> Result<ActionDigest, CanonicalError> {
        let preimage = Preimage { v: 1, agent_id, session_id, grant: self };
        let bytes = canonical::to_bytes(&preimage)?;
        Ok(ActionDigest::from_bytes(canonical::sha256(&bytes)))
    }
}
