//! What the sink refused for good.

use gov_audit_buffer::{
    EventBuffer, Overflow,
    buffer::{BufferError, Letters},
};
use gov_core::{AuditEvent, EventId};

use super::{Place, refusal, waiting};
use crate::events::event;

async fn with_dead_letter(place: &Place) -> (EventBuffer, AuditEvent) {
    let buffer = place.open();
    let bad = refusal(1);
    buffer.enqueue(&bad).await.unwrap();
    buffer.enqueue(&event(2)).await.unwrap();
    buffer.dead_letter(1, "no such field", 8).await.unwrap();
    (buffer, bad)
}

#[tokio::test]
async fn a_dead_letter_is_set_aside_and_told_of_behind_all_that_waits() {
    let place = Place::new(100, Overflow::Reject);
    let (buffer, bad) = with_dead_letter(&place).await;
    assert_eq!(waiting(&buffer).await, ["2: event 2", "3: audit.dead_lettered"]);
    let told = buffer.peek(2).await.unwrap()[1].event.decode().unwrap();
    assert_eq!(told.subjects["event_id"], bad.id.to_string());
    buffer.close().await;

    let buffer = place.open();
    let letters = buffer.dead_letters(0, 10).await.unwrap();
    let letter = &letters[0];
    assert_eq!((letters.len(), letter.seq, letter.tries), (1, 1, 8));
    assert_eq!((letter.reason.as_str(), letter.event.decode().unwrap()), ("no such field", bad));
    let status = buffer.status().await.unwrap();
    assert_eq!((status.dead_letters, status.waiting, status.rows, status.acked), (1, 2, 2, 1));
    assert!(buffer.dead_letters(letter.number, 10).await.unwrap().is_empty());
    buffer.close().await;
}

#[tokio::test]
async fn only_the_next_one_that_waits_can_be_set_aside() {
    let place = Place::new(100, Overflow::Reject);
    let (buffer, _) = with_dead_letter(&place).await;
    for seq in [1, 3, 9] {
        let error = buffer.dead_letter(seq, "no", 8).await.unwrap_err();
        assert!(matches!(error, BufferError::NotNext { seq: got } if got == seq), "{error}");
    }
    buffer.close().await;
}

#[tokio::test]
async fn a_dead_letter_about_a_dead_letter_is_not_told_of_again() {
    let place = Place::new(100, Overflow::Reject);
    let (buffer, _) = with_dead_letter(&place).await;
    buffer.acknowledge(2).await.unwrap();
    buffer.dead_letter(3, "nor this", 8).await.unwrap();
    assert!(buffer.is_empty());
    assert_eq!(buffer.status().await.unwrap().dead_letters, 2);
    assert_eq!(buffer.enqueue(&event(4)).await.unwrap(), 4);
    buffer.close().await;
}

#[tokio::test]
async fn a_replayed_letter_waits_behind_the_others_under_its_own_id_once() {
    let place = Place::new(100, Overflow::Reject);
    let (buffer, bad) = with_dead_letter(&place).await;
    let unknown = EventId::at(bad.at);
    let wanted = Letters::Of(vec![unknown, bad.id]);
    assert_eq!(buffer.replay_dead_letters(wanted.clone()).await.unwrap(), 1);
    assert_eq!(buffer.replay_dead_letters(wanted).await.unwrap(), 0);
    let last = buffer.peek(9).await.unwrap().pop().unwrap();
    assert_eq!((last.buffer_seq, last.event.decode().unwrap()), (4, bad));
    assert_eq!(buffer.status().await.unwrap().dead_letters, 0);
    buffer.close().await;
}

#[tokio::test]
async fn a_discarded_letter_leaves_a_record() {
    let place = Place::new(100, Overflow::Reject);
    let (buffer, bad) = with_dead_letter(&place).await;
    assert_eq!(buffer.discard_dead_letters(Letters::All).await.unwrap(), 1);
    assert_eq!(buffer.discard_dead_letters(Letters::All).await.unwrap(), 0);
    let told = buffer.peek(9).await.unwrap().pop().unwrap();
    assert_eq!(told.event.kind.as_str(), "audit.dead_letter_discarded");
    let body = String::from_utf8(told.event.json).unwrap();
    assert!(body.contains(&bad.id.to_string()), "{body}");
    assert_eq!(buffer.status().await.unwrap().dead_letters, 0);
    buffer.close().await;
}
