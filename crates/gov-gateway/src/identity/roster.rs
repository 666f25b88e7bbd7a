//! Everyone who may decide, as approvals need to know them.

use gov_escalation::Roster;

use super::{Agent, Person, StandIn};

/// The roster of these people and agents: nobody who was disabled, no agent that is nobody's.
pub(super) fn of<'i>(
    people: impl Iterator<Item = &'i Person>,
    agents: impl Iterator<Item = &'i Agent>,
    stand_ins: impl Iterator<Item = &'i StandIn>,
) -> Roster {
    let members = people.filter(|it| it.disabled_at.is_none());
    let owned = agents.filter(|it| !it.owners.is_empty());
    Roster {
        members: members.map(|it| (it.id, it.roles.clone())).collect(),
        owners: owned.map(|it| (it.id.clone(), it.owners.clone())).collect(),
        stand_ins: stand_ins.map(|it| (*it).into()).collect(),
    }
}

impl From<StandIn> for gov_escalation::StandIn {
    fn from(it: StandIn) -> Self {
        Self { person: it.person_id, stand_in: it.stand_in_id, from: it.from, until: it.until }
    }
}
