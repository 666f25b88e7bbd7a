//! How what waits reaches its sink: in order, and once.

use std::time::Duration;

use gov_audit_buffer::{AuditSink as _, buffer::MAX_REFUSALS, sink::memory::Recall};
use gov_core::AuditEventKind;

use crate::stage::{BOUND, Stage, until};

#[tokio::test]
async fn a_drain_stops_at_the_first_failure_that_passes_and_keeps_the_rest() {
    let it = Stage::new();
    let ids = it.publish(0..5).await;
    it.sink.take_at_most(Some(2));
    assert_eq!(it.buffer.drain_and_send(&it.sink).await, 2);
    assert_eq!(it.buffer.len(), 3);
    it.sink.take_at_most(None);
    assert_eq!(it.publisher.flush_pending().await, 3);
    it.assert_kept(&ids);
    assert_eq!(it.sink.seen().repeats, 0);
}

#[tokio::test]
async fn batches_are_of_256_events_at_most() {
    let it = Stage::new();
    let ids = it.publish(0..600).await;
    assert_eq!(it.publisher.flush_pending().await, 600);
    it.assert_kept(&ids);
    assert_eq!((it.sink.seen().largest, it.sink.seen().batches), (256, 3));
}

#[tokio::test]
async fn two_drains_at_once_send_nothing_twice() {
    let it = Stage::new();
    let ids = it.publish(0..300).await;
    it.sink.hang();
    let both = async {
        tokio::join!(it.publisher.flush_pending(), it.buffer.drain_and_send(&it.sink), async {
            until(|| it.sink.seen().asked > 0).await;
        })
    };
    it.sink.move_on();
    let (one, other, ()) = both.await;
    assert_eq!(one + other, 300);
    it.assert_kept(&ids);
    assert_eq!(it.sink.seen().repeats, 0);
}

#[tokio::test]
async fn what_the_sink_has_although_its_answer_was_lost_is_not_sent_again() {
    let it = Stage::new();
    let ids = it.publish(0..5).await;
    it.sink.lose_acks(1);
    assert_eq!(it.publisher.flush_pending().await, 0);
    assert_eq!(it.buffer.len(), 5);
    assert_eq!(it.publisher.flush_pending().await, 5);
    it.assert_kept(&ids);
    assert_eq!((it.sink.seen().repeats, it.sink.seen().batches), (0, 1));
}

#[tokio::test]
async fn what_a_killed_process_had_sent_is_not_sent_again() {
    let mut it = Stage::new();
    let ids = it.publish(0..5).await;
    it.sink.lose_acks(1);
    it.publisher.flush_pending().await;
    it.reopen().await;
    assert_eq!(it.publisher.flush_pending().await, 5);
    it.assert_kept(&ids);
    assert_eq!(it.sink.seen().repeats, 0);
}

#[tokio::test]
async fn a_sink_that_cannot_be_asked_gets_again_what_it_did_not_answer_for() {
    let it = Stage::new();
    it.sink.recall(Recall::Nothing);
    let ids = it.publish(0..2).await;
    it.sink.lose_acks(1);
    it.publisher.flush_pending().await;
    assert_eq!(it.publisher.flush_pending().await, 2);
    it.assert_kept(&[&ids[..], &ids[..]].concat());
}

#[tokio::test]
async fn a_sink_that_takes_too_long_is_asked_what_it_has() {
    let it = Stage::new();
    let ids = it.publish(0..2).await;
    assert_eq!(it.publisher.flush_pending().await, 2);
    let more = it.publish(2..3).await;
    it.sink.hang();
    let mut flush = Box::pin(it.publisher.flush_pending());
    tokio::select! {
        biased;
        sent = &mut flush => panic!("it sent {sent} through a sink that hangs"),
        () = tokio::task::yield_now() => {}
    }
    let late = async {
        loop {
            it.clock.advance(Duration::from_secs(30));
            tokio::task::yield_now().await;
        }
    };
    let sent = tokio::select! { sent = flush => sent, () = late => 0 };
    assert_eq!((sent, it.buffer.len()), (0, 1));
    it.sink.move_on();
    assert_eq!(it.publisher.flush_pending().await, 1);
    it.assert_kept(&[ids, more].concat());
}

#[tokio::test]
async fn what_the_sink_lost_within_its_horizon_is_sent_again() {
    let it = Stage::new();
    it.sink.set_horizon(Duration::from_mins(5));
    let ids = it.publish(0..3).await;
    it.publisher.flush_pending().await;
    it.sink.sync();
    let more = it.publish(3..6).await;
    it.publisher.flush_pending().await;
    it.sink.lose_power();
    let last = it.publish(6..7).await;
    // Its connection is gone too.
    it.sink.go_down();
    it.publisher.flush_pending().await;
    it.sink.come_up();
    assert_eq!(it.publisher.flush_pending().await, 4);
    it.assert_kept(&[ids, more, last].concat());
}

#[tokio::test]
async fn a_loss_is_noticed_although_nothing_more_is_to_be_sent() {
    let it = Stage::new();
    it.sink.set_horizon(Duration::from_mins(5));
    let ids = it.publish(0..3).await;
    it.publisher.flush_pending().await;
    it.sink.lose_power();
    assert_eq!(it.publisher.flush_pending().await, 3);
    it.assert_kept(&ids);
    it.clock.advance(Duration::from_mins(5));
    it.publisher.flush_pending().await;
    let asked = it.sink.seen().asked;
    it.publisher.flush_pending().await;
    assert_eq!(it.sink.seen().asked, asked, "it asks although the sink can lose nothing any more");
}

#[tokio::test]
async fn what_the_sink_took_is_held_for_its_horizon_and_then_deleted() {
    let mut it = Stage::new();
    it.sink.set_horizon(Duration::from_mins(5));
    it.publish(0..3).await;
    it.publisher.flush_pending().await;
    assert_eq!(it.buffer.status().await.unwrap().rows, 3);
    it.clock.advance(Duration::from_secs(299));
    it.publisher.flush_pending().await;
    assert_eq!(it.buffer.status().await.unwrap().rows, 3);
    it.reopen().await;
    it.clock.advance(Duration::from_secs(1));
    it.publisher.flush_pending().await;
    // A new process does not know when the sink took it.
    assert_eq!(it.buffer.status().await.unwrap().rows, 3);
    it.clock.advance(Duration::from_mins(5));
    it.publisher.flush_pending().await;
    // The newest stays, for its number.
    assert_eq!(it.buffer.status().await.unwrap().rows, 1);
}

#[tokio::test]
async fn what_the_sink_lost_and_nobody_holds_is_a_gap_in_its_place() {
    let it = Stage::new();
    assert!(it.sink.resend_horizon().is_zero());
    let mut ids = it.publish(0..2).await;
    it.publisher.flush_pending().await;
    it.sink.sync();
    it.publish(2..5).await;
    it.publisher.flush_pending().await;
    it.sink.lose_power();
    ids.extend(it.publish(5..6).await);
    it.buffer.drain_and_send(&it.sink).await;
    let kept = it.sink.kept();
    // The newest of what was sent was still held, as always.
    assert_eq!(kept.len(), 5);
    let gap = kept[2].event.decode().unwrap();
    assert_eq!((gap.kind, kept[2].buffer_seq), (AuditEventKind::AuditGap, 4));
    let body: serde_json::Value = serde_json::from_slice(gap.payload.as_bytes()).unwrap();
    assert_eq!((&body["reason"], &body["count"]), (&"sink_lost".into(), &2.into()));
    assert_eq!((kept[1].event.id, kept[4].event.id), (ids[1], ids[2]));
    assert_eq!(it.sink.seen().offences, Vec::<String>::new());
}

#[tokio::test]
async fn a_file_that_the_sink_knows_otherwise_gets_a_new_id_for_all_that_waits() {
    let mut it = Stage::new();
    it.publish(0..2).await;
    it.publisher.flush_pending().await;
    it.buffer.close().await;
    let path = it.dir().join("audit-buffer.db");
    let copy = it.dir().join("copy");
    std::fs::copy(&path, &copy).unwrap();
    it.reopen().await;
    it.publish(2..4).await;
    it.publisher.flush_pending().await;
    it.buffer.close().await;
    std::fs::copy(&copy, &path).unwrap();
    it.reopen().await;
    let before = it.buffer.id();
    // One fewer than the sink knows: its number names another event there.
    let mine = it.publish(4..5).await;
    assert_eq!(it.publisher.flush_pending().await, 1);
    assert_ne!(it.buffer.id(), before);
    let kept = it.sink.kept();
    assert_eq!((kept.len(), kept[4].event.id), (5, mine[0]));
    assert_eq!((kept[4].buffer_id, kept[3].buffer_id), (it.buffer.id(), before));
    it.publish(5..6).await;
    it.reopen().await;
    assert_eq!(it.publisher.flush_pending().await, 1);
    assert_eq!((it.sink.kept().len(), it.sink.seen().repeats), (6, 0));
}

#[tokio::test]
async fn an_event_that_is_refused_eight_times_is_set_aside_and_an_event_says_so() {
    let it = Stage::new();
    let ids = it.publish(0..3).await;
    it.sink.refuse(ids[1]);
    assert_eq!(it.publisher.flush_pending().await, 1);
    for _ in 2..MAX_REFUSALS {
        assert_eq!(it.publisher.flush_pending().await, 0);
    }
    assert_eq!(it.buffer.dead_letters(0, 10).await.unwrap(), []);
    assert_eq!(it.publisher.flush_pending().await, 2);
    let letters = it.buffer.dead_letters(0, 10).await.unwrap();
    assert_eq!(letters.len(), 1);
    assert_eq!((letters[0].event.id, letters[0].tries), (ids[1], MAX_REFUSALS));
    let kept = it.sink.kept();
    assert_eq!((kept[0].event.id, kept[1].event.id), (ids[0], ids[2]));
    assert_eq!(kept[2].event.kind, AuditEventKind::AuditDeadLettered);
}

#[tokio::test]
async fn a_dead_letter_is_no_event_that_the_sink_lost() {
    let mut it = Stage::new();
    let ids = it.publish(0..2).await;
    it.sink.refuse(ids[1]);
    for _ in 1..MAX_REFUSALS {
        it.publisher.flush_pending().await;
    }
    // It answers for the refusal and for nothing after it.
    it.sink.take_at_most(Some(1));
    it.sink.refuse_all_of_kind(AuditEventKind::AuditDeadLettered);
    it.publisher.flush_pending().await;
    assert_eq!(it.buffer.dead_letters(0, 10).await.unwrap().len(), 1);
    it.sink.take_at_most(None);
    it.sink.refuse_nothing();
    it.reopen().await;
    it.publisher.flush_pending().await;
    let kinds: Vec<_> = it.sink.kept().into_iter().map(|it| it.event.kind).collect();
    assert_eq!(kinds, [AuditEventKind::ActionAllowed, AuditEventKind::AuditDeadLettered]);
}

#[tokio::test]
async fn a_drain_that_is_dropped_half_way_loses_and_repeats_nothing() {
    let it = Stage::new();
    let ids = it.publish(0..3).await;
    it.sink.hang();
    {
        let mut flush = Box::pin(it.publisher.flush_pending());
        let asked = tokio::time::timeout(Duration::from_millis(1), &mut flush).await;
        assert!(asked.is_err());
    }
    it.sink.move_on();
    let sent = tokio::time::timeout(BOUND, it.publisher.flush_pending()).await.unwrap();
    assert_eq!(sent, 3);
    it.assert_kept(&ids);
    assert_eq!(it.sink.seen().repeats, 0);
}
