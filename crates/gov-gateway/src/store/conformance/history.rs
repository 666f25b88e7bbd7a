//! The history, its follower, and the runs that are told in it.

use std::sync::Arc;

use super::*;
use crate::store::Run;

pub(in crate::store) async fn concurrent_changes_are_numbered_without_a_gap(store: Store) {
    let callers: Vec<_> = (0..24)
        .map(|caller| {
            let store = Arc::clone(&store);
            // Every third does not fit, and must leave no gap.
            let id = format!("agent {}", if caller % 3 == 0 { 0 } else { caller });
            let edit = edit(Effect::RegisterAgent(id.parse().unwrap()), caller);
            tokio::spawn(async move { store.apply(edit).await.unwrap() })
        })
        .collect();
    let mut positions = Vec::new();
    for caller in callers {
        positions.extend(caller.await.unwrap());
    }
    positions.sort_unstable();
    assert_eq!(positions, (1..=17).collect::<Vec<_>>());
    let rows = store.history_after(0, 99).await.unwrap();
    assert_eq!(rows.iter().map(|it| it.position).collect::<Vec<_>>(), positions);
    assert_eq!(store.generation().await.unwrap(), 17);
}

pub(in crate::store) async fn the_history_is_read_in_pages(store: Store) {
    for micros in 1..=4 {
        let effect = Effect::RegisterAgent(format!("a{micros}").parse().unwrap());
        make(&store, effect, micros).await;
    }
    let places = async |after, limit| {
        let rows = store.history_after(after, limit).await.unwrap();
        rows.iter().map(|it| (it.position, it.change.at)).collect::<Vec<_>>()
    };
    assert_eq!(places(0, 3).await, [(1, at(1)), (2, at(2)), (3, at(3))]);
    assert_eq!(places(3, 3).await, [(4, at(4))]);
    assert_eq!(places(4, 3).await, []);
}

pub(in crate::store) async fn the_feed_cursor_only_moves_ahead(store: Store) {
    assert_eq!(store.feed_cursor().await.unwrap(), 0);
    for (set, reads) in [(3, 3), (2, 3), (5, 5)] {
        store.set_feed_cursor(set).await.unwrap();
        assert_eq!(store.feed_cursor().await.unwrap(), reads);
    }
}

pub(in crate::store) async fn a_run_is_replaced_and_its_gap_is_in_the_history(store: Store) {
    assert_eq!(store.last_run("n").await.unwrap(), None);
    let run = |ended_at| Run { boot_id: "b".into(), started_at: at(1), ended_at };
    store.put_run("n", run(None), None).await.unwrap();
    assert_eq!(store.last_run("n").await.unwrap(), Some(run(None)));
    assert_eq!(store.generation().await.unwrap(), 0);
    store.put_run("n", run(Some(at(2))), Some(gap(2))).await.unwrap();
    assert_eq!(store.last_run("n").await.unwrap(), Some(run(Some(at(2)))));
    assert_eq!(store.history_after(0, 9).await.unwrap()[0].change.kind, AuditEventKind::AuditGap);
}
