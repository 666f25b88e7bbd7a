//! What holds for a sink that can be asked up to where it has a buffer.

use super::{Receiver, assert_kept, bounded, buffer, emit_all, event, events, go_on, kept};
use crate::sink::{AuditSink, LastKept, Outgoing};

/// Before anything was sent, and while other buffers send.
pub async fn at_first_there_is_nothing_of_a_buffer(receiver: &dyn Receiver) {
    let sink = receiver.open().await;
    assert_eq!(bounded(sink.last_kept(buffer(1))).await.unwrap(), LastKept::Nothing);
    emit_all(&*sink, &events(buffer(2), 1..=3)).await;
    assert_eq!(bounded(sink.last_kept(buffer(1))).await.unwrap(), LastKept::Nothing);
    assert_last(&*sink, &event(buffer(2), 3)).await;
}

/// After every batch, and after a restart, with many events of another buffer behind it.
pub async fn the_last_event_is_known_also_to_a_sink_that_is_opened_anew(receiver: &dyn Receiver) {
    let sink = receiver.open().await;
    let all = events(buffer(1), [1, 2, 7, 8]);
    for part in all.chunks(2) {
        emit_all(&*sink, part).await;
        assert_last(&*sink, &part[1]).await;
    }
    emit_all(&*sink, &events(buffer(2), 1..=256)).await;
    assert_last(&*sink, &all[3]).await;
    drop(sink);
    let sink = receiver.open().await;
    assert_last(&*sink, &all[3]).await;
    assert_last(&*sink, &event(buffer(2), 256)).await;
}

/// A whole batch, the end of one, and one that ended long ago; also after a restart.
pub async fn what_is_handed_over_again_is_kept_once(receiver: &dyn Receiver) {
    let all = events(buffer(1), 1..=20);
    let sink = receiver.open().await;
    for part in [0..10, 0..10, 5..12, 0..3, 11..12, 0..12] {
        emit_all(&*sink, &all[part]).await;
        assert_kept_from_the_front(receiver, &all).await;
    }
    drop(sink);
    let sink = receiver.open().await;
    emit_all(&*sink, &all[2..15]).await;
    assert_last(&*sink, &all[14]).await;
    emit_all(&*sink, &all).await;
    assert_kept(receiver, &all).await;
}

/// Whoever waited went away, at any point: what the sink says afterwards is what counts.
pub async fn what_was_given_up_half_way_is_gone_on_from(receiver: &dyn Receiver) {
    let all = events(buffer(1), 1..=120);
    let sink = receiver.open().await;
    for (turns, part) in all.chunks(6).enumerate() {
        let given_up = async {
            for _ in 0..turns {
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            biased;
            emitted = sink.emit_batch(part) => assert!(emitted.stopped.is_none(), "{emitted:?}"),
            () = given_up => (),
        }
        let up_to = all.partition_point(|it| it.buffer_seq <= part[5].buffer_seq);
        go_on(&*sink, &all[..up_to], up_to - 6).await;
        assert_kept(receiver, &all[..up_to]).await;
    }
}

async fn assert_last(sink: &dyn AuditSink, wanted: &Outgoing) {
    let last = bounded(sink.last_kept(wanted.buffer_id)).await.unwrap();
    let LastKept::At { seq, event_id } = last else { panic!("it says {last:?}") };
    assert_eq!(seq, wanted.buffer_seq);
    assert!(event_id.is_none_or(|it| it == wanted.event.id), "it says {event_id:?}");
}

/// So many of the first as there are.
async fn assert_kept_from_the_front(receiver: &dyn Receiver, all: &[Outgoing]) {
    let count = kept(receiver).await.len();
    assert_kept(receiver, &all[..count.min(all.len())]).await;
}
