//! What a change does, and what one that does not fit leaves alone.

use super::*;
use crate::{identity::Agent, store::Contents};

pub(in crate::store) async fn what_is_put_in_reads_back_equal(store: Store) {
    let empty = store.contents().await.unwrap();
    assert_eq!((empty.identities, empty.policy, empty.generation), Default::default());
    let ann = person(1, "Ann", &["ops", "security"]);
    let approver = Token { person_id: Some(ann.id), ..token(3, Scope::Approver) };
    let admin = Token { expires_at: None, ..token(2, Scope::Admin) };
    let owned = Effect::OwnAgent { id: "a".parse().unwrap(), owners: vec![ann.id] };
    for effect in [
        Effect::AddPerson(ann.clone()),
        Effect::RegisterAgent("b".parse().unwrap()),
        Effect::RegisterAgent("a".parse().unwrap()),
        owned,
        Effect::AddToken(admin.clone()),
        Effect::AddToken(approver.clone()),
        Effect::ActivatePolicy { policy: policy(1), again: false },
    ] {
        make(&store, effect, 5).await;
    }
    let Contents { identities, policy: active, generation } = store.contents().await.unwrap();
    assert_eq!(identities.tokens, [approver, admin], "the newest first");
    assert_eq!(identities.people, vec![ann.clone()]);
    let agent = |id: &str, owners| Agent { id: id.parse().unwrap(), registered_at: at(5), owners };
    assert_eq!(identities.agents, [agent("a", vec![ann.id]), agent("b", Vec::new())]);
    assert_eq!((active, generation), (Some(policy(1)), 7));
}

pub(in crate::store) async fn every_change_writes_its_row_and_moves_the_generation(store: Store) {
    let (ann, it) = (person(1, "Ann", &[]), token(2, Scope::Operator));
    let agent: gov_core::AgentId = "a".parse().unwrap();
    let changed = Effect::ChangePerson { id: ann.id, roles: None, disabled: Some(true) };
    for (position, effect) in (1..).zip([
        Effect::AddToken(it.clone()),
        Effect::RevokeToken(it),
        Effect::RegisterAgent(agent.clone()),
        Effect::OwnAgent { id: agent, owners: Vec::new() },
        Effect::AddPerson(ann),
        changed,
        Effect::EnableTarget { name: "chat".to_owned() },
        Effect::ActivatePolicy { policy: policy(1), again: true },
    ]) {
        let edit = edit(effect, 5);
        assert_eq!(store.apply(edit.clone()).await.unwrap(), Some(position));
        assert_eq!(store.generation().await.unwrap(), position, "{edit:?}");
        let rows = store.history_after(position - 1, 9).await.unwrap();
        assert_eq!(rows.len(), 1, "{edit:?}");
        assert_eq!((rows[0].position, &rows[0].change), (position, &edit.change));
    }
}

pub(in crate::store) async fn what_does_not_fit_changes_nothing(store: Store) {
    let (ann, bob) = (person(1, "Ann", &["ops"]), person(2, "Bob", &[]));
    make(&store, Effect::AddPerson(ann.clone()), 1).await;
    make(&store, Effect::RegisterAgent("a".parse().unwrap()), 1).await;
    let before = store.contents().await.unwrap();
    let someone = Person { id: bob.id, ..ann.clone() };
    for effect in [
        Effect::RevokeToken(token(9, Scope::Admin)),
        Effect::RegisterAgent("a".parse().unwrap()),
        Effect::OwnAgent { id: "b".parse().unwrap(), owners: vec![ann.id] },
        Effect::AddPerson(someone),
        Effect::ChangePerson { id: bob.id, roles: Some(Vec::new()), disabled: None },
        Effect::ActivatePolicy { policy: policy(2), again: false },
    ] {
        assert_eq!(store.apply(edit(effect.clone(), 5)).await.unwrap(), None, "{effect:?}");
        assert_eq!(store.contents().await.unwrap(), before, "{effect:?}");
    }
    assert_eq!(store.history_after(2, 9).await.unwrap(), []);
}

pub(in crate::store) async fn a_change_that_fails_leaves_nothing_behind(store: Store) {
    let (ann, it) = (person(1, "Ann", &[]), token(2, Scope::Admin));
    make(&store, Effect::AddPerson(ann.clone()), 1).await;
    make(&store, Effect::RegisterAgent("a".parse().unwrap()), 1).await;
    make(&store, Effect::OwnAgent { id: "a".parse().unwrap(), owners: vec![ann.id] }, 1).await;
    make(&store, Effect::AddToken(it.clone()), 1).await;
    let before = store.contents().await.unwrap();
    let nobody = PersonId::at(at(9));
    for effect in [
        Effect::OwnAgent { id: "a".parse().unwrap(), owners: vec![nobody] },
        Effect::AddToken(it),
        Effect::AddToken(token(3, Scope::Approver)),
        Effect::AddToken(Token { agent_id: None, ..token(3, Scope::Agent) }),
        Effect::AddToken(Token { person_id: Some(nobody), ..token(3, Scope::Approver) }),
    ] {
        assert!(store.apply(edit(effect.clone(), 5)).await.is_err(), "{effect:?}");
        assert_eq!(store.contents().await.unwrap(), before, "{effect:?}");
    }
    assert_eq!(make(&store, Effect::AddToken(token(4, Scope::Admin)), 5).await, 5, "no gap");
}

pub(in crate::store) async fn a_change_of_a_person_leaves_the_rest(store: Store) {
    let mut ann = person(1, "Ann", &["ops", "security"]);
    let bob = person(2, "Bob", &["ops"]);
    make(&store, Effect::AddPerson(ann.clone()), 1).await;
    make(&store, Effect::AddPerson(bob.clone()), 1).await;
    let change = |roles, disabled| Effect::ChangePerson { id: ann.id, roles, disabled };
    let lead = vec!["lead".parse().unwrap()];
    make(&store, change(Some(lead.clone()), None), 2).await;
    ann.roles = lead;
    assert_eq!(store.contents().await.unwrap().identities.people, [ann.clone(), bob.clone()]);
    make(&store, change(None, Some(true)), 3).await;
    ann.disabled_at = Some(at(3));
    assert_eq!(store.contents().await.unwrap().identities.people, [ann.clone(), bob.clone()]);
    make(&store, change(Some(Vec::new()), Some(false)), 4).await;
    (ann.roles, ann.disabled_at) = (Vec::new(), None);
    assert_eq!(store.contents().await.unwrap().identities.people, [ann, bob]);
}

pub(in crate::store) async fn who_is_disabled_twice_is_so_since_the_first_time(store: Store) {
    let ann = person(1, "Ann", &[]);
    make(&store, Effect::AddPerson(ann.clone()), 1).await;
    for micros in [2, 3] {
        let effect = Effect::ChangePerson { id: ann.id, roles: None, disabled: Some(true) };
        make(&store, effect, micros).await;
        let people = store.contents().await.unwrap().identities.people;
        assert_eq!(people[0].disabled_at, Some(at(2)));
        assert_eq!(people[0], ann.clone().changed(None, Some(true), at(2)), "as memory has it");
    }
}

pub(in crate::store) async fn nobody_is_somebody_elses_slack_user(store: Store) {
    let (mut ann, bob) = (person(1, "Ann", &["ops"]), person(2, "Bob", &[]));
    make(&store, Effect::AddPerson(ann.clone()), 1).await;
    make(&store, Effect::AddPerson(bob.clone()), 1).await;
    let user = Some("U2".parse().unwrap());
    let tie = |id, user| Effect::TieSlack { id, user };
    ann.slack_user.clone_from(&user);
    // Twice is no harm.
    for _ in 0..2 {
        make(&store, tie(ann.id, user.clone()), 2).await;
        assert_eq!(store.contents().await.unwrap().identities.people, [ann.clone(), bob.clone()]);
    }
    let nobody = PersonId::at(at(9));
    for effect in [tie(bob.id, user.clone()), tie(nobody, user.clone()), tie(nobody, None)] {
        assert_eq!(store.apply(edit(effect, 3)).await.unwrap(), None);
        assert_eq!(store.contents().await.unwrap().identities.people, [ann.clone(), bob.clone()]);
    }
    // Who is nobody there leaves it to others, and is no obstacle to others who are nobody.
    make(&store, tie(bob.id, None), 4).await;
    make(&store, tie(ann.id, None), 4).await;
    make(&store, tie(bob.id, user.clone()), 5).await;
    let people = store.contents().await.unwrap().identities.people;
    assert_eq!((&people[0].slack_user, &people[1].slack_user), (&None, &user));
}

pub(in crate::store) async fn the_last_owners_count(store: Store) {
    let (ann, bob) = (person(1, "Ann", &[]), person(2, "Bob", &[]));
    make(&store, Effect::AddPerson(ann.clone()), 1).await;
    make(&store, Effect::AddPerson(bob.clone()), 1).await;
    make(&store, Effect::RegisterAgent("a".parse().unwrap()), 1).await;
    for owners in [vec![ann.id, bob.id], vec![bob.id], Vec::new()] {
        let effect = Effect::OwnAgent { id: "a".parse().unwrap(), owners: owners.clone() };
        make(&store, effect, 2).await;
        assert_eq!(store.contents().await.unwrap().identities.agents[0].owners, owners);
    }
}

pub(in crate::store) async fn a_token_is_revoked_once(store: Store) {
    let it = token(1, Scope::Agent);
    make(&store, Effect::AddToken(it.clone()), 1).await;
    make(&store, Effect::RevokeToken(it.clone()), 2).await;
    let again = store.apply(edit(Effect::RevokeToken(it), 3)).await.unwrap();
    assert_eq!(again, None, "the first time stays");
    assert_eq!(store.contents().await.unwrap().identities.tokens[0].revoked_at, Some(at(2)));
}
