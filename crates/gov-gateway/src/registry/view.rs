//! Tokens as they are shown: without the secret, except once.

use gov_core::{AgentId, PersonId, Timestamp, TokenId};
use serde::{Deserialize, Serialize};

use crate::identity::{Token, TokenSecret};

/// One token without its secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenView {
    /// Names it.
    pub id: TokenId,
    /// What it is for.
    pub scope: String,
    /// The agent it speaks for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent_id: Option<AgentId>,
    /// The person who decides with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub person_id: Option<PersonId>,
    /// `active`, `expired` or `revoked`.
    pub status: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ends by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// When it was withdrawn.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revoked_at: Option<Timestamp>,
}

impl TokenView {
    /// The token as it is at `now`.
    #[must_use]
    pub fn of(token: &Token, now: Timestamp) -> Self {
        let status = if token.revoked_at.is_some() {
            "revoked"
        } else if token.expires_at.is_some_and(|at| at <= now) {
            "expired"
        } else {
            "active"
        };
        Self {
            id: token.id,
            scope: token.scope.name().to_owned(),
            agent_id: token.agent_id.clone(),
            person_id: token.person_id,
            status: status.to_owned(),
            created_at: token.created_at,
            expires_at: token.expires_at,
            revoked_at: token.revoked_at,
        }
    }
}

/// A list as every route gives it; `next` is always null: all tokens fit one page.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenList {
    /// The tokens, the newest first.
    pub items: Vec<TokenView>,
    /// Where the next page begins.
    pub next: Option<String>,
}

impl TokenList {
    /// A list that is one page.
    #[must_use]
    pub fn new(items: Vec<TokenView>) -> Self {
        Self { items, next: None }
    }
}

/// A new token, with the text that is shown once.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreatedToken {
    /// What to send after `Authorization: Bearer `.
    pub token: String,
    /// The rest of it.
    #[serde(flatten)]
    pub view: TokenView,
}

impl CreatedToken {
    /// The token with its secret.
    #[must_use]
    pub fn new(token: &Token, secret: &TokenSecret, now: Timestamp) -> Self {
        Self { token: secret.to_text(), view: TokenView::of(token, now) }
    }
}

/// Without the secret.
impl std::fmt::Debug for CreatedToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CreatedToken").field("view", &self.view).finish_non_exhaustive()
    }
}
