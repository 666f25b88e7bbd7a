//! Starts again on what a child left, and looks for every fact that was acknowledged.

use std::{
    collections::{BTreeMap, HashMap},
    path::Path,
    sync::Arc,
};

use gov_core::{RecordId, SystemClock};
use gov_deferred_audit::{
    DeferredAuditQueue, FeedFollower, FollowerConfig, LogConfig, SignedLog, close_and_flush,
    entry::Entry,
    spawn_supervised_drainer,
    verify::{VerifyOptions, verify_database},
};

use crate::{
    support::assert_balanced,
    torture::child,
    toy_component::{NAME, Row, Toy, history_key},
};

/// Everything that is found after a restart without faults.
struct Found {
    /// In the order of the log.
    log: Vec<RecordId>,
    dead_letters: u64,
    history: Vec<Row>,
    items: Vec<(i64, String)>,
}

/// Panics with `why` in front if a fact is missing, there twice, foreign or out of order.
pub(super) async fn check(dir: &Path, said: &[String], why: &str) {
    let found = restart(dir, why).await;
    let mut places = HashMap::<RecordId, Vec<usize>>::new();
    for (place, id) in found.log.iter().enumerate() {
        places.entry(*id).or_default().push(place);
    }
    assert_eq!(found.dead_letters, 0, "{why}: nothing here deserves a dead letter");
    let positions: Vec<u64> = found.history.iter().map(|row| row.0).collect();
    let mut spooled = Vec::new();
    for fact in said.iter().filter(|fact| !fact.starts_with('E')) {
        let (kind, number) = fact.split_at(1);
        let number: u32 = number.parse().unwrap();
        let id = match kind {
            "d" => child::id('d', number),
            "s" => child::id('s', number),
            "t" | "l" => {
                let position = u64::from(number);
                assert!(positions.contains(&position), "{why}: {fact} is not in the history");
                RecordId::derived(NAME, &history_key(position))
            }
            _ => panic!("{why}: the child said `{fact}`"),
        };
        let found = places.get(&id).map_or(0, Vec::len);
        assert_eq!(found, 1, "{why}: {fact} was acknowledged and is in the log {found} times");
        if kind == "s" {
            spooled.push(places[&id][0]);
        }
    }
    assert!(spooled.is_sorted(), "{why}: the spooled records changed their order");
    check_component(&found, &places, why);
    let ours = |id: &&RecordId| {
        (0..child::OPERATIONS).any(|n| **id == child::id('d', n) || **id == child::id('s', n))
            || positions.iter().any(|it| **id == RecordId::derived(NAME, &history_key(*it)))
    };
    assert_eq!(found.log.iter().find(|id| !ours(id)), None, "{why}: a foreign record");
    assert!(places.values().all(|places| places.len() == 1), "{why}: a record is there twice");
}

/// The state is what the history says, and all of the history is in the log.
fn check_component(found: &Found, places: &HashMap<RecordId, Vec<usize>>, why: &str) {
    let mut states = BTreeMap::new();
    for (position, item, state) in &found.history {
        states.insert(*item, state.clone());
        let id = RecordId::derived(NAME, &history_key(*position));
        assert!(places.contains_key(&id), "{why}: history row {position} is not in the log");
    }
    let items: BTreeMap<_, _> = found.items.iter().cloned().collect();
    assert_eq!(items, states, "{why}: state and history differ");
}

async fn restart(dir: &Path, why: &str) -> Found {
    let clock = Arc::new(SystemClock);
    let log = SignedLog::open(LogConfig::in_dir(dir), clock.clone()).await;
    let log = log.unwrap_or_else(|error| panic!("{why}: the log does not open: {error}"));
    let opened = DeferredAuditQueue::open(child::config(dir), clock.clone());
    let (queue, receiver) =
        opened.unwrap_or_else(|error| panic!("{why}: the queue does not open: {error}"));
    let toy = Arc::new(Toy::open(dir).unwrap());
    let sinks = log.clone();
    let supervisor = spawn_supervised_drainer(receiver, move || sinks.sink(), &queue.metrics(), 0);
    let config = FollowerConfig::default();
    let follower = FeedFollower::new(toy.clone(), queue.clone(), clock, config);
    follower.run_once().await.unwrap();
    drop(follower);
    let flushed = close_and_flush(&queue, supervisor).await;
    assert_eq!((flushed.left_in_spool, flushed.lost), (0, 0), "{why}");
    assert_balanced(&queue);
    assert_eq!(queue.balance().possibly_missing(), 0, "{why}");
    assert_eq!(queue.metrics().quarantined(), 0, "{why}: a killed process damages no frame");
    let rows = log.records_after(0, u64::MAX >> 1).await.unwrap();
    let ids = rows.iter().map(|row| Entry::from_bytes(&row.entry).unwrap().id).collect();
    let dead_letters = log.dlq_size().await.unwrap();
    log.close().await;
    let report = verify_database(&dir.join("audit-log.db"), &VerifyOptions::default()).unwrap();
    assert!(report.is_ok(), "{why}: {:?}", report.first_bad());
    let (history, items) = (toy.history().await, toy.items().await);
    Arc::into_inner(toy).unwrap().close().await;
    Found { log: ids, dead_letters, history, items }
}
