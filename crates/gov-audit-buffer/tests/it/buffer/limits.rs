//! What happens when no more may wait.

use std::time::Duration;

use gov_audit_buffer::{AppendError, Durability, Overflow, buffer::Space};
use gov_core::{AuditEvent, Payload};

use super::{Place, in_time, refusal, waiting};
use crate::events::event;

#[tokio::test]
async fn a_full_buffer_refuses_and_keeps_its_reserve_for_what_matters_more() {
    let place = Place::new(10, Overflow::Reject);
    let buffer = place.open();
    for n in 1..=9 {
        buffer.enqueue(&event(n)).await.unwrap();
    }
    let error = buffer.enqueue(&event(10)).await.unwrap_err();
    assert!(matches!(error, AppendError::Full { missing: Space::Rows }), "{error}");
    assert_eq!(error.to_string(), "the audit buffer is full: as many events wait as may");
    buffer.enqueue(&refusal(11)).await.unwrap();
    buffer.enqueue(&refusal(12)).await.unwrap_err();
    buffer.close().await;
}

#[tokio::test]
async fn what_was_refused_is_a_gap_before_the_next_event_that_fits() {
    let place = Place::new(10, Overflow::Reject);
    let buffer = place.open();
    for n in 1..=9 {
        buffer.enqueue(&event(n)).await.unwrap();
    }
    for n in 20..23 {
        buffer.enqueue(&event(n)).await.unwrap_err();
    }
    buffer.enqueue(&refusal(11)).await.unwrap();
    let all = waiting(&buffer).await;
    assert_eq!(all[9..], ["10: 3 normal rejected", "11: event 11"]);
    assert_eq!(buffer.counts().rejected, 3);
    assert_eq!(buffer.counts().gaps, 1);
    buffer.close().await;
}

#[tokio::test]
async fn gaps_of_one_kind_at_the_end_grow_and_a_sink_that_may_have_one_never_sees_it_change() {
    let place = Place::new(1, Overflow::Reject);
    let buffer = place.open();
    buffer.enqueue(&event(1)).await.unwrap();
    for n in 2..5 {
        buffer.enqueue(&event(n)).await.unwrap_err();
        buffer.enqueue(&refusal(n)).await.unwrap_err();
        buffer.write_gaps().await.unwrap();
    }
    let gaps = ["2: 3 normal rejected", "3: 3 high rejected"];
    assert_eq!(waiting(&buffer).await[1..], gaps);

    let handed = buffer.next_batch().await.unwrap();
    buffer.enqueue(&event(5)).await.unwrap_err();
    buffer.write_gaps().await.unwrap();
    assert_eq!(buffer.peek(3).await.unwrap(), handed);
    assert_eq!(waiting(&buffer).await[3..], ["4: 1 normal rejected"]);
    buffer.close().await;
}

#[tokio::test]
async fn what_was_refused_last_is_written_down_when_the_buffer_closes() {
    let place = Place::new(1, Overflow::Reject);
    let buffer = place.open();
    buffer.enqueue(&event(1)).await.unwrap();
    buffer.enqueue(&event(2)).await.unwrap_err();
    buffer.close().await;
    let buffer = place.open();
    assert_eq!(waiting(&buffer).await, ["1: event 1", "2: 1 normal rejected"]);
    buffer.close().await;
}

#[tokio::test]
async fn bytes_are_limited_too() {
    let mut place = Place::new(1000, Overflow::Reject);
    place.config.max_bytes = 2000;
    let buffer = place.open();
    let mut kept = 0;
    let error = loop {
        match buffer.enqueue(&event(kept)).await {
            Ok(_) => kept += 1,
            Err(error) => break error,
        }
        assert!(kept < 100, "no limit");
    };
    assert!(matches!(error, AppendError::Full { missing: Space::Bytes }), "{error}");
    let status = buffer.status().await.unwrap();
    assert!(status.waiting_bytes <= 1800 && kept > 1, "{status:?}");
    buffer.close().await;
}

#[tokio::test]
async fn who_may_wait_for_room_goes_on_when_it_comes() {
    let place = Place::new(2, Overflow::Block { timeout: Duration::from_secs(5) });
    let buffer = place.open();
    buffer.enqueue(&event(1)).await.unwrap();
    buffer.enqueue(&event(2)).await.unwrap();
    let blocked = tokio::spawn({
        let buffer = buffer.clone();
        async move { buffer.enqueue(&event(3)).await }
    });
    tokio::task::yield_now().await;
    assert!(!blocked.is_finished());
    buffer.acknowledge(1).await.unwrap();
    assert_eq!(in_time(blocked).await.unwrap().unwrap(), 3);
    assert_eq!(waiting(&buffer).await, ["2: event 2", "3: event 3"]);
    buffer.close().await;
}

#[tokio::test]
async fn who_waits_for_room_in_vain_is_told_after_the_timeout_and_counted() {
    let place = Place::new(1, Overflow::Block { timeout: Duration::from_secs(5) });
    let buffer = place.open();
    buffer.enqueue(&event(1)).await.unwrap();
    let second = event(2);
    let mut blocked = std::pin::pin!(buffer.enqueue(&second));
    // Polled once, it waits.
    tokio::select! {
        biased;
        early = &mut blocked => unreachable!("{early:?}"),
        () = std::future::ready(()) => {}
    }
    place.clock.advance(Duration::from_secs(5));
    let error = in_time(blocked).await.unwrap_err();
    assert!(matches!(error, AppendError::Full { .. }), "{error}");
    buffer.write_gaps().await.unwrap();
    assert_eq!(waiting(&buffer).await, ["1: event 1", "2: 1 normal rejected"]);
    buffer.close().await;
}

#[tokio::test]
async fn an_event_that_is_too_large_for_any_sink_is_refused_with_both_sizes() {
    let place = Place::new(10, Overflow::Reject);
    let buffer = place.open();
    let payload = Payload::from_parts(vec![b'1'; 65_537], [0; 16]);
    let error = buffer.enqueue(&AuditEvent { payload, ..event(1) }).await.unwrap_err();
    assert!(matches!(error, AppendError::TooLarge { limit: 65_536, got: 65_537 }), "{error}");
    let subjects = [("request".to_owned(), "x".repeat(1 << 20))].into();
    let error = buffer.enqueue(&AuditEvent { subjects, ..event(1) }).await.unwrap_err();
    let fits = matches!(error, AppendError::TooLarge { limit: 1_040_384, got } if got > 1 << 20);
    assert!(fits, "{error}");
    assert!(buffer.is_empty());
    buffer.close().await;
}

#[tokio::test]
async fn many_callers_get_numbers_of_their_own_and_all_is_there_afterwards() {
    let place = Place::new(10_000, Overflow::Reject);
    let buffer = place.open();
    let mut callers = tokio::task::JoinSet::new();
    for n in 0..600 {
        let buffer = buffer.clone();
        let durability = if n % 2 == 0 { Durability::Spooled } else { Durability::Durable };
        callers.spawn(async move { buffer.append(&event(n), durability).await.unwrap() });
    }
    let mut places = callers.join_all().await;
    places.sort_unstable();
    assert_eq!(places, (1..=600).collect::<Vec<_>>());
    assert_eq!(buffer.len(), 600);
    buffer.close().await;
    assert_eq!(place.open().len(), 600);
}

#[tokio::test]
async fn a_closed_buffer_takes_nothing_and_says_so() {
    let place = Place::new(10, Overflow::Reject);
    let buffer = place.open();
    buffer.close().await;
    let error = buffer.enqueue(&event(1)).await.unwrap_err();
    assert!(matches!(error, AppendError::Closed), "{error}");
}
