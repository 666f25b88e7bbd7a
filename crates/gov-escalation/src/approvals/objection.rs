//! Who may not decide, and why.

use gov_core::PersonId;

use crate::{approval::Approval, directory::Directory};

/// Why a person may not decide.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Objection {
    /// Nobody, or somebody who was disabled.
    #[error("`{0}` is unknown or disabled")]
    Unknown(PersonId),
    /// Nobody approves the requests of an agent of their own.
    #[error("`{0}` owns the agent that asks, so somebody else must decide")]
    OwnsAgent(PersonId),
    /// No rung that was asked so far admits them.
    #[error("`{person}` is not among those who are asked: {audience}")]
    NotAsked {
        /// Who wants to decide.
        person: PersonId,
        /// Who may.
        audience: String,
    },
}

/// Why this person may not decide about an approval as it stands; `None` if they may.
pub(super) fn objection(
    directory: &dyn Directory,
    approval: &Approval,
    person: PersonId,
) -> Option<Objection> {
    let Some(roles) = directory.roles_of(person) else {
        return Some(Objection::Unknown(person));
    };
    if directory.owners_of(&approval.request.agent_id).contains(&person) {
        return Some(Objection::OwnsAgent(person));
    }
    let chain = &approval.request.chain;
    let asked: Vec<_> = (0..=approval.rung).map_while(|it| chain.rung(it)).collect();
    if asked.iter().any(|it| it.admits(person, &roles)) {
        return None;
    }
    let audience: Vec<_> = asked.iter().map(|it| it.audience()).collect();
    Some(Objection::NotAsked { person, audience: audience.join(", ") })
}
