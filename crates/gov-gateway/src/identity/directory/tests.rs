//! Who is let in, and who is known.

use std::time::Duration;

use gov_core::{Clock as _, clock::ManualClock};

use super::*;
use crate::identity::Scope;

fn token(now: Timestamp) -> (Token, TokenSecret) {
    let secret = TokenSecret::generate(TokenId::at(now)).unwrap();
    let token = Token {
        id: secret.id(),
        secret_hash: secret.hash(),
        scope: Scope::Admin,
        agent_id: None,
        person_id: None,
        created_at: now,
        expires_at: Some(now + Duration::from_mins(1)),
        revoked_at: None,
    };
    (token, secret)
}

fn person(now: Timestamp, name: &str) -> Person {
    Person {
        id: PersonId::at(now),
        name: name.parse().unwrap(),
        roles: vec!["ops".parse().unwrap()],
        created_at: now,
        disabled_at: None,
        slack_user: None,
    }
}

fn holding(tokens: Vec<Token>) -> Directory {
    Directory::new(Identities { tokens, ..Identities::default() })
}

#[test]
fn a_token_is_accepted_until_it_expires_and_not_at_that_moment() {
    let clock = ManualClock::default();
    let (token, secret) = token(clock.now());
    let directory = holding(vec![token.clone()]);
    let text = secret.to_text();
    assert_eq!(*directory.authenticate(&text, clock.now()).unwrap(), token);
    clock.advance(Duration::from_mins(1));
    assert_eq!(directory.authenticate(&text, clock.now()), Err(AuthError::Expired(clock.now())));
}

#[test]
fn a_revoked_token_is_refused_at_once() {
    let now = ManualClock::default().now();
    let (token, secret) = token(now);
    let directory = holding(vec![token.clone()]);
    directory.put_token(Token { revoked_at: Some(now), ..token });
    assert_eq!(directory.authenticate(&secret.to_text(), now), Err(AuthError::Revoked(now)));
}

#[test]
fn a_wrong_secret_and_an_unknown_token_look_the_same() {
    let now = ManualClock::default().now();
    let (known, secret) = token(now);
    let directory = holding(vec![known]);
    let (_, other) = token(now);
    let mut wrong = secret.to_text();
    wrong.pop();
    wrong.push('g');
    let mut swapped = secret.to_text();
    swapped.truncate(swapped.len() - 64);
    swapped.push_str(&other.to_text()[other.to_text().len() - 64..]);
    for text in [other.to_text(), wrong, swapped, String::new(), "gov_".to_owned()] {
        assert_eq!(directory.authenticate(&text, now), Err(AuthError::Invalid), "{text}");
    }
}

#[test]
fn the_token_of_a_disabled_person_is_refused_until_the_person_may_decide_again() {
    let now = ManualClock::default().now();
    let person = person(now, "Ann");
    let (admin, secret) = token(now);
    let approver = Token { scope: Scope::Approver, person_id: Some(person.id), ..admin };
    let (directory, text) = (holding(vec![approver]), secret.to_text());
    assert_eq!(directory.authenticate(&text, now), Err(AuthError::Invalid), "nobody's token");
    directory.put_person(person.clone());
    assert!(directory.authenticate(&text, now).is_ok());
    directory.put_person(Person { disabled_at: Some(now), ..person.clone() });
    assert_eq!(directory.authenticate(&text, now), Err(AuthError::Disabled(now)));
    directory.put_person(person);
    assert!(directory.authenticate(&text, now).is_ok());
}

#[test]
fn a_person_is_found_by_name_and_by_id_and_a_disabled_one_has_no_roles() {
    let now = ManualClock::default().now();
    let (ann, bob) = (person(now, "Ann"), person(now, "Bob"));
    let people = vec![bob.clone(), ann.clone()];
    let directory = Directory::new(Identities { people, ..Identities::default() });
    for text in ["Ann".to_owned(), ann.id.to_string()] {
        assert_eq!(*directory.find_person(&text).unwrap(), ann);
    }
    assert_eq!(directory.find_person("ann"), None);
    assert_eq!(directory.people().iter().map(|it| it.id).collect::<Vec<_>>(), [ann.id, bob.id]);
    assert_eq!(directory.roles_of(ann.id), Some(ann.roles.clone()));
    directory.put_person(Person { disabled_at: Some(now), ..ann.clone() });
    assert_eq!(directory.roles_of(ann.id), None);
    assert_eq!(directory.roles_of(PersonId::at(now)), None);
}

#[test]
fn the_roster_is_made_once_for_every_change_of_who_may_decide() {
    let now = ManualClock::default().now();
    let (ann, bob) = (person(now, "Ann"), person(now, "Bob"));
    let people = vec![ann.clone(), bob.clone()];
    let directory = Directory::new(Identities { people, ..Identities::default() });
    let roster = || gov_escalation::Directory::roster(&directory);
    let first = roster();
    assert_eq!(first.members.len(), 2);
    assert_eq!(first.roles_of(bob.id), Some(bob.roles.as_slice()));
    let id: AgentId = "a".parse().unwrap();
    directory.register(id.clone(), now);
    directory.put_token(token(now).0);
    assert!(Arc::ptr_eq(&first, &roster()), "made again for nothing");

    directory.put_agent(Agent { id: id.clone(), registered_at: now, owners: vec![ann.id] });
    assert!(roster().owns(ann.id, &id));
    directory.put_person(Person { disabled_at: Some(now), ..bob.clone() });
    assert_eq!(roster().members.keys().copied().collect::<Vec<_>>(), [ann.id]);
    directory.replace(Identities::default(), 9);
    assert_eq!(*roster(), Roster::default());
}

#[test]
fn an_agent_has_the_owners_that_were_put_last() {
    let now = ManualClock::default().now();
    let (directory, owner) = (Directory::default(), PersonId::at(now));
    let agent = |owners| Agent { id: "a".parse().unwrap(), registered_at: now, owners };
    let id = agent(Vec::new()).id;
    assert_eq!(directory.owners_of(&id), []);
    directory.put_agent(agent(vec![owner]));
    assert_eq!((directory.owners_of(&id), directory.agents().len()), (vec![owner], 1));
    directory.put_agent(agent(Vec::new()));
    assert_eq!((directory.owners_of(&id), directory.agents().len()), (Vec::new(), 1));
}

#[test]
fn a_stand_in_counts_in_its_period_and_while_both_may_decide() {
    let clock = ManualClock::default();
    let now = clock.now();
    let ann = person(now, "Ann");
    let bob = person(now + Duration::from_millis(1), "Bob");
    let (from, until) = (now + Duration::from_secs(1), now + Duration::from_secs(3));
    let it = StandIn { person_id: ann.id, stand_in_id: bob.id, from, until };
    let people = vec![ann.clone(), bob.clone()];
    let stand_ins = vec![it];
    let directory = Directory::new(Identities { people, stand_ins, ..Identities::default() });
    for (at, counts) in [(now, false), (from, true), (from + Duration::from_secs(1), true)] {
        assert_eq!(directory.stand_ins_at(at), if counts { vec![it] } else { Vec::new() }, "{at}");
    }
    assert_eq!(directory.stand_ins_at(until), [], "the first moment after it");
    assert_eq!(directory.stand_ins_of(ann.id, now), [it], "it lies ahead");
    assert_eq!(directory.stand_ins_of(ann.id, until), []);
    for disabled in [ann, bob] {
        directory.put_person(Person { disabled_at: Some(now), ..disabled.clone() });
        assert_eq!(directory.stand_ins_at(from), [], "{} may not decide", disabled.name.as_str());
        directory.put_person(disabled);
    }
    assert_eq!(directory.stand_ins_at(from), [it]);
}

#[test]
fn who_listens_hears_of_a_halt_and_of_its_end_once_each() {
    let now = ManualClock::default().now();
    let directory = Directory::default();
    let mut halts = directory.halts();
    let halt = Halt { halted_at: now, reason: "smoke".into(), who: "tok".into(), resumed_at: None };
    directory.put_halt(halt.clone());
    assert!(halts.has_changed().unwrap());
    assert_eq!(*halts.borrow_and_update(), Some(halt.clone()));
    // The same one again, from the store.
    let known = Identities { halt: Some(halt.clone()), ..Identities::default() };
    assert!(directory.replace(known, 1));
    directory.put_halt(Halt { who: "other".into(), ..halt.clone() });
    assert!(!halts.has_changed().unwrap(), "the first one stays");
    let ended = Halt { resumed_at: Some(now), ..halt };
    let known = Identities { halt: Some(ended.clone()), ..Identities::default() };
    assert!(directory.replace(known, 2));
    assert_eq!(*halts.borrow_and_update(), Some(ended));
    assert_eq!(directory.halt(), None);
}
