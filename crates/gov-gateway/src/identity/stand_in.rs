//! Who decides for whom while they are away.

use gov_core::{PersonId, Timestamp};

/// A period in which one person may decide for another.
///
/// It hands on a person's own right only: who stands in for somebody gets nothing of what that one
/// was given by a third.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StandIn {
    /// Who is away.
    pub person_id: PersonId,
    /// Who decides for them; never the same person.
    pub stand_in_id: PersonId,
    /// The first moment of it.
    pub from: Timestamp,
    /// The first moment after it.
    pub until: Timestamp,
}

impl StandIn {
    /// Whether `now` lies in the period.
    #[must_use]
    pub fn covers(&self, now: Timestamp) -> bool {
        self.from <= now && now < self.until
    }
}
