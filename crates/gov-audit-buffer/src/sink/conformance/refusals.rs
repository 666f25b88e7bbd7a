//! What holds for a sink whose receiver can refuse an event for good.

use super::{Fault, Receiver, assert_kept, buffer, decoded, emit, emit_all, events, kept};
use crate::sink::{Outgoing, SinkError};

/// At the front, in the middle, at the end, alone: what stands before it is kept.
pub async fn a_refused_event_is_the_one_that_is_named_wherever_it_stands(receiver: &dyn Receiver) {
    let sink = receiver.open().await;
    for (n, (length, at)) in (1..).zip([(9, 0), (9, 1), (9, 4), (9, 8), (1, 0), (256, 200)]) {
        let all = events(buffer(n), 1..=length);
        let at = usize::try_from(at).unwrap();
        receiver.stage(Some(refuses([&all[at]]))).await;
        let before = kept(receiver).await.len();
        for (from, accepted) in [(0, at), (at, 0)] {
            let emitted = emit(&*sink, &all[from..]).await;
            assert_eq!(emitted.accepted, accepted, "{emitted:?}");
            assert_poison(emitted.stopped.as_ref());
            let kept = kept(receiver).await;
            assert_eq!(kept[before..], decoded(&all[..at]));
        }
    }
}

/// Once the publisher has put it aside.
pub async fn what_stands_behind_a_refused_event_goes_on_without_it(receiver: &dyn Receiver) {
    let sink = receiver.open().await;
    let mut all = events(buffer(1), 1..=12);
    receiver.stage(Some(refuses([&all[5]]))).await;
    let emitted = emit(&*sink, &all).await;
    assert_eq!(emitted.accepted, 5);
    emit_all(&*sink, &all[6..]).await;
    all.remove(5);
    assert_kept(receiver, &all).await;
}

/// One after the other, as a publisher meets them.
pub async fn every_refused_event_of_a_batch_is_found(receiver: &dyn Receiver) {
    let sink = receiver.open().await;
    let mut all = events(buffer(1), 1..=40);
    let refused = [0, 1, 17, 38, 39];
    receiver.stage(Some(refuses(refused.map(|at| &all[at])))).await;
    let (mut from, mut found) = (0, Vec::new());
    while from < all.len() {
        let emitted = emit(&*sink, &all[from..]).await;
        from += emitted.accepted;
        if emitted.stopped.is_some() {
            assert_poison(emitted.stopped.as_ref());
            found.push(from);
            from += 1;
        }
    }
    assert_eq!(found, refused);
    let mut at = 0..;
    all.retain(|_| at.next().is_some_and(|it| !refused.contains(&it)));
    assert_kept(receiver, &all).await;
}

fn refuses<'a>(these: impl IntoIterator<Item = &'a Outgoing>) -> Fault {
    Fault::Refuses(these.into_iter().map(|it| it.event.id).collect())
}

fn assert_poison(error: Option<&SinkError>) {
    assert!(matches!(error, Some(SinkError::Poison { .. })), "{error:?}");
}
