//! Opens what a child left, and looks for every event that was acknowledged.

use std::{
    collections::{HashMap, HashSet},
    path::Path,
};

use gov_core::{AuditEventKind, EventId};

use super::child::{EVENTS, FileSink, nth, open};

/// Panics with `why` in front if an event is missing, there twice, foreign or out of order.
pub(super) async fn check(dir: &Path, said: &[String], why: &str) {
    let buffer = open(dir).unwrap_or_else(|error| panic!("{why}: it does not open: {error}"));
    let sink = FileSink::open(dir);
    buffer.write_gaps().await.unwrap();
    let waiting = buffer.peek(1000).await.unwrap();
    let gaps: HashSet<EventId> = waiting
        .iter()
        .filter(|it| it.event.kind == AuditEventKind::AuditGap)
        .map(|it| it.event.id)
        .collect();
    buffer.drain_and_send(&sink).await;
    assert!(buffer.is_empty(), "{why}: something waits still");
    buffer.close().await;

    let mut places = HashMap::new();
    let mut order = Vec::new();
    for (buffer_id, seq, id) in sink.lines() {
        let place = (buffer_id, seq);
        match places.insert(id, place) {
            None => order.push(id),
            // The sink may get it again, if its number says that it is the same.
            Some(before) => assert_eq!(before, place, "{why}: {id} has two numbers"),
        }
    }
    let numbers: HashMap<EventId, u64> = (0..EVENTS).map(|n| (nth(n).id, n)).collect();
    // Gaps that a child wrote and sent are neither waiting nor of its events.
    let ours: Vec<u64> = order.iter().filter_map(|id| numbers.get(id).copied()).collect();
    assert!(ours.is_sorted(), "{why}: they changed their order: {ours:?}");
    for said in said.iter().filter(|it| !it.starts_with('E')) {
        let n: u64 = said.parse().unwrap();
        assert!(ours.binary_search(&n).is_ok(), "{why}: {n} was acknowledged and is lost");
    }
    let whole = said.iter().all(|it| !it.starts_with("E "));
    let foreign = order.iter().find(|id| !numbers.contains_key(id) && !gaps.contains(id));
    assert!(!whole || foreign.is_none(), "{why}: {foreign:?} is foreign");
}
