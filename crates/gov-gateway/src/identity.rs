//! Who asks: access tokens, and the agents they speak for.
//!
//! Everything that a request needs to know lives in memory; the database is read at start and
//! written by changes only.

use std::{collections::HashMap, sync::Arc};

use gov_core::{AgentId, Timestamp, TokenId};
use parking_lot::RwLock;

pub mod token;

pub use self::token::{Scope, Token, TokenSecret};

/// The tokens and agents that are known, shared by every door.
#[derive(Debug, Default)]
pub struct Directory {
    tokens: RwLock<HashMap<TokenId, Arc<Token>>>,
    agents: RwLock<HashMap<AgentId, Timestamp>>,
}

/// Why a token is not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    /// No token was sent.
    #[error("send a token as `Authorization: Bearer gov_…`; `gov tokens create` makes one")]
    Missing,
    /// The text is no token, or its secret is not the one that was made.
    #[error("the token is not valid")]
    Invalid,
    /// Its time is over.
    #[error("the token expired at `{0}`; `gov tokens create` makes another")]
    Expired(Timestamp),
    /// An operator has withdrawn it.
    #[error("the token was revoked at `{0}`")]
    Revoked(Timestamp),
}

impl Directory {
    /// What the database holds.
    #[must_use]
    pub fn new(tokens: Vec<Token>, agents: Vec<(AgentId, Timestamp)>) -> Self {
        let tokens = tokens.into_iter().map(|it| (it.id, Arc::new(it))).collect();
        Self { tokens: RwLock::new(tokens), agents: RwLock::new(agents.into_iter().collect()) }
    }

    /// The token behind the text that a caller sent after `Bearer `.
    ///
    /// # Errors
    ///
    /// [`AuthError`] for a text that is no token, or whose token is unknown, expired or revoked.
    /// Only who knows the secret learns which.
    pub fn authenticate(&self, text: &str, now: Timestamp) -> Result<Arc<Token>, AuthError> {
        let (id, secret) = TokenSecret::parse(text).ok_or(AuthError::Invalid)?;
        let token = self.tokens.read().get(&id).cloned().ok_or(AuthError::Invalid)?;
        if !secret.matches(&token.secret_hash) {
            return Err(AuthError::Invalid);
        }
        if let Some(at) = token.revoked_at {
            return Err(AuthError::Revoked(at));
        }
        match token.expires_at {
            Some(at) if at <= now => Err(AuthError::Expired(at)),
            _ => Ok(token),
        }
    }

    /// Takes in a token that the database now holds, new or changed.
    pub fn put_token(&self, token: Token) {
        self.tokens.write().insert(token.id, Arc::new(token));
    }

    /// Every token, the newest first.
    #[must_use]
    pub fn tokens(&self) -> Vec<Arc<Token>> {
        let mut tokens: Vec<_> = self.tokens.read().values().cloned().collect();
        tokens.sort_by_key(|it| std::cmp::Reverse((it.created_at, it.id)));
        tokens
    }

    /// One token.
    #[must_use]
    pub fn token(&self, id: TokenId) -> Option<Arc<Token>> {
        self.tokens.read().get(&id).cloned()
    }

    /// Whether the agent is registered.
    #[must_use]
    pub fn knows_agent(&self, id: &AgentId) -> bool {
        self.agents.read().contains_key(id)
    }

    /// Takes in an agent that the database now holds.
    pub fn put_agent(&self, id: AgentId, registered_at: Timestamp) {
        self.agents.write().entry(id).or_insert(registered_at);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use gov_core::{Clock as _, clock::ManualClock};

    use super::*;

    fn token(now: Timestamp) -> (Token, TokenSecret) {
        let secret = TokenSecret::generate(TokenId::at(now)).unwrap();
        let token = Token {
            id: secret.id(),
            secret_hash: secret.hash(),
            scope: Scope::Admin,
            agent_id: None,
            created_at: now,
            expires_at: Some(now + Duration::from_mins(1)),
            revoked_at: None,
        };
        (token, secret)
    }

    #[test]
    fn a_token_is_accepted_until_it_expires_and_not_at_that_moment() {
        let clock = ManualClock::default();
        let (token, secret) = token(clock.now());
        let directory = Directory::new(vec![token.clone()], Vec::new());
        let text = secret.to_text();
        assert_eq!(*directory.authenticate(&text, clock.now()).unwrap(), token);
        clock.advance(Duration::from_mins(1));
        assert_eq!(
            directory.authenticate(&text, clock.now()),
            Err(AuthError::Expired(clock.now()))
        );
    }

    #[test]
    fn a_revoked_token_is_refused_at_once() {
        let now = ManualClock::default().now();
        let (token, secret) = token(now);
        let directory = Directory::new(vec![token.clone()], Vec::new());
        directory.put_token(Token { revoked_at: Some(now), ..token });
        assert_eq!(directory.authenticate(&secret.to_text(), now), Err(AuthError::Revoked(now)));
    }

    #[test]
    fn a_wrong_secret_and_an_unknown_token_look_the_same() {
        let now = ManualClock::default().now();
        let (known, secret) = token(now);
        let directory = Directory::new(vec![known], Vec::new());
        let (_, other) = token(now);
        let mut wrong = secret.to_text();
        wrong.pop();
        wrong.push('g');
        let mut swapped = secret.to_text();
        swapped.truncate(swapped.len() - 64);
        swapped.push_str(&other.to_text()[other.to_text().len() - 64..]);
        for text in [other.to_text(), wrong, swapped, String::new(), "gov_".to_owned()] {
            assert_eq!(directory.authenticate(&text, now), Err(AuthError::Invalid), "{text}");
        }
    }
}
