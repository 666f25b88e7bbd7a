//! Who stands in for whom, in memory.

use std::sync::OnceLock;

use gov_core::{PersonId, Timestamp};

use super::{Directory, Known};
use crate::identity::StandIn;

impl Directory {
    /// Who stands in for whom at `now`, in order; nobody for one who is disabled, and nobody who is.
    #[must_use]
    pub fn stand_ins_at(&self, now: Timestamp) -> Vec<StandIn> {
        let known = self.known.read();
        let may = |id| known.people.get(&id).is_some_and(|it| it.disabled_at.is_none());
        let counts = |it: &&StandIn| it.covers(now) && may(it.person_id) && may(it.stand_in_id);
        known.stand_ins.iter().filter(counts).copied().collect()
    }

    /// The periods of one person that are not over at `now`, in order.
    #[must_use]
    pub fn stand_ins_of(&self, person: PersonId, now: Timestamp) -> Vec<StandIn> {
        let known = self.known.read();
        let of = |it: &&StandIn| it.person_id == person && now < it.until;
        known.stand_ins.iter().filter(of).copied().collect()
    }
}

impl Known {
    pub(super) fn put_stand_in(&mut self, it: StandIn) {
        self.roster = OnceLock::new();
        let key = |it: &StandIn| (it.person_id, it.from, it.stand_in_id);
        self.stand_ins.retain(|other| key(other) != key(&it));
        let place = self.stand_ins.partition_point(|other| key(other) < key(&it));
        self.stand_ins.insert(place, it);
    }

    pub(super) fn end_stand_ins(&mut self, person: PersonId, at: Timestamp) {
        self.roster = OnceLock::new();
        self.stand_ins.retain(|it| it.person_id != person || it.until <= at);
    }
}
