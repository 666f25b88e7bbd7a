//! What holds for every sink.

use super::{
    Receiver, assert_kept, bounded, buffer, decoded, emit, emit_all, events, kept, outgoing,
};
use crate::sink::{LastKept, SinkError};

/// In batches of one, of many, and of a few; kept before it says so.
pub async fn what_is_handed_over_is_kept_in_its_order(receiver: &dyn Receiver) {
    let sink = receiver.open().await;
    let all = events(buffer(1), 1..=300);
    let mut from = 0;
    for size in [1, 256, 1, 7, 35] {
        emit_all(&*sink, &all[from..from + size]).await;
        from += size;
        assert_kept(receiver, &all[..from]).await;
    }
}

/// Whatever bytes the payload has, and whatever the rest says.
pub async fn an_event_is_kept_as_it_was_handed_over(receiver: &dyn Receiver) {
    let sink = receiver.open().await;
    let payloads: [&[u8]; 7] = [
        b"{}",
        b"null",
        br#"{"a":[1,-0.5,"\u0000\ud83e\udd80 \\ \" '","]}"#,
        "{\"text\":\"ünïcode 🦀 \u{2028}\u{7f}\u{fffe}\"}".as_bytes(),
        br#"{"govseq":"7","govbuffer":"buf_00000000000000000000000000000000"}"#,
        b"\xff\x00\r\nnot json",
        &[b"\"", vec![b'x'; 65_534].as_slice(), b"\""].concat(),
    ];
    let all: Vec<_> =
        (1..).zip(payloads).map(|(seq, it)| outgoing(buffer(1), seq, it.to_vec())).collect();
    emit_all(&*sink, &all).await;
    assert_kept(receiver, &all).await;
}

/// Also as the very first thing.
pub async fn an_empty_batch_changes_nothing(receiver: &dyn Receiver) {
    let sink = receiver.open().await;
    emit_all(&*sink, &[]).await;
    assert_kept(receiver, &[]).await;
    let all = events(buffer(1), 1..=2);
    emit_all(&*sink, &all).await;
    emit_all(&*sink, &[]).await;
    assert_kept(receiver, &all).await;
}

/// A buffer gives up numbers, of what was dropped for one.
pub async fn places_may_be_left_out(receiver: &dyn Receiver) {
    let sink = receiver.open().await;
    let all = events(buffer(1), [3, 4, 9, 1_000_000, 1_000_001, 1_000_007]);
    emit_all(&*sink, &all[..2]).await;
    emit_all(&*sink, &all[2..3]).await;
    emit_all(&*sink, &all[3..]).await;
    assert_kept(receiver, &all).await;
}

/// Each in its own order, and none takes the other's numbers for its own.
pub async fn two_buffers_do_not_get_in_each_others_way(receiver: &dyn Receiver) {
    let sink = receiver.open().await;
    let [one, two] = [1, 2].map(|n| events(buffer(n), 1..=9));
    for part in [0..4, 4..5, 5..9] {
        emit_all(&*sink, &one[part.clone()]).await;
        emit_all(&*sink, &two[part]).await;
    }
    let kept = kept(receiver).await;
    assert_eq!(kept.len(), 18);
    for all in [one, two] {
        let wanted = decoded(&all);
        let own: Vec<_> = kept.iter().filter(|it| wanted.contains(it)).cloned().collect();
        assert_eq!(own, wanted);
        let last = bounded(sink.last_kept(all[0].buffer_id)).await.unwrap();
        assert!(
            matches!(last, LastKept::At { seq: 9, .. } | LastKept::Unknown),
            "the last is {last:?}"
        );
    }
}

/// The sender stops and starts.
pub async fn a_sink_that_is_opened_anew_goes_on(receiver: &dyn Receiver) {
    let all = events(buffer(1), 1..=6);
    for part in all.chunks(2) {
        let sink = receiver.open().await;
        emit_all(&*sink, part).await;
    }
    assert_kept(receiver, &all).await;
}

/// Nothing is kept, and whoever asks is told why.
pub async fn a_closed_sink_takes_nothing_and_says_that_it_is_closed(receiver: &dyn Receiver) {
    let sink = receiver.closed().await;
    let emitted = emit(&*sink, &events(buffer(1), 1..=2)).await;
    assert_eq!(emitted.accepted, 0);
    assert!(matches!(emitted.stopped, Some(SinkError::Closed)), "{emitted:?}");
    let asked = bounded(sink.last_kept(buffer(1))).await;
    assert!(matches!(asked, Err(SinkError::Closed)), "{asked:?}");
    assert_kept(receiver, &[]).await;
}
