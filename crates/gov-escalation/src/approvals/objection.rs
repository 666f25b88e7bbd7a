//! Who may not decide, and why.

use gov_core::{PersonId, Timestamp};

use crate::{
    approval::Approval,
    chain::Rung,
    roster::Roster,
    transition::{self, Refusal},
};

/// Why a person may not decide.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Objection {
    /// Nobody, or somebody who was disabled.
    #[error("`{0}` is unknown or disabled")]
    Unknown(PersonId),
    /// Nobody approves the requests of an agent of their own, nor through a stand-in.
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
    /// They, or somebody in the same right, have answered already.
    #[error("`{0}` has answered already, or somebody in the same right, so the others must decide")]
    VotedBefore(PersonId),
}

/// Why this person may not decide about an approval as it stands; `None` if they may.
pub(super) fn objection(
    approval: &Approval,
    roster: &Roster,
    person: PersonId,
    now: Timestamp,
) -> Option<Objection> {
    let refusal = transition::right(approval, roster, person, now).err()?;
    match refusal {
        Refusal::VotedBefore => Some(Objection::VotedBefore(person)),
        refusal => of_refusal(refusal, approval, person),
    }
}

/// The objection behind a refusal that is about the person; `None` for one about the approval.
pub(super) fn of_refusal(
    refusal: Refusal,
    approval: &Approval,
    person: PersonId,
) -> Option<Objection> {
    match refusal {
        Refusal::Unknown => Some(Objection::Unknown(person)),
        Refusal::OwnsAgent => Some(Objection::OwnsAgent(person)),
        Refusal::NotAsked => {
            let audience: Vec<_> = approval.asked().map(Rung::audience).collect();
            Some(Objection::NotAsked { person, audience: audience.join(", ") })
        }
        _ => None,
    }
}
