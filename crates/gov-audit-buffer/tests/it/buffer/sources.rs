//! Events of a source that has an order of its own.

use gov_audit_buffer::{AppendError, Durability, Overflow, buffer::Appended};

use super::{Place, refusal, waiting};
use crate::events::event;

#[tokio::test]
async fn what_a_source_brings_again_is_known_after_a_restart_too() {
    let place = Place::new(100, Overflow::Reject);
    let buffer = place.open();
    let brought = |range: std::ops::Range<u64>| range.map(|n| (n, refusal(n))).collect::<Vec<_>>();
    assert_eq!(buffer.cursor("log").await.unwrap(), 0);
    let done = buffer.append_from("log", brought(3..6), Durability::Durable).await.unwrap();
    assert_eq!(done, Appended { new: 3, known: 0 });
    buffer.close().await;

    let buffer = place.open();
    assert_eq!(buffer.cursor("log").await.unwrap(), 5);
    let done = buffer.append_from("log", brought(4..8), Durability::Durable).await.unwrap();
    assert_eq!(done, Appended { new: 2, known: 2 });
    let done = buffer.append_from("log", brought(1..8), Durability::Spooled).await.unwrap();
    assert_eq!(done, Appended { new: 0, known: 7 });
    let other = buffer.append_from("other", brought(1..2), Durability::Durable).await.unwrap();
    assert_eq!((other.new, buffer.len()), (1, 6));
    buffer.close().await;
}

#[tokio::test]
async fn numbers_that_do_not_rise_are_refused_and_nothing_is_kept() {
    let place = Place::new(100, Overflow::Reject);
    let buffer = place.open();
    for (seqs, after) in [([2, 2], 2), ([3, 1], 3), ([0, 1], 0)] {
        let events = seqs.map(|seq| (seq, event(seq))).to_vec();
        let error = buffer.append_from("log", events, Durability::Durable).await.unwrap_err();
        let told = matches!(error, AppendError::OutOfOrder { after: got, .. } if got == after);
        assert!(told, "{error}");
    }
    assert!(buffer.is_empty());
    buffer.close().await;
}

#[tokio::test]
async fn a_source_that_finds_no_room_keeps_its_place_and_is_in_no_gap() {
    let place = Place::new(3, Overflow::Reject);
    let buffer = place.open();
    let brought = || (1..=4).map(|n| (n, refusal(n))).collect::<Vec<_>>();
    let error = buffer.append_from("log", brought(), Durability::Durable).await.unwrap_err();
    assert!(matches!(error, AppendError::Full { .. }), "{error}");
    assert_eq!(buffer.cursor("log").await.unwrap(), 0);
    buffer.append_from("log", brought()[..3].to_vec(), Durability::Durable).await.unwrap();
    buffer.acknowledge(3).await.unwrap();
    let done = buffer.append_from("log", brought(), Durability::Durable).await.unwrap();
    assert_eq!(done, Appended { new: 1, known: 3 });
    assert_eq!(waiting(&buffer).await, ["4: event 4"]);
    buffer.close().await;
}

#[tokio::test]
async fn a_source_makes_room_where_old_events_may_go() {
    let place = Place::new(10, Overflow::DropOldest);
    let buffer = place.open();
    for n in 1..=9 {
        buffer.enqueue(&event(n)).await.unwrap();
    }
    let brought = (1..=4).map(|n| (n, refusal(n))).collect();
    buffer.append_from("log", brought, Durability::Durable).await.unwrap();
    let all = waiting(&buffer).await;
    assert_eq!(all[0], "4: 4 normal dropped 1-4");
    assert_eq!(all.len(), 10);
    buffer.close().await;
}
