//! The first contents: a policy to judge by and a token to begin with.

use gov_core::{Timestamp, payload::SealError};

use super::{Edit, Effect, StoredPolicy};
use crate::{
    identity::{Scope, Token, TokenSecret},
    policy::Starter,
};

/// Who founds, as the history calls it.
const ACTOR: &str = "gov init";

/// What one transaction puts in.
#[derive(Clone, Debug)]
pub struct Founding {
    starter: Starter,
    token: Edit,
    at: Timestamp,
    if_lost: IfLost,
}

/// What to do where there was a policy and is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IfLost {
    /// Leave it to a person: a strict policy must not become another in silence.
    Leave,
    /// A person says which one to put in.
    Replace,
}

/// What was there, and what was done about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FoundingOutcome {
    /// The policy is in; and the token, if there was none of an admin.
    New {
        /// The version of the policy.
        version: u64,
        /// Whether the token is in.
        with_token: bool,
    },
    /// There is a policy.
    HasPolicy {
        /// Which version.
        version: u64,
        /// Which starter it came from.
        name: String,
    },
    /// There was one.
    PolicyLost,
}

/// What a backend reads, under its lock, before it founds.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) active: Option<StoredPolicy>,
    /// Whether the history tells of a policy.
    pub(super) had_policy: bool,
    pub(super) next_version: u64,
    pub(super) tokens: Vec<Token>,
}

impl Founding {
    /// A founding with this policy, and with this secret for the admin.
    ///
    /// # Errors
    ///
    /// [`SealError`]: the operating system gives no randomness.
    pub fn new(
        starter: Starter,
        secret: &TokenSecret,
        at: Timestamp,
        if_lost: IfLost,
    ) -> Result<Self, SealError> {
        let token = Token {
            id: secret.id(),
            secret_hash: secret.hash(),
            scope: Scope::Admin,
            agent_id: None,
            person_id: None,
            created_at: at,
            expires_at: None,
            revoked_at: None,
        };
        let token = Edit::new(Effect::AddToken(token), ACTOR, at)?;
        Ok(Self { starter, token, at, if_lost })
    }

    /// What is to be put in, in this order, where `found` is what there is.
    pub(super) fn decide(self, found: Found) -> Result<(Vec<Edit>, FoundingOutcome), SealError> {
        if let Some(StoredPolicy { version, name, .. }) = found.active {
            return Ok((Vec::new(), FoundingOutcome::HasPolicy { version, name }));
        }
        if found.had_policy && self.if_lost == IfLost::Leave {
            return Ok((Vec::new(), FoundingOutcome::PolicyLost));
        }
        let version = found.next_version;
        let policy = StoredPolicy {
            version,
            name: self.starter.name().to_owned(),
            text: self.starter.text().to_owned(),
            activated_at: self.at,
        };
        let activated = Effect::ActivatePolicy { policy, again: false };
        let mut edits = vec![Edit::new(activated, ACTOR, self.at)?];
        let has_admin =
            found.tokens.iter().any(|it| it.scope == Scope::Admin && it.revoked_at.is_none());
        if !has_admin {
            edits.push(self.token);
        }
        Ok((edits, FoundingOutcome::New { version, with_token: !has_admin }))
    }
}
