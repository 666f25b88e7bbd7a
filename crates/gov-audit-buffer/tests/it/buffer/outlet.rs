//! How events leave.

use gov_audit_buffer::{Durability, EventBuffer, Overflow, buffer::Rewound};

use super::{Place, waiting};
use crate::events::event;

async fn filled(place: &Place, events: u64) -> EventBuffer {
    let buffer = place.open();
    for n in 1..=events {
        buffer.append(&event(n), Durability::Spooled).await.unwrap();
    }
    buffer
}

#[tokio::test]
async fn what_the_sink_has_no_longer_waits_and_stays_until_it_is_released() {
    let place = Place::new(100, Overflow::Reject);
    let buffer = filled(&place, 5).await;
    buffer.acknowledge(3).await.unwrap();
    let status = buffer.status().await.unwrap();
    assert_eq!((status.waiting, status.rows, status.acked), (2, 5, 3));
    assert!(!buffer.release(2).await.unwrap());
    let status = buffer.status().await.unwrap();
    assert_eq!((status.waiting, status.rows), (2, 3));
    // What the sink has not got is never released.
    buffer.release(5).await.unwrap();
    assert_eq!(waiting(&buffer).await, ["4: event 4", "5: event 5"]);
    buffer.close().await;
}

#[tokio::test]
async fn no_number_is_given_out_twice_however_empty_the_buffer_was() {
    let place = Place::new(100, Overflow::Reject);
    let buffer = filled(&place, 3).await;
    buffer.acknowledge(3).await.unwrap();
    buffer.release(3).await.unwrap();
    assert!(buffer.is_empty());
    buffer.close().await;
    let buffer = place.open();
    assert_eq!(buffer.enqueue(&event(4)).await.unwrap(), 4);
    // The sink may know numbers that the file lost with the power.
    buffer.acknowledge(9).await.unwrap();
    assert_eq!(buffer.enqueue(&event(5)).await.unwrap(), 10);
    assert_eq!(waiting(&buffer).await, ["10: event 5"]);
    let status = buffer.status().await.unwrap();
    assert_eq!((status.waiting, status.rows), (1, 3));
    buffer.close().await;
}

#[tokio::test]
async fn the_file_shrinks_when_everything_has_left() {
    let place = Place::new(100_000, Overflow::Reject);
    let buffer = place.open();
    let many: Vec<_> = (1..=12_000).map(|n| (n, event(n))).collect();
    buffer.append_from("test", many, Durability::Spooled).await.unwrap();
    let full = buffer.status().await.unwrap().file_bytes;
    buffer.acknowledge(12_000).await.unwrap();
    let mut steps = 0;
    while buffer.release(12_000).await.unwrap() {
        steps += 1;
        assert!(steps < 1000, "it never ends");
    }
    let empty = buffer.status().await.unwrap();
    assert_eq!((empty.waiting, empty.rows), (0, 1));
    assert!(full > 4 << 20 && empty.file_bytes < 2 << 20, "{full} {}", empty.file_bytes);
    buffer.close().await;
    assert!(std::fs::metadata(&place.path).unwrap().len() < 2 << 20);
}

#[tokio::test]
async fn what_is_held_goes_early_when_room_is_needed() {
    let place = Place::new(10, Overflow::Reject);
    let buffer = filled(&place, 9).await;
    buffer.acknowledge(9).await.unwrap();
    for n in 10..=18 {
        buffer.enqueue(&event(n)).await.unwrap();
    }
    let status = buffer.status().await.unwrap();
    assert_eq!(status.waiting, 9);
    assert!(status.rows <= 10 && status.counts.released_early >= 8, "{status:?}");
    buffer.close().await;
}

#[tokio::test]
async fn what_the_sink_lost_waits_again_and_a_gap_stands_for_what_is_gone() {
    let place = Place::new(100, Overflow::Reject);
    let buffer = filled(&place, 9).await;
    buffer.acknowledge(8).await.unwrap();
    buffer.release(4).await.unwrap();
    let rewound = buffer.rewind(5).await.unwrap();
    assert_eq!(rewound, Rewound { again: 3, lost: None });
    assert_eq!(buffer.len(), 4);
    buffer.acknowledge(8).await.unwrap();
    let rewound = buffer.rewind(2).await.unwrap();
    assert_eq!(rewound, Rewound { again: 4, lost: Some((3, 4)) });
    let all = waiting(&buffer).await;
    assert_eq!(all[..2], ["4: 2 any sink_lost 3-4", "5: event 5"]);
    assert_eq!((all.len(), buffer.len()), (6, 6));
    buffer.close().await;
}

#[tokio::test]
async fn a_rewind_beyond_one_step_brings_everything_back() {
    let place = Place::new(10_000, Overflow::Reject);
    let buffer = place.open();
    let many: Vec<_> = (1..=3000).map(|n| (n, event(n))).collect();
    buffer.append_from("test", many, Durability::Spooled).await.unwrap();
    buffer.acknowledge(3000).await.unwrap();
    assert!(buffer.is_empty());
    let rewound = buffer.rewind(0).await.unwrap();
    assert_eq!(rewound, Rewound { again: 3000, lost: None });
    assert_eq!((buffer.len(), buffer.peek(1).await.unwrap()[0].buffer_seq), (3000, 1));
    buffer.close().await;
}

#[tokio::test]
async fn a_new_id_is_for_what_waits_and_nothing_older_is_sent_under_it() {
    let place = Place::new(100, Overflow::Reject);
    let buffer = filled(&place, 5).await;
    let old = buffer.id();
    buffer.acknowledge(3).await.unwrap();
    let new = buffer.rename_unsent().await.unwrap();
    assert_ne!(new, old);
    let batch = buffer.next_batch().await.unwrap();
    assert!(batch.iter().all(|it| it.buffer_id == new) && batch.len() == 2);
    assert_eq!(buffer.rewind(0).await.unwrap(), Rewound::default());
    buffer.close().await;
    let buffer = place.open();
    assert_eq!((buffer.id(), buffer.len()), (new, 2));
    buffer.close().await;
}

#[tokio::test]
async fn an_event_that_went_past_the_buffer_leaves_its_number_unused() {
    let place = Place::new(100, Overflow::Reject);
    let buffer = place.open();
    assert_eq!([buffer.hand_out(), buffer.hand_out()], [1, 2]);
    assert_eq!(buffer.enqueue(&event(3)).await.unwrap(), 3);
    let late = buffer.hand_out();
    let event = buffer.encode(&event(late)).unwrap();
    assert_eq!(buffer.append_at(late, event, Durability::Durable).await.unwrap(), late);
    assert_eq!(waiting(&buffer).await, ["3: event 3", "4: event 4"]);
    let status = buffer.status().await.unwrap();
    assert_eq!((status.waiting, status.rows, status.last), (2, 2, 4));
    buffer.close().await;
    assert_eq!(place.open().len(), 2);
}

#[tokio::test]
async fn a_batch_is_no_larger_than_a_sink_takes() {
    let place = Place::new(1000, Overflow::Reject);
    let buffer = place.open();
    let many: Vec<_> = (1..=300).map(|n| (n, event(n))).collect();
    buffer.append_from("test", many, Durability::Spooled).await.unwrap();
    let batch = buffer.next_batch().await.unwrap();
    assert_eq!((batch.len(), batch[0].buffer_seq), (256, 1));
    buffer.acknowledge(256).await.unwrap();
    assert_eq!(buffer.next_batch().await.unwrap().len(), 44);
    buffer.close().await;
}
