//! Counting people, against trying everything.

use gov_core::{Timestamp, id::uuid::Uuid};
use proptest::prelude::*;

use super::*;
const ROLES: [&str; 3] = ["security", "ops", "lead"];

#[test]
fn who_has_two_roles_fills_the_place_that_the_others_leave_free() {
    let rung = require(&[("security", 1), ("ops", 2)]);
    // Whoever is taken first for ops must give way for security.
    let voters = ["security ops", "ops", "ops"];
    for order in [[0, 1, 2], [1, 0, 2], [2, 1, 0], [1, 2, 0]] {
        assert!(is_met(&rung, &votes(order.map(|it| voters[it]))), "{order:?}");
    }
    let chain_of_moves = require(&[("ops", 1), ("lead", 1), ("security", 1)]);
    assert!(is_met(&chain_of_moves, &votes(["ops lead", "lead security", "ops"])));
}

#[test]
fn one_person_with_all_roles_is_one_person() {
    let rung = require(&[("security", 1), ("ops", 1)]);
    assert!(!is_met(&rung, &votes(["security ops"])));
    assert!(!is_met(&rung, &votes(["ops", "ops", "ops"])));
    assert!(is_met(&rung, &votes(["security ops", "ops"])));
}

#[test]
fn a_quorum_counts_who_is_admitted_and_says_yes() {
    let rung = Rung { roles: vec!["ops".parse().unwrap()], quorum: 2, ..Rung::default() };
    let mut cast = votes(["ops", "lead", "ops"]);
    assert!(is_met(&rung, &cast));
    cast[2].verdict = Verdict::Reject;
    assert!(!is_met(&rung, &cast));
    assert!(!is_met(&rung, &[]));
}

#[test]
fn the_largest_rung_is_counted_in_no_time() {
    let rung = require(&[("security", 50), ("ops", 50)]);
    assert!(is_met(&rung, &votes(["ops security"; 100])));
    assert!(!is_met(&rung, &votes(["ops security"; 99])));
}

proptest! {
    #[test]
    fn the_count_is_what_trying_everything_finds(
        needed in prop::collection::vec(0..3_u32, 3),
        people in prop::collection::vec(prop::sample::subsequence(ROLES.to_vec(), 0..=3), 0..7),
    ) {
        let named: Vec<_> = ROLES.into_iter().zip(needed).filter(|(_, count)| *count > 0).collect();
        prop_assume!(!named.is_empty());
        let rung = require(&named);
        let mut places: Vec<&str> = Vec::new();
        for (role, count) in &named {
            places.extend((0..*count).map(|_| *role));
        }
        let cast = votes(people.iter().map(|it| it.join(" ")));
        let seated = filled(&rung, cast.iter().map(|it| (it.seat, it.roles.as_slice())));
        prop_assert_eq!(seated, most(&places, &people));
        prop_assert_eq!(is_met(&rung, &cast), seated as usize == places.len());
        let vacant = vacant(&rung, cast.iter().map(|it| (it.seat, it.roles.as_slice())));
        let vacant: u32 = vacant.iter().map(|it| it.count).sum();
        prop_assert_eq!(vacant + seated, rung.seats());
    }
}

/// Each person takes each free place in turn, or none.
fn most(free: &[&str], people: &[Vec<&str>]) -> u32 {
    let Some((person, others)) = people.split_first() else { return 0 };
    let mut best = most(free, others);
    for (index, role) in free.iter().enumerate() {
        if person.contains(role) {
            let mut rest = free.to_vec();
            rest.remove(index);
            best = best.max(1 + most(&rest, others));
        }
    }
    best
}

fn require(seats: &[(&str, u32)]) -> Rung {
    let seat = |(role, count): &(&str, u32)| Seats { role: role.parse().unwrap(), count: *count };
    Rung { require: seats.iter().map(seat).collect(), ..Rung::default() }
}

/// One yes each of people with these roles.
fn votes(people: impl IntoIterator<Item = impl AsRef<str>>) -> Vec<Vote> {
    let vote = |(number, roles): (u128, _)| {
        let person = PersonId::from_uuid(Uuid::from_u128(number));
        let roles = AsRef::<str>::as_ref(&roles).split_whitespace();
        let roles = roles.map(|it| it.parse().unwrap()).collect();
        let (verdict, at) = (Verdict::Approve, Timestamp::UNIX_EPOCH);
        Vote { person, seat: person, verdict, roles, rung: 0, at, comment: None }
    };
    (1..).zip(people).map(vote).collect()
}
