//! Who the deciders are: what this crate needs to know of persons, as a seam.

use std::fmt;

use gov_core::{AgentId, PersonId, Role};

/// Finds persons. Asked in memory, at every decision: a change counts from the next one on.
pub trait Directory: fmt::Debug + Send + Sync {
    /// The roles of a person who may decide; `None` if there is no such person, or a disabled one.
    fn roles_of(&self, person: PersonId) -> Option<Vec<Role>>;

    /// Who answers for an agent, and so may not decide about it.
    fn owners_of(&self, agent: &AgentId) -> Vec<PersonId>;
}
