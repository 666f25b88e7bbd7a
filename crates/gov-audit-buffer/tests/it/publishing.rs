//! What becomes of an event that is handed in.

use std::time::Duration;

use gov_audit_buffer::{BufferConfig, Durability, Mode, Overflow, Published, Rejection};
use gov_core::{AuditEventKind, Payload};

use crate::{events::event, stage::Stage};

#[tokio::test]
async fn what_is_published_while_the_sink_is_down_reaches_it_first_in_first_out_when_it_is_back() {
    let it = Stage::new();
    it.sink.go_down();
    let ids = it.publish(0..3).await;
    assert_eq!((it.publisher.flush_pending().await, it.publisher.buffered_len()), (0, 3));
    it.sink.come_up();
    assert_eq!((it.publisher.flush_pending().await, it.publisher.buffered_len()), (3, 0));
    it.assert_kept(&ids);
}

#[tokio::test]
async fn the_answer_says_how_durable_an_event_is_and_where() {
    let it = Stage::new();
    assert_eq!(it.publisher.publish(event(0)).await, Published::Durable { seq: 1 });
    let spooled = it.publisher.publish_as(event(1), Durability::Spooled).await;
    assert_eq!(spooled, Published::Spooled { seq: 2 });
}

#[tokio::test]
async fn an_event_that_is_too_large_is_refused_with_both_sizes_and_not_kept() {
    let it = Stage::new();
    let mut large = event(0);
    large.payload = Payload::from_parts(vec![b' '; 65_537], [0; 16]);
    let rejection = it.refused(large).await;
    assert_eq!(rejection, Rejection::TooLarge { limit: 65_536, got: 65_537 });
    assert_eq!(it.publisher.buffered_len(), 0);
}

#[tokio::test]
async fn a_full_buffer_refuses_and_takes_again_once_the_sink_caught_up() {
    let config = BufferConfig { max_rows: 10, ..BufferConfig::default() };
    let it = Stage::with(Mode::WriteAhead, config);
    it.publish(0..9).await;
    assert_eq!(it.refused(event(9)).await, Rejection::Full);
    let mut refusal = event(10);
    refusal.kind = AuditEventKind::ActionRefused;
    assert!(it.publisher.publish(refusal).await.is_kept(), "the reserve is for these");
    it.publisher.flush_pending().await;
    it.publish(11..12).await;
}

#[tokio::test]
async fn a_closed_buffer_refuses() {
    let it = Stage::new();
    it.buffer.close().await;
    assert_eq!(it.refused(event(0)).await, Rejection::Closed);
}

#[tokio::test]
async fn directly_an_event_is_at_the_sink_before_the_answer_and_nothing_is_buffered() {
    let it = Stage::direct();
    let first = event(0);
    let ids = [first.id];
    assert_eq!(it.publisher.publish(first).await, Published::Shipped);
    it.assert_kept(&ids);
    assert_eq!(it.buffer.status().await.unwrap().rows, 0);
}

#[tokio::test]
async fn directly_nothing_overtakes_what_waits() {
    let it = Stage::direct();
    let mut ids = it.publish(0..2).await;
    it.sink.go_down();
    ids.extend(it.publish(2..4).await);
    it.sink.come_up();
    ids.extend(it.publish(4..6).await);
    assert_eq!((it.publisher.buffered_len(), it.sink.kept().len()), (4, 2));
    assert_eq!(it.publisher.flush_pending().await, 4);
    let last = event(6);
    ids.push(last.id);
    assert_eq!(it.publisher.publish(last).await, Published::Shipped);
    it.assert_kept(&ids);
    assert_eq!(it.sink.seen().repeats, 0);
}

#[tokio::test]
async fn directly_an_event_whose_answer_was_lost_is_at_the_sink_once() {
    let it = Stage::direct();
    let mut ids = it.publish(0..2).await;
    it.sink.lose_acks(1);
    ids.extend(it.publish(2..4).await);
    assert_eq!(it.publisher.buffered_len(), 2);
    assert_eq!(it.publisher.flush_pending().await, 2);
    it.assert_kept(&ids);
    assert_eq!(it.sink.seen().repeats, 0);
}

/// The sink knows the event by its number; under another one it would come twice.
#[tokio::test]
async fn directly_an_event_whose_answer_was_lost_keeps_its_number_though_a_gap_is_written_first() {
    let it = Stage::with(Mode::Direct, BufferConfig { max_rows: 20, ..BufferConfig::default() });
    it.sink.go_down();
    let mut ids = it.publish(0..18).await;
    assert_eq!(it.refused(event(18)).await, Rejection::Full);
    it.sink.come_up();
    assert_eq!(it.publisher.flush_pending().await, 18);
    it.sink.lose_acks(1);
    ids.extend(it.publish(19..20).await);
    // The gap for what was refused waits behind it.
    assert_eq!(it.publisher.buffered_len(), 2);
    assert_eq!(it.publisher.flush_pending().await, 2);
    let kept = it.sink.kept();
    let (gaps, events): (Vec<_>, Vec<_>) =
        kept.iter().partition(|it| it.event.kind == AuditEventKind::AuditGap);
    assert_eq!(events.iter().map(|it| it.event.id).collect::<Vec<_>>(), ids);
    assert_eq!((gaps.len(), it.sink.seen().repeats), (1, 0));
}

/// The number that the sink names stands for an event that was dropped here, and the sink has seen
/// none of those before it.
#[tokio::test]
async fn directly_what_waits_is_not_taken_for_what_a_killed_process_had_sent() {
    let config =
        BufferConfig { max_rows: 20, overflow: Overflow::DropOldest, ..BufferConfig::default() };
    let mut it = Stage::with(Mode::Direct, config);
    it.publish(0..20).await;
    it.sink.go_down();
    it.crash().await;
    let mut important = event(20);
    important.kind = AuditEventKind::ActionRefused;
    let id = important.id;
    assert!(it.publisher.publish(important).await.is_kept());
    it.publish(21..65).await;
    it.sink.come_up();
    for _ in 0..3 {
        it.publisher.flush_pending().await;
    }
    assert_eq!(it.publisher.buffered_len(), 0);
    assert!(it.sink.kept_ids().contains(&id), "lost, and no gap says so");
}

#[tokio::test]
async fn directly_a_sink_that_hangs_costs_its_time_once() {
    let it = Stage::direct();
    let mut ids = it.publish(0..1).await;
    it.sink.hang();
    let slow = event(1);
    ids.push(slow.id);
    let (published, ()) = tokio::join!(biased; it.publisher.publish(slow), async {
        it.clock.advance(Duration::from_millis(250));
    });
    assert!(matches!(published, Published::Durable { .. }), "{published:?}");
    // Nobody moves the clock: it does not wait for the sink.
    ids.extend(it.publish(2..3).await);
    it.sink.move_on();
    assert_eq!(it.publisher.flush_pending().await, 2);
    it.assert_kept(&ids);
}

#[tokio::test]
async fn directly_events_of_many_callers_arrive_once_each_through_an_outage() {
    let it = Stage::direct();
    let callers = (0..64).map(|number| {
        let publisher = it.publisher.clone();
        tokio::spawn(async move {
            let event = event(number);
            let id = event.id;
            assert!(publisher.publish(event).await.is_kept());
            id
        })
    });
    let callers: Vec<_> = callers.collect();
    it.sink.lose_acks(1);
    let mut ids = Vec::new();
    for caller in callers {
        ids.push(caller.await.unwrap());
    }
    it.publisher.flush_pending().await;
    let mut kept = it.sink.kept_ids();
    kept.sort();
    ids.sort();
    assert_eq!(kept, ids);
    assert_eq!(it.sink.seen().offences, Vec::<String>::new());
}

#[tokio::test]
async fn directly_what_the_sink_lost_is_a_gap() {
    let it = Stage::direct();
    it.publish(0..2).await;
    it.sink.sync();
    it.publish(2..5).await;
    it.sink.lose_power();
    it.sink.go_down();
    it.publish(5..6).await;
    it.sink.come_up();
    it.publisher.flush_pending().await;
    let kinds: Vec<_> = it.sink.kept().into_iter().map(|it| it.event.kind).collect();
    assert_eq!(kinds.len(), 4);
    assert_eq!(kinds[2], AuditEventKind::AuditGap);
}

#[tokio::test]
async fn directly_the_numbers_of_a_process_that_ended_are_not_taken_for_those_of_the_next() {
    let mut it = Stage::direct();
    let mut ids = it.publish(0..3).await;
    it.reopen().await;
    ids.extend(it.publish(3..5).await);
    it.assert_kept(&ids);
    it.reopen().await;
    it.sink.go_down();
    ids.extend(it.publish(5..7).await);
    it.sink.come_up();
    assert_eq!(it.publisher.flush_pending().await, 2);
    it.assert_kept(&ids);
}
