//! What holds for a sink whose receiver can go away.

use super::{
    Fault, Receiver, assert_kept, assert_kept_in_effect, bounded, buffer, emit, events, go_on, kept,
};
use crate::sink::{LastKept, SinkError};

/// Down at first, and down again later: nothing is accepted, nothing is kept, and all of it is
/// once it is back.
pub async fn a_receiver_that_is_down_costs_time_and_nothing_else(receiver: &dyn Receiver) {
    let all = events(buffer(1), 1..=20);
    let sink = receiver.open().await;
    for part in [0..10, 10..20] {
        receiver.stage(Some(Fault::Down)).await;
        for _ in 0..2 {
            let emitted = emit(&*sink, &all[part.clone()]).await;
            assert_eq!(emitted.accepted, 0);
            assert_retry(emitted.stopped.as_ref());
            match bounded(sink.last_kept(buffer(1))).await {
                Ok(LastKept::Unknown) => (),
                answer => assert_retry(answer.err().as_ref()),
            }
        }
        receiver.stage(None).await;
        assert_kept(receiver, &all[..part.start]).await;
        go_on(&*sink, &all[..part.end], part.start).await;
        assert_kept(receiver, &all[..part.end]).await;
    }
}

/// After none, one, some and all of a batch.
pub async fn what_a_receiver_took_before_it_went_away_is_not_lost_and_the_rest_follows(
    receiver: &dyn Receiver,
) {
    let all = events(buffer(1), 1..=40);
    let sink = receiver.open().await;
    for (part, taken) in [(0..10, 0), (10..20, 1), (20..30, 6), (30..40, 9)] {
        receiver.stage(Some(Fault::DownAfter(taken))).await;
        let emitted = emit(&*sink, &all[part.clone()]).await;
        assert!(emitted.accepted <= taken, "{emitted:?} of {taken}");
        assert_retry(emitted.stopped.as_ref());
        receiver.stage(None).await;
        let count = kept(receiver).await.len();
        assert!(part.start + emitted.accepted <= count, "{emitted:?}, and it has {count}");
        assert_kept(receiver, &all[..count]).await;
        go_on(&*sink, &all[..part.end], part.start + emitted.accepted).await;
        assert_kept_in_effect(receiver, &*sink, &all[..part.end]).await;
    }
}

/// The receiver has them, and the sender does not know.
pub async fn an_answer_that_is_lost_loses_no_event(receiver: &dyn Receiver) {
    let all = events(buffer(1), 1..=30);
    let sink = receiver.open().await;
    for part in [0..10, 10..11, 11..30] {
        receiver.stage(Some(Fault::LosesAnswers)).await;
        let emitted = emit(&*sink, &all[part.clone()]).await;
        assert_eq!(emitted.accepted, 0, "accepted without an answer");
        assert_retry(emitted.stopped.as_ref());
        receiver.stage(None).await;
        go_on(&*sink, &all[..part.end], part.start).await;
        assert_kept_in_effect(receiver, &*sink, &all[..part.end]).await;
    }
}

fn assert_retry(error: Option<&SinkError>) {
    assert!(matches!(error, Some(SinkError::Retry { .. })), "{error:?}");
}
