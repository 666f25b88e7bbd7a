//! Changes of who may ask, who decides and who is told: tokens, agents, people, targets and the halt,
//! each with its row in the history.
//!
//! ```text
//! change ─▶ store: one transaction with its row ─▶ memory ─▶ signed log ─▶ answer
//! ```

use std::sync::Arc;

use gov_core::{AgentId, Clock, Timestamp, TokenId, payload::SealError};

mod agents;
mod halts;
mod new_token;
mod people;
mod slack;
mod stand_ins;
mod targets;
mod tokens;
mod view;

pub use self::{
    agents::NewOwners,
    halts::{HaltOutcome, HaltView},
    new_token::NewToken,
    people::{NewPerson, PersonChange},
    slack::NewSlackUser,
    stand_ins::NewStandIn,
    view::{
        AgentList, AgentView, CreatedToken, List, Owner, PersonList, PersonView, StandInView,
        TokenList, TokenView,
    },
};
use crate::{
    identity::{Directory, PersonName, SlackUser},
    logged::LoggedWithin,
    servers::Servers,
    store::{Edit, Effect, GatewayStore, StoreError},
};

/// Changes tokens, agents and people in the store first and in memory after. Clones share all.
#[derive(Clone, Debug)]
pub struct Registry {
    store: Arc<dyn GatewayStore>,
    directory: Arc<Directory>,
    clock: Arc<dyn Clock>,
    log: Option<LoggedWithin>,
    servers: Option<Servers>,
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
    /// There is no such person.
    #[error("no person `{}`; `gov people list` shows all", gov_core::text::escape(.0))]
    NoPerson(String),
    /// Another person is called so.
    #[error("there is a person `{}` already; choose another name", gov_core::text::escape(.0.as_str()))]
    NameTaken(PersonName),
    /// Another person is that one in Slack.
    #[error(
        "`{0}` is another person's in Slack; `gov people list` shows whose, and `gov people slack NAME --none` frees it"
    )]
    SlackUserTaken(SlackUser),
    /// They stand in from that very moment already.
    #[error("`{}` stands in from that moment already", gov_core::text::escape(.0))]
    StandsInAlready(String),
    /// Nobody stands in for the person, so nothing ends.
    #[error("nobody stands in for `{}`", gov_core::text::escape(.0.as_str()))]
    NotAway(PersonName),
    /// There is no such agent.
    #[error(
        "no agent `{}`; it is registered when it first asks, or with `gov tokens create --scope agent --register`",
        gov_core::text::escape(.0.as_str())
    )]
    NoAgent(AgentId),
    /// The operating system gives no randomness.
    #[error("no randomness from the operating system")]
    NoRandomness(#[from] getrandom::Error),
    /// The database failed, and the change may or may not be kept: look, and repeat it.
    #[error("the change could not be stored")]
    Store(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl Registry {
    /// Changes `store` and `directory`; `log`, where a follower runs, is waited for.
    #[must_use]
    pub fn new(
        store: Arc<dyn GatewayStore>,
        directory: Arc<Directory>,
        clock: Arc<dyn Clock>,
        log: Option<LoggedWithin>,
    ) -> Self {
        Self { store, directory, clock, log, servers: None }
    }

    /// A halt and its end wait for these to go by it.
    #[must_use]
    pub fn with_servers(self, servers: Servers) -> Self {
        Self { servers: Some(servers), ..self }
    }

    /// What is known, in memory.
    #[must_use]
    pub fn directory(&self) -> &Directory {
        &self.directory
    }

    /// Makes one change in the store, then in memory; `None` where it does not fit.
    ///
    /// A caller that goes away must not leave memory behind the store, so a task of its own does
    /// it.
    async fn apply(
        &self,
        effect: Effect,
        actor: &str,
        at: Timestamp,
    ) -> Result<Option<u64>, RegistryError> {
        let edit = Edit::new(effect, actor, at)?;
        let (store, directory) = (Arc::clone(&self.store), Arc::clone(&self.directory));
        let log = self.log.clone();
        let applied = tokio::spawn(async move {
            let position = store.apply(edit.clone()).await?;
            if let Some(position) = position {
                directory.take_in(&edit, position);
            }
            if let Some(log) = log {
                log.follower.nudge();
            }
            Ok::<_, StoreError>(position)
        });
        Ok(applied.await.map_err(|error| RegistryError::Store(Box::new(error)))??)
    }
}

impl From<StoreError> for RegistryError {
    fn from(error: StoreError) -> Self {
        Self::Store(Box::new(error))
    }
}

impl From<SealError> for RegistryError {
    fn from(error: SealError) -> Self {
        match error {
            SealError::NoRandomness(error) => Self::NoRandomness(error),
            other => Self::Store(Box::new(other)),
        }
    }
}
