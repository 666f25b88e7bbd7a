//! Which servers there are.

use super::*;
use crate::store::Presence;

pub(in crate::store) async fn a_server_is_present_once_until_it_leaves(store: Store) {
    let presence = |node: &str, generation| Presence {
        node: node.to_owned(),
        generation,
        seen_at: at(i64::try_from(generation).unwrap()),
    };
    assert_eq!(store.presences().await.unwrap(), []);
    for it in [presence("b", 7), presence("B", 3), presence("a", 9), presence("b", 8)] {
        store.put_presence(it).await.unwrap();
    }
    let all = [presence("B", 3), presence("a", 9), presence("b", 8)];
    assert_eq!(store.presences().await.unwrap(), all);
    assert_eq!(store.generation().await.unwrap(), 0, "it is no change");
    for _ in 0..2 {
        store.leave("a").await.unwrap();
    }
    assert_eq!(store.presences().await.unwrap(), [presence("B", 3), presence("b", 8)]);
    let day = 24 * 3600 * 1_000_000;
    store.put_presence(presence("c", day + 3)).await.unwrap();
    assert_eq!(store.presences().await.unwrap(), [presence("b", 8), presence("c", day + 3)]);
}
