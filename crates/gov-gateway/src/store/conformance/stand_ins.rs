//! Who decides for whom.

use super::*;
use crate::identity::StandIn;

async fn people(store: &Store) -> [Person; 3] {
    let people = [person(1, "Ann", &[]), person(2, "Bob", &[]), person(3, "Kim", &[])];
    for person in &people {
        make(store, Effect::AddPerson(person.clone()), 1).await;
    }
    people
}

fn stand_in(person: &Person, other: &Person, from: i64, until: i64) -> StandIn {
    let (person_id, stand_in_id) = (person.id, other.id);
    StandIn { person_id, stand_in_id, from: at(from), until: at(until) }
}

async fn all(store: &Store) -> Vec<StandIn> {
    store.contents().await.unwrap().identities.stand_ins
}

pub(in crate::store) async fn a_stand_in_stays_until_somebody_ends_it(store: Store) {
    let [ann, bob, kim] = people(&store).await;
    let over = stand_in(&ann, &bob, 1, 5);
    let lasts = stand_in(&ann, &kim, 4, 20);
    let ahead = stand_in(&ann, &bob, 30, 40);
    let others = stand_in(&bob, &kim, 1, 99);
    for it in [others, ahead, over, lasts] {
        make(&store, Effect::NameStandIn(it), 1).await;
    }
    assert_eq!(all(&store).await, [over, lasts, ahead, others], "by person and time");
    let again = StandIn { until: at(50), ..lasts };
    assert_eq!(store.apply(edit(Effect::NameStandIn(again), 2)).await.unwrap(), None);
    make(&store, Effect::EndStandIns(ann.id), 10).await;
    assert_eq!(all(&store).await, [over, others], "what is over is left alone");
    assert_eq!(store.apply(edit(Effect::EndStandIns(ann.id), 11)).await.unwrap(), None);
    make(&store, Effect::NameStandIn(again), 12).await;
    assert_eq!(all(&store).await, [over, again, others], "what was ended gives way");
    let rows = store.history_after(0, 99).await.unwrap();
    let kinds: Vec<_> = rows.iter().skip(3).map(|it| it.change.kind.as_str()).collect();
    let (named, ended) = ("person.stand_in_named", "person.stand_in_ended");
    assert_eq!(kinds, [named, named, named, named, ended, named]);
}

pub(in crate::store) async fn nobody_stands_in_for_themselves_for_nobody_or_for_no_time(
    store: Store,
) {
    let [ann, bob, _] = people(&store).await;
    let nobody = person(9, "Nobody", &[]);
    let before = store.contents().await.unwrap();
    for it in [
        stand_in(&ann, &ann, 1, 2),
        stand_in(&ann, &nobody, 1, 2),
        stand_in(&nobody, &ann, 1, 2),
        stand_in(&ann, &bob, 2, 2),
    ] {
        let outcome = store.apply(edit(Effect::NameStandIn(it), 5)).await;
        assert!(outcome.is_err(), "{it:?}");
        assert_eq!(store.contents().await.unwrap(), before, "{it:?}");
    }
}
