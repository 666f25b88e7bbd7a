//! Whether enough people have said yes, where one person fills one place only.
//!
//! "One of security and two of ops" is a matching of people and places: who has both roles fills
//! the place that the others leave free, so the first place that fits is not always the right one.

use gov_core::{PersonId, Role};

use crate::{
    approval::{Verdict, Vote},
    chain::{Rung, Seats},
};

#[cfg(test)]
mod tests;

/// Whether the yes votes among these satisfy the rung.
pub(crate) fn is_met(rung: &Rung, votes: &[Vote]) -> bool {
    let yes = votes.iter().filter(|it| it.verdict == Verdict::Approve);
    filled(rung, yes.map(|it| (it.seat, it.roles.as_slice()))) >= rung.seats()
}

/// How many places of the rung these people can fill at most, each person one.
pub(crate) fn filled<'p>(
    rung: &Rung,
    people: impl IntoIterator<Item = (PersonId, &'p [Role])>,
) -> u32 {
    let admitted = people.into_iter().filter(|(person, roles)| rung.admits(*person, roles));
    if rung.require.is_empty() {
        let places = usize::try_from(rung.quorum).unwrap_or(usize::MAX);
        return u32::try_from(admitted.take(places).count()).unwrap_or(u32::MAX);
    }
    let people: Vec<_> = admitted.map(|(_, roles)| roles).collect();
    let places = seated(rung, &people);
    let taken = places.iter().filter(|it| it.taken_by.is_some());
    u32::try_from(taken.count()).unwrap_or(u32::MAX)
}

/// The required places of the rung that these people leave free, by role.
///
/// Where people could sit otherwise there are other answers, of as many places.
pub(crate) fn vacant<'p>(
    rung: &Rung,
    people: impl IntoIterator<Item = (PersonId, &'p [Role])>,
) -> Vec<Seats> {
    let people: Vec<_> = people.into_iter().map(|(_, roles)| roles).collect();
    let places = seated(rung, &people);
    let free = |role| places.iter().filter(|it| it.role == role && it.taken_by.is_none()).count();
    let seats = rung.require.iter().map(|it| Seats {
        role: it.role.clone(),
        count: u32::try_from(free(&it.role)).unwrap_or(u32::MAX),
    });
    seats.filter(|it| it.count > 0).collect()
}

/// As many of the required places as can be filled are.
fn seated<'p>(rung: &'p Rung, people: &'p [&'p [Role]]) -> Vec<Place<'p>> {
    let places = rung.require.iter().flat_map(|it| (0..it.count).map(|_| &it.role));
    let mut matching = Matching { people, places: Vec::new() };
    for role in places {
        matching.places.push(Place { role, taken_by: None });
        let last = matching.places.len().saturating_sub(1);
        matching.seat_somebody(last, &mut vec![false; people.len()]);
    }
    matching.places
}

/// Who sits where, so far. INVARIANT: nobody sits on two places.
struct Matching<'p> {
    /// The roles of each.
    people: &'p [&'p [Role]],
    places: Vec<Place<'p>>,
}

struct Place<'p> {
    role: &'p Role,
    taken_by: Option<usize>,
}

impl Matching<'_> {
    /// Finds somebody for a place, and for that moves who sits elsewhere already; `false` if there
    /// is nobody (who can go on being left out: nobody who sits ever loses their place).
    ///
    /// Each person is asked once, so it ends; it calls itself no deeper than there are places.
    fn seat_somebody(&mut self, place: usize, asked: &mut [bool]) -> bool {
        let Some(role) = self.places.get(place).map(|it| it.role) else { return false };
        let people = self.people;
        for (person, roles) in people.iter().enumerate() {
            let Some(asked_before) = asked.get_mut(person).filter(|it| !**it) else { continue };
            if !roles.contains(role) {
                continue;
            }
            *asked_before = true;
            let elsewhere = self.places.iter().position(|it| it.taken_by == Some(person));
            if elsewhere.is_none_or(|elsewhere| self.seat_somebody(elsewhere, asked)) {
                if let Some(it) = self.places.get_mut(place) {
                    it.taken_by = Some(person);
                }
                return true;
            }
        }
        false
    }
}
