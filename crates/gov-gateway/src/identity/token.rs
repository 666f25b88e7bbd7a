//! Access tokens: `gov_<id>_<secret>`, of which only a hash is kept.

use std::{fmt, str::FromStr};

use gov_core::{
    AgentId, PersonId, Timestamp, TokenId,
    hex::{self, Hex},
};
use serde::{Serialize, Serializer};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

/// What a token is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Asks before it acts, for one agent.
    Agent,
    /// Decides approvals.
    Approver,
    /// Reads what happened.
    Auditor,
    /// Watches and runs the server.
    Operator,
    /// Changes who may do what.
    Admin,
}

impl Scope {
    /// Every scope.
    pub const ALL: [Self; 5] =
        [Self::Agent, Self::Approver, Self::Auditor, Self::Operator, Self::Admin];

    /// Its name in texts and columns.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Agent => "agent",
            Self::Approver => "approver",
            Self::Auditor => "auditor",
            Self::Operator => "operator",
            Self::Admin => "admin",
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Serialize for Scope {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

/// The text is no scope.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be `agent`, `approver`, `auditor`, `operator` or `admin`")]
pub struct ParseScopeError;

impl FromStr for Scope {
    type Err = ParseScopeError;

    fn from_str(text: &str) -> Result<Self, ParseScopeError> {
        Self::ALL.into_iter().find(|it| it.name() == text).ok_or(ParseScopeError)
    }
}

/// What is kept of a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// Names it.
    pub id: TokenId,
    /// SHA-256 of its secret.
    pub secret_hash: [u8; 32],
    /// What it is for.
    pub scope: Scope,
    /// The agent it speaks for; given exactly where the scope is [`Scope::Agent`].
    pub agent_id: Option<AgentId>,
    /// Whose it is; given exactly where the scope is [`Scope::Approver`].
    pub person_id: Option<PersonId>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ends by itself.
    pub expires_at: Option<Timestamp>,
    /// When it was withdrawn.
    pub revoked_at: Option<Timestamp>,
}

/// A token as its holder has it: 256 bits of secret under an id.
pub struct TokenSecret {
    id: TokenId,
    secret: [u8; 32],
}

impl TokenSecret {
    /// A fresh secret from the operating system.
    ///
    /// # Errors
    ///
    /// The operating system gives no randomness: no token can be made.
    pub fn generate(id: TokenId) -> Result<Self, getrandom::Error> {
        let mut secret = [0; 32];
        getrandom::fill(&mut secret)?;
        Ok(Self { id, secret })
    }

    /// Reads `gov_<32 hex digits>_<64 hex digits>` and nothing else.
    #[must_use]
    pub fn parse(text: &str) -> Option<(TokenId, Self)> {
        let (id, secret) = text.strip_prefix("gov_")?.split_once('_')?;
        let id = TokenId::from_uuid(gov_core::id::uuid::Uuid::from_bytes(hex::parse(id)?));
        Some((id, Self { id, secret: hex::parse(secret)? }))
    }

    /// The text that is shown once.
    #[must_use]
    pub fn to_text(&self) -> String {
        format!("gov_{}_{}", self.id.as_uuid().simple(), Hex(&self.secret))
    }

    /// Which token it is.
    #[must_use]
    pub fn id(&self) -> TokenId {
        self.id
    }

    /// What is kept of the secret. A plain hash is enough: 256 random bits cannot be guessed.
    #[must_use]
    pub fn hash(&self) -> [u8; 32] {
        Sha256::digest(self.secret).into()
    }

    /// Whether this is the secret behind `hash`; takes the same time for every wrong one.
    #[must_use]
    pub fn matches(&self, hash: &[u8; 32]) -> bool {
        self.hash().ct_eq(hash).into()
    }
}

/// Without the secret.
impl fmt::Debug for TokenSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenSecret").field("id", &self.id).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_reads_back_from_exactly_its_text() {
        let made = TokenSecret::generate(TokenId::at(Timestamp::UNIX_EPOCH)).unwrap();
        let text = made.to_text();
        let (id, read) = TokenSecret::parse(&text).unwrap();
        assert_eq!((id, text.len()), (made.id(), 4 + 32 + 1 + 64));
        assert!(read.matches(&made.hash()));
        for wrong in [text.to_uppercase(), format!("{text}0"), format!(" {text}"), text[4..].into()]
        {
            assert!(TokenSecret::parse(&wrong).is_none(), "{wrong}");
        }
    }

    #[test]
    fn the_secret_does_not_show_in_debug_output_and_the_redactor_knows_the_shape() {
        let token = TokenSecret::generate(TokenId::at(Timestamp::UNIX_EPOCH)).unwrap();
        let secret = Hex(&token.secret).to_string();
        assert!(!format!("{token:?}").contains(&secret));
        let shown = gov_core::Redactor::new([0; 32])
            .redact_text(&format!("curl -d {}", token.to_text()))
            .into_owned();
        assert!(!shown.contains(&secret), "{shown}");
    }
}
