//! Agents: registered, listed, given owners.

use gov_core::{AgentId, PersonId, Timestamp};

use super::{
    AgentList, AgentView, Registry, RegistryError,
    people::{list, nothing_else, object},
};
use crate::{
    http::Problem,
    identity::Agent,
    logged::{Changed, LoggedWithin},
    store::Effect,
};

/// The owners of an agent, by name or id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewOwners(pub Vec<String>);

impl NewOwners {
    /// Reads `{"owners": []}`.
    ///
    /// # Errors
    ///
    /// A problem that names the field and what was wanted.
    pub fn parse(body: &[u8]) -> Result<Self, Problem> {
        let mut fields = object(body)?;
        let owners = list(&mut fields, "owners")?
            .ok_or_else(|| Problem::bad_field("owners", "missing field `owners`"))?;
        nothing_else(&fields)?;
        Ok(Self(owners))
    }
}

impl Registry {
    /// Every registered agent, by id.
    #[must_use]
    pub fn agents(&self) -> AgentList {
        let agents = self.directory.agents();
        AgentList::new(agents.iter().map(|it| AgentView::of(it, &self.directory)).collect())
    }

    /// Registers an agent; `false` if it was registered before. Does not wait for the log: the
    /// answer that waits is about the agent's action.
    ///
    /// # Errors
    ///
    /// [`RegistryError::Store`]: the agent must be treated as unknown.
    pub async fn register_agent(
        &self,
        id: &AgentId,
        now: Timestamp,
    ) -> Result<bool, RegistryError> {
        let effect = Effect::RegisterAgent(id.clone());
        Ok(self.apply(effect, "agents.auto_register", now).await?.is_some())
    }

    /// Gives an agent these owners, by name or id, and no other: they do not decide about it.
    ///
    /// # Errors
    ///
    /// [`RegistryError::NoAgent`] and [`RegistryError::NoPerson`]; else the database.
    pub async fn own_agent(
        &self,
        id: &AgentId,
        owners: &[String],
        actor: &str,
    ) -> Result<Changed<AgentView>, RegistryError> {
        let no_agent = || RegistryError::NoAgent(id.clone());
        let agent = self.directory.agent(id).ok_or_else(no_agent)?;
        let owners = owners.iter().map(|it| self.person(it).map(|it| it.id));
        let mut owners: Vec<PersonId> = owners.collect::<Result<_, _>>()?;
        owners.sort_unstable();
        owners.dedup();
        let agent = Agent { owners: owners.clone(), ..(*agent).clone() };
        let effect = Effect::OwnAgent { id: id.clone(), owners };
        let position = self.apply(effect, actor, self.clock.now()).await?.ok_or_else(no_agent)?;
        let record = LoggedWithin::record(self.log.as_ref(), position).await;
        Ok(Changed { view: AgentView::of(&agent, &self.directory), record })
    }
}
