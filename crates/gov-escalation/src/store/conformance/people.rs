//! The people of these rules.

use super::{Arc, PersonId, Roster, Timestamp};
use crate::roster::StandIn;

/// Who they are, and what they may decide as; nobody is a `ghost`.
const PEOPLE: [(&str, &[&str]); 9] = [
    ("ann", &["ops"]),
    ("bob", &["ops"]),
    ("cem", &["ops"]),
    ("sec", &["security"]),
    ("both", &["security", "ops"]),
    ("lead", &["lead"]),
    // Owns the agent `coder`, and acts for cem.
    ("owner", &["ops", "lead"]),
    // Acts for ann and for the owner, and may decide nothing alone.
    ("temp", &[]),
    // Acts for ann and for bob.
    ("deputy", &[]),
];

/// One of the people of [`roster`], or a stranger.
#[must_use]
pub fn person(name: &str) -> PersonId {
    let place = PEOPLE.iter().position(|(it, _)| *it == name).unwrap_or(PEOPLE.len());
    PersonId::from_uuid(uuid::Uuid::from_u128(place as u128 + 0x100))
}

/// The people of these rules; who acts for another does so until the end of all time.
#[must_use]
pub fn roster() -> Arc<Roster> {
    let roles = |names: &[&str]| names.iter().map(|it| it.parse().unwrap()).collect();
    let for_whom = |(stand_in, name)| StandIn {
        person: person(name),
        stand_in: person(stand_in),
        from: Timestamp::UNIX_EPOCH,
        until: Timestamp::MAX,
    };
    Arc::new(Roster {
        members: PEOPLE.iter().map(|(name, names)| (person(name), roles(names))).collect(),
        owners: [("coder".parse().unwrap(), vec![person("owner")])].into(),
        stand_ins: [
            ("temp", "owner"),
            ("temp", "ann"),
            ("deputy", "ann"),
            ("deputy", "bob"),
            ("owner", "cem"),
        ]
        .map(for_whom)
        .to_vec(),
    })
}

/// Nobody but this one, who has every role of [`chain`](super::chain).
#[must_use]
pub fn only(person: PersonId) -> Arc<Roster> {
    let roles = ["ops", "lead"].map(|it| it.parse().unwrap()).to_vec();
    Arc::new(Roster { members: [(person, roles)].into(), ..Roster::default() })
}
