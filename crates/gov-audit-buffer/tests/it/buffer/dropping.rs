//! Old events make room for new ones.

use gov_audit_buffer::{AppendError, Overflow};

use super::{Place, refusal, waiting};
use crate::events::event;

#[tokio::test]
async fn the_oldest_allowed_actions_go_and_one_gap_takes_their_place() {
    let place = Place::new(10, Overflow::DropOldest);
    let buffer = place.open();
    buffer.enqueue(&refusal(1)).await.unwrap();
    for n in 2..=9 {
        buffer.enqueue(&event(n)).await.unwrap();
    }
    buffer.enqueue(&event(10)).await.unwrap();
    let all = waiting(&buffer).await;
    assert_eq!(all[..3], ["1: event 1", "3: 2 normal dropped 2-3", "4: event 4"]);
    assert_eq!((all.len(), all.last().unwrap().as_str()), (9, "10: event 10"));
    let status = buffer.status().await.unwrap();
    assert_eq!((status.waiting, status.counts.dropped, status.counts.gaps), (9, 2, 1));
    assert_eq!((status.waiting, status.waiting_bytes), (status.rows, status.bytes));
    buffer.close().await;
}

#[tokio::test]
async fn a_later_drop_grows_the_gap_and_the_books_stay_right() {
    let place = Place::new(10, Overflow::DropOldest);
    let buffer = place.open();
    for n in 1..=50 {
        buffer.enqueue(&event(n)).await.unwrap();
    }
    let all = waiting(&buffer).await;
    assert_eq!(all[..2], ["42: 42 normal dropped 1-42", "43: event 43"]);
    assert_eq!(all.len(), 9);
    let bytes: usize = buffer.peek(20).await.unwrap().iter().map(|it| it.event.json.len()).sum();
    let status = buffer.status().await.unwrap();
    assert_eq!((status.waiting, status.waiting_bytes), (9, bytes as u64));
    assert_eq!(status.counts.gaps, 1);
    buffer.close().await;
    let status = place.open().status().await.unwrap();
    assert_eq!((status.waiting, status.waiting_bytes), (9, bytes as u64));
}

#[tokio::test]
async fn what_a_sink_may_have_seen_is_never_dropped() {
    let place = Place::new(10, Overflow::DropOldest);
    let buffer = place.open();
    for n in 1..=4 {
        buffer.enqueue(&event(n)).await.unwrap();
    }
    let handed = buffer.next_batch().await.unwrap();
    for n in 5..=30 {
        buffer.enqueue(&event(n)).await.unwrap();
    }
    assert_eq!(buffer.peek(4).await.unwrap(), handed);
    assert_eq!(waiting(&buffer).await[4], "26: 22 normal dropped 5-26");
    buffer.close().await;
}

#[tokio::test]
async fn what_was_handed_out_before_a_restart_is_not_dropped_after_it() {
    let place = Place::new(10, Overflow::DropOldest);
    let buffer = place.open();
    for n in 1..=9 {
        buffer.enqueue(&event(n)).await.unwrap();
    }
    buffer.next_batch().await.unwrap();
    buffer.close().await;
    let buffer = place.open();
    let error = buffer.enqueue(&event(10)).await.unwrap_err();
    assert!(matches!(error, AppendError::Full { .. }), "{error}");
    assert_eq!(waiting(&buffer).await.len(), 9);
    buffer.close().await;
}

#[tokio::test]
async fn what_matters_less_never_displaces_what_matters_more() {
    let place = Place::new(10, Overflow::DropOldest);
    let buffer = place.open();
    for n in 1..=10 {
        buffer.enqueue(&refusal(n)).await.unwrap();
    }
    let error = buffer.enqueue(&event(11)).await.unwrap_err();
    assert!(matches!(error, AppendError::Full { .. }), "{error}");
    assert_eq!(buffer.counts().dropped, 0);
    buffer.enqueue(&refusal(12)).await.unwrap();
    let all = waiting(&buffer).await;
    assert_eq!(all[..2], ["2: 2 high dropped 1-2", "3: event 3"]);
    assert_eq!(all[all.len() - 2..], ["11: 1 normal rejected", "12: event 12"]);
    buffer.close().await;
}

#[tokio::test]
async fn room_is_made_by_bytes_too() {
    let mut place = Place::new(1_000_000, Overflow::DropOldest);
    place.config.max_bytes = 20_000;
    let buffer = place.open();
    for n in 1..=200 {
        buffer.enqueue(&event(n)).await.unwrap();
    }
    let status = buffer.status().await.unwrap();
    assert!(status.waiting_bytes <= 18_000, "{status:?}");
    let all = waiting(&buffer).await;
    assert!(all[0].contains("normal dropped 1-"), "{all:?}");
    assert_eq!(all.last().unwrap(), "200: event 200");
    buffer.close().await;
}
