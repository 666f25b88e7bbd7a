//! Who may decide at one moment: persons, what they may decide as, and who acts for whom.

use std::collections::BTreeMap;

use gov_core::{AgentId, PersonId, Role, Timestamp};

use crate::chain::Rung;

#[cfg(test)]
mod tests;

/// Everyone who may decide, as a [`Directory`](crate::Directory) knows them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Roster {
    /// Who may decide now, and as what; nobody who was disabled.
    pub members: BTreeMap<PersonId, Vec<Role>>,
    /// Who answers for an agent, and so may not decide about it, nor through another.
    pub owners: BTreeMap<AgentId, Vec<PersonId>>,
    /// Who acts for whom. Who stands in for a stand-in acts for the stand-in alone.
    pub stand_ins: Vec<StandIn>,
}

/// One person acts for another, for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StandIn {
    /// Whose right it is.
    pub person: PersonId,
    /// Who acts.
    pub stand_in: PersonId,
    /// From when on.
    pub from: Timestamp,
    /// Until when; not at it.
    pub until: Timestamp,
}

impl Roster {
    /// The roles of a person who may decide; `None` if there is no such person, or a disabled one.
    #[must_use]
    pub fn roles_of(&self, person: PersonId) -> Option<&[Role]> {
        self.members.get(&person).map(Vec::as_slice)
    }

    /// Whether the person answers for the agent.
    #[must_use]
    pub fn owns(&self, person: PersonId, agent: &AgentId) -> bool {
        self.owners.get(agent).is_some_and(|it| it.contains(&person))
    }

    /// In whose right a person may act at `now`: their own first, then that of everyone who named
    /// them, each once.
    #[must_use]
    pub fn seats_of(&self, person: PersonId, now: Timestamp) -> Vec<PersonId> {
        let mut seats = vec![person];
        for it in self.stand_ins.iter().filter(|it| it.stand_in == person && it.acts_at(now)) {
            if !seats.contains(&it.person) {
                seats.push(it.person);
            }
        }
        seats
    }

    /// Whose answer counts on a rung about this agent, or about any: with their roles.
    pub fn candidates<'r>(
        &'r self,
        rung: &'r Rung,
        agent: Option<&'r AgentId>,
    ) -> impl Iterator<Item = (PersonId, &'r [Role])> {
        let members = self.members.iter().map(|(person, roles)| (*person, roles.as_slice()));
        members.filter(move |(person, roles)| {
            rung.admits(*person, roles) && !agent.is_some_and(|agent| self.owns(*person, agent))
        })
    }
}

impl StandIn {
    fn acts_at(&self, now: Timestamp) -> bool {
        self.from <= now && now < self.until
    }
}
