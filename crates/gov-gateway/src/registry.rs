//! Changes of who may ask: tokens and agents, each with its row in the history.
//!
//! The row is written in the transaction that makes the change, so the signed log hears of every
//! change that is kept and of no other.

use std::{fmt, sync::Arc};

use gov_core::{
    AgentId, AuditEventKind, Clock, Payload, PersonId, Timestamp, TokenId, payload::SealError, text,
};
use gov_deferred_audit::FollowerHandle;
use gov_store::sqlite::{Sync, WriteError, Writer};
use rusqlite::Connection;
use serde_json::json;

mod new_token;
mod view;

pub use self::{
    new_token::NewToken,
    view::{CreatedToken, TokenList, TokenView},
};
use crate::{
    identity::{Agent, Directory, Token, TokenSecret},
    store::{Change, StoreError, sqlite},
};

/// Changes tokens and agents in `gov.db` first and in memory after.
#[derive(Clone)]
pub struct Registry {
    writer: Writer,
    directory: Arc<Directory>,
    clock: Arc<dyn Clock>,
    follower: Option<FollowerHandle>,
}

/// A change was not made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RegistryError {
    /// What was asked for is not possible: correct the field.
    #[error("{problem}")]
    BadField {
        /// Which field.
        field: &'static str,
        /// What is wrong with it.
        problem: String,
    },
    /// There is no such token.
    #[error("no token `{0}`; `gov tokens list` shows all")]
    NoToken(TokenId),
    /// It was withdrawn before.
    #[error("token `{0}` was revoked before")]
    AlreadyRevoked(TokenId),
    /// The operating system gives no randomness.
    #[error("no randomness from the operating system")]
    NoRandomness(#[from] getrandom::Error),
    /// The database failed, and the change may or may not be kept: look, and repeat it.
    #[error("the change could not be stored")]
    Store(#[source] Box<dyn std::error::Error + Send + std::marker::Sync>),
}

impl Registry {
    /// Changes `directory` and the file behind `writer`; `follower`, where one runs, is told of
    /// every row in the history.
    #[must_use]
    pub fn new(
        writer: Writer,
        directory: Arc<Directory>,
        clock: Arc<dyn Clock>,
        follower: Option<FollowerHandle>,
    ) -> Self {
        Self { writer, directory, clock, follower }
    }

    /// What is known, in memory.
    #[must_use]
    pub fn directory(&self) -> &Directory {
        &self.directory
    }

    /// Every token without its secret, the newest first.
    #[must_use]
    pub fn tokens(&self) -> TokenList {
        let now = self.clock.now();
        TokenList::new(self.directory.tokens().iter().map(|it| TokenView::of(it, now)).collect())
    }

    /// Makes a token; `actor` says in the history who did.
    ///
    /// # Errors
    ///
    /// [`RegistryError::BadField`] for what cannot be made; else the database or the randomness.
    pub async fn create_token(
        &self,
        new: NewToken,
        actor: &str,
    ) -> Result<CreatedToken, RegistryError> {
        let now = self.clock.now();
        let secret = TokenSecret::generate(TokenId::at(now))?;
        let person = new.person.as_deref().map(|it| self.person(it)).transpose()?;
        let (token, register) = new.token(&secret, now, person)?;
        let change = token_change(AuditEventKind::AdminTokenCreated, &token, now, actor)?;
        let agent = if register { token.agent_id.clone() } else { None };
        let registration = agent.map(|it| agent_change(&it, now, actor).map(|row| (it, row)));
        let registration = registration.transpose()?;
        let stored = token.clone();
        self.write(move |db| {
            sqlite::insert_token(db, &stored)?;
            sqlite::insert_change(db, &change)?;
            match registration {
                Some((agent, change)) => add_agent(db, &agent, &change),
                None => Ok(false),
            }
        })
        .await?;
        if register && let Some(agent) = &token.agent_id {
            self.put_agent(agent, now);
        }
        self.directory.put_token(token.clone());
        Ok(CreatedToken::new(&token, &secret, now))
    }

    /// Withdraws a token at once, even if the caller goes away or the database fails: then it is
    /// out of force until the next start, and the call can be repeated after it.
    ///
    /// # Errors
    ///
    /// [`RegistryError::NoToken`] and [`RegistryError::AlreadyRevoked`]; else the database.
    pub async fn revoke_token(&self, id: TokenId, actor: &str) -> Result<TokenView, RegistryError> {
        let now = self.clock.now();
        let known = self.directory.token(id).ok_or(RegistryError::NoToken(id))?;
        if known.revoked_at.is_some() {
            return Err(RegistryError::AlreadyRevoked(id));
        }
        let token = Token { revoked_at: Some(now), ..Token::clone(&known) };
        let change = token_change(AuditEventKind::AdminTokenRevoked, &token, now, actor)?;
        let view = TokenView::of(&token, now);
        // Before the commit: a caller who goes away must not leave a withdrawn token in force.
        self.directory.put_token(token);
        let revoked = self
            .write(move |db| {
                let revoked = sqlite::revoke_token(db, id, now)?;
                if revoked {
                    sqlite::insert_change(db, &change)?;
                }
                Ok(revoked)
            })
            .await?;
        if !revoked {
            return Err(RegistryError::AlreadyRevoked(id));
        }
        Ok(view)
    }

    /// Registers an agent; `false` if it was registered before.
    ///
    /// # Errors
    ///
    /// [`RegistryError::Store`]: the agent must be treated as unknown.
    pub async fn register_agent(
        &self,
        id: &AgentId,
        now: Timestamp,
    ) -> Result<bool, RegistryError> {
        let (agent, change) = (id.clone(), agent_change(id, now, "agents.auto_register")?);
        let added = self.write(move |db| add_agent(db, &agent, &change)).await?;
        self.put_agent(id, now);
        Ok(added)
    }

    fn put_agent(&self, id: &AgentId, registered_at: Timestamp) {
        if !self.directory.knows_agent(id) {
            self.directory.put_agent(Agent { id: id.clone(), registered_at, owners: Vec::new() });
        }
    }

    /// The person of an approver's token.
    fn person(&self, called: &str) -> Result<PersonId, RegistryError> {
        let person = self.directory.find_person(called);
        let person = person.filter(|it| it.disabled_at.is_none());
        person.map(|it| it.id).ok_or_else(|| {
            let called = text::escape(called);
            let problem = format!("`person` must be one who may decide; received `{called}`");
            RegistryError::BadField { field: "person", problem }
        })
    }

    async fn write<T: Send + 'static>(
        &self,
        job: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, RegistryError> {
        let written = self.writer.write(Sync::Full, move |transaction| job(transaction)).await;
        if let Some(follower) = &self.follower {
            follower.nudge();
        }
        written.map_err(|error: WriteError<StoreError>| RegistryError::Store(Box::new(error)))
    }
}

fn add_agent(db: &Connection, agent: &AgentId, change: &Change) -> Result<bool, StoreError> {
    let added = sqlite::register_agent(db, agent, change.at)?;
    if added {
        sqlite::insert_change(db, change)?;
    }
    Ok(added)
}

/// The history row of a token that was made or withdrawn.
pub(crate) fn token_change(
    kind: AuditEventKind,
    token: &Token,
    at: Timestamp,
    actor: &str,
) -> Result<Change, RegistryError> {
    let payload = json!({
        "actor": actor,
        "token_id": token.id,
        "scope": token.scope,
        "person_id": token.person_id,
        "expires_at": token.expires_at,
    });
    change(kind, at, token.agent_id.clone(), None, &payload)
}

fn agent_change(agent: &AgentId, at: Timestamp, actor: &str) -> Result<Change, RegistryError> {
    let payload = json!({ "actor": actor });
    change(AuditEventKind::AgentRegistered, at, Some(agent.clone()), None, &payload)
}

/// A history row, its payload sealed.
pub(crate) fn change(
    kind: AuditEventKind,
    at: Timestamp,
    agent_id: Option<AgentId>,
    policy_version: Option<u64>,
    payload: &serde_json::Value,
) -> Result<Change, RegistryError> {
    let payload =
        Payload::seal(payload).map_err(|error: SealError| RegistryError::Store(Box::new(error)))?;
    Ok(Change { at, kind, agent_id, policy_version, payload })
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registry").field("directory", &self.directory).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::task::{Context, Poll, Waker};

    use gov_core::SystemClock;

    use super::*;
    use crate::gov_db::GovDb;

    #[tokio::test]
    async fn a_withdrawn_token_is_out_of_force_even_if_the_caller_went_away() {
        let dir = tempfile::tempdir().unwrap();
        let clock = Arc::new(SystemClock);
        let db = GovDb::open(&dir.path().join("gov.db"), clock.now()).unwrap();
        let directory = Arc::new(Directory::default());
        let registry = Registry::new(db.database.writer.clone(), directory, clock.clone(), None);
        let new = NewToken::parse(br#"{"scope": "admin"}"#).unwrap();
        let created = registry.create_token(new, "test").await.unwrap();
        let id = registry.directory().tokens()[0].id;
        assert!(registry.directory().authenticate(&created.token, clock.now()).is_ok());

        let mut revocation = Box::pin(registry.revoke_token(id, "test"));
        // Begun, and dropped while it waits for its commit.
        let _: Poll<_> = revocation.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        drop(revocation);
        assert!(registry.directory().authenticate(&created.token, clock.now()).is_err());
    }
}
