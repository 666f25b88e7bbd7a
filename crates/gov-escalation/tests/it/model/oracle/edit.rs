//! What editing should do to the one request, and make of the other.

use gov_core::{AuditEventKind as Kind, PersonId, Timestamp};
use gov_escalation::{
    Roster,
    approval::{Status, Verdict},
    chain::Chain,
    transition::Refusal,
};

use super::Life;

/// Who edits, and into what.
pub(crate) struct Edited {
    pub(crate) person: PersonId,
    /// Whether they saw the request that they edit.
    pub(crate) right_digest: bool,
    pub(crate) into: Becomes,
    pub(crate) chain: Chain,
}

/// What it becomes.
#[derive(PartialEq, Eq)]
pub(crate) enum Becomes {
    Grant,
    /// What it is already.
    Same,
    /// What somebody else has asked about.
    Asked,
    New,
}

impl Life {
    /// This one is over, and the answer stands in its place with nobody's yes but the editor's.
    pub(crate) fn edit(
        &mut self,
        it: Edited,
        roster: &Roster,
        now: Timestamp,
    ) -> Result<Self, Refusal> {
        let yes = Verdict::Approve;
        // Nobody edits what they could not approve.
        self.clone().answer(it.person, yes, it.right_digest, roster, now)?;
        if self.is_grant || it.into == Becomes::Grant {
            return Err(Refusal::NotCovered);
        }
        if it.into == Becomes::Same {
            return Err(Refusal::SameAction);
        }
        let mut other = Self::open(it.chain, None, roster, now);
        match other.answer(it.person, yes, true, roster, now) {
            Err(Refusal::NotAsked) => return Err(Refusal::OthersAsked),
            outcome => outcome?,
        }
        if it.into == Becomes::Asked {
            return Err(Refusal::AskedAlready);
        }
        if other.shape.status == Status::Approved {
            other.told.clear();
        }
        self.shape.generation += 1;
        self.end(Status::Cancelled, None, Kind::ApprovalEdited);
        Ok(other)
    }
}
