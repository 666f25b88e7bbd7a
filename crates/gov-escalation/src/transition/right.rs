//! Whether a person may answer, and in whose right.

use gov_core::{PersonId, Role, Timestamp};

use super::Refusal;
use crate::{approval::Approval, roster::Roster};

/// A right that a person has, and nobody has used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Right<'r> {
    /// Whose it is.
    pub(crate) seat: PersonId,
    /// What they may decide as.
    pub(crate) roles: &'r [Role],
}

/// The right in which this person answers at `now`: their own if it counts, else that of the first
/// who named them stand-in and whose right does.
///
/// # Errors
///
/// [`Refusal::Unknown`], [`Refusal::OwnsAgent`], [`Refusal::NotAsked`] or
/// [`Refusal::VotedBefore`].
pub(crate) fn right<'r>(
    approval: &Approval,
    roster: &'r Roster,
    person: PersonId,
    now: Timestamp,
) -> Result<Right<'r>, Refusal> {
    let agent = &approval.request.agent_id;
    if roster.roles_of(person).is_none() {
        return Err(Refusal::Unknown);
    }
    if roster.owns(person, agent) {
        return Err(Refusal::OwnsAgent);
    }
    let mut refusal = Refusal::NotAsked;
    let has_voted = approval.votes.iter().any(|it| it.person == person);
    for seat in roster.seats_of(person, now) {
        let Some(roles) = roster.roles_of(seat) else { continue };
        if !approval.asked().any(|it| it.admits(seat, roles)) {
            continue;
        }
        if !roster.owns(seat, agent) {
            if !has_voted && approval.votes.iter().all(|it| it.seat != seat) {
                return Ok(Right { seat, roles });
            }
            // Who could answer if nobody had is told so, whatever else is in the way.
            refusal = Refusal::VotedBefore;
        } else if refusal == Refusal::NotAsked {
            refusal = Refusal::OwnsAgent;
        }
    }
    Err(refusal)
}
