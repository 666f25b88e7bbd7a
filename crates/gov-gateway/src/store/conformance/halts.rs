//! The kill switch.

use std::sync::Arc;

use super::*;
use crate::identity::Halt;

fn halt(micros: i64) -> Halt {
    let who = format!("tok {micros}");
    Halt { halted_at: at(micros), reason: "smoke".into(), who, resumed_at: None }
}

fn resume() -> Effect {
    Effect::Resume { reason: "no fire".into() }
}

async fn last(store: &Store) -> Option<Halt> {
    store.contents().await.unwrap().identities.halt
}

pub(in crate::store) async fn what_is_halted_keeps_its_first_time_until_it_is_resumed(
    store: Store,
) {
    assert_eq!(store.apply(edit(resume(), 1)).await.unwrap(), None, "nothing is halted");
    make(&store, Effect::Halt(halt(2)), 2).await;
    assert_eq!(store.apply(edit(Effect::Halt(halt(3)), 3)).await.unwrap(), None);
    assert_eq!(last(&store).await, Some(halt(2)), "the first one stays");
    make(&store, resume(), 4).await;
    assert_eq!(store.apply(edit(resume(), 5)).await.unwrap(), None);
    assert_eq!(last(&store).await, Some(Halt { resumed_at: Some(at(4)), ..halt(2) }));
    make(&store, Effect::Halt(halt(6)), 6).await;
    assert_eq!(last(&store).await, Some(halt(6)), "another one begins anew");
    let rows = store.history_after(0, 9).await.unwrap();
    let told: Vec<_> = rows.iter().map(|it| (it.change.at, it.change.kind.clone())).collect();
    let (halted, resumed) = (AuditEventKind::AdminHalted, AuditEventKind::AdminResumed);
    assert_eq!(told, [(at(2), halted.clone()), (at(4), resumed), (at(6), halted)]);
}

pub(in crate::store) async fn of_concurrent_halts_one_counts(store: Store) {
    let callers: Vec<_> = (1..=8)
        .map(|caller| {
            let store = Arc::clone(&store);
            let edit = edit(Effect::Halt(halt(caller)), caller);
            tokio::spawn(async move { (caller, store.apply(edit).await.unwrap()) })
        })
        .collect();
    let mut counted = Vec::new();
    for caller in callers {
        let (caller, position) = caller.await.unwrap();
        counted.extend(position.map(|it| (it, caller)));
    }
    let [(1, first)] = counted[..] else { panic!("{counted:?}") };
    assert_eq!(last(&store).await, Some(halt(first)));
}
