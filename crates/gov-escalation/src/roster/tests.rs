//! Whose right a person has, and when.

use std::time::Duration;

use gov_core::id::uuid::Uuid;

use super::*;

#[test]
fn a_person_acts_for_themselves_first_and_then_for_who_named_them_one_step_far() {
    let now = Timestamp::UNIX_EPOCH + Duration::from_hours(1);
    let hour = Duration::from_hours(1);
    let for_whom = |person_id, stand_in, from| StandIn {
        person: person(person_id),
        stand_in: person(stand_in),
        from,
        until: from + hour,
    };
    let roster = Roster {
        stand_ins: vec![
            for_whom(1, 2, now),
            for_whom(3, 2, now),
            // Named twice counts once, and a stand-in of the stand-in gets no more than theirs.
            for_whom(1, 2, now),
            for_whom(2, 4, now),
            for_whom(5, 2, now + hour),
        ],
        ..Roster::default()
    };
    assert_eq!(roster.seats_of(person(2), now), [2, 1, 3].map(person));
    assert_eq!(roster.seats_of(person(4), now), [4, 2].map(person));
    assert_eq!(roster.seats_of(person(1), now), [1].map(person));
    // The end of one period is the beginning of another.
    assert_eq!(roster.seats_of(person(2), now + hour), [2, 5].map(person));
    assert_eq!(roster.seats_of(person(2), Timestamp::UNIX_EPOCH), [2].map(person));
}

#[test]
fn the_owner_of_the_agent_is_no_candidate_and_for_no_agent_everybody_is() {
    let coder: AgentId = "coder".parse().unwrap();
    let roster = Roster {
        members: [(person(1), vec!["ops".parse().unwrap()]), (person(2), Vec::new())].into(),
        owners: [(coder.clone(), vec![person(1)])].into(),
        ..Roster::default()
    };
    let ops = Rung { roles: vec!["ops".parse().unwrap()], ..Rung::default() };
    let who = |rung: &Rung, agent| {
        roster.candidates(rung, agent).map(|(person, _)| person).collect::<Vec<_>>()
    };
    assert_eq!(who(&ops, None), [person(1)]);
    assert_eq!(who(&ops, Some(&coder)), []);
    assert_eq!(who(&Rung::default(), Some(&coder)), [person(2)]);
    assert_eq!(roster.roles_of(person(2)), Some([].as_slice()));
    assert_eq!(roster.roles_of(person(3)), None);
}

fn person(number: u128) -> PersonId {
    PersonId::from_uuid(Uuid::from_u128(number))
}
