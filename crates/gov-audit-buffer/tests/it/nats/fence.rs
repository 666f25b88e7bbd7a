//! The protocol before a stream of ours, which says when a stranger comes in between.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use gov_audit_buffer::{
    AuditSink as _, BufferId, LastKept, Outgoing, SinkError,
    sink::nats::{
        fence::{Fence, FenceConfig},
        stream::{Guarded, JetStream, LastMessage, Mark, Offers, Stored, StreamError},
    },
};
use gov_core::{EventId, clock::ManualClock};
use parking_lot::Mutex;

use super::world::{batch, fresh_buffer};

/// A stream in memory, with the rules of a server.
#[derive(Debug, Default)]
struct Model {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// All messages: the subject, and what they say about themselves.
    messages: Vec<(String, Option<Mark>)>,
    atomic: bool,
    /// Before the message of this number is stored, a stranger stores one on another subject.
    strangers_before: Vec<usize>,
    /// In so many calls a stranger comes behind the first message.
    crowded_calls: usize,
    /// Ids that the stream remembers without having them.
    remembered: Vec<EventId>,
    /// So many calls store what they get, and never answer.
    silent: usize,
    abandoned: usize,
    calls: Vec<usize>,
}

impl State {
    fn last_of(&self, subject: &str) -> u64 {
        let at = self.messages.iter().rposition(|(of, _)| of == subject);
        at.map_or(0, |at| at as u64 + 1)
    }

    fn store(&mut self, subject: &str, outgoing: &Outgoing) -> u64 {
        self.messages.push((subject.to_owned(), Some(outgoing.into())));
        self.messages.len() as u64
    }

    fn publish(&mut self, subject: &str, guarded: &Guarded<'_>) -> Result<Stored, StreamError> {
        let next = self.messages.len() + 1;
        if self.strangers_before.contains(&next) {
            self.messages.push(("other".to_owned(), None));
        }
        let id = guarded.outgoing.event.id;
        if guarded.under_id && self.remembered.contains(&id) {
            return Ok(Stored { sequence: 1, duplicate: true });
        }
        let last_id = self.messages.last().and_then(|(_, mark)| Some(mark.as_ref()?.event_id));
        let is_behind = guarded.after_id.is_none_or(|id| last_id == Some(id));
        if self.last_of(subject) != guarded.after || !is_behind {
            return Err(StreamError::Conflict);
        }
        Ok(Stored { sequence: self.store(subject, guarded.outgoing), duplicate: false })
    }
}

#[async_trait]
impl JetStream for Model {
    async fn offers(&self) -> Result<Offers, StreamError> {
        Ok(Offers { atomic_batches: self.state.lock().atomic })
    }

    async fn last_of(&self, subject: &str) -> Result<Option<LastMessage>, StreamError> {
        let state = self.state.lock();
        let sequence = state.last_of(subject);
        let message = state.messages.iter().rfind(|(of, _)| of == subject);
        Ok(message.map(|(_, mark)| LastMessage { sequence, mark: *mark }))
    }

    async fn publish_atomic(
        &self,
        subject: &str,
        after: u64,
        batch: &[Outgoing],
    ) -> Result<u64, StreamError> {
        let is_silent = {
            let mut state = self.state.lock();
            state.calls.push(batch.len());
            if state.last_of(subject) != after {
                return Err(StreamError::Conflict);
            }
            for outgoing in batch {
                state.store(subject, outgoing);
            }
            state.is_silent()
        };
        if is_silent {
            std::future::pending::<()>().await;
        }
        Ok(self.state.lock().last_of(subject))
    }

    async fn publish_each(
        &self,
        subject: &str,
        batch: &[Guarded<'_>],
    ) -> Vec<Result<Stored, StreamError>> {
        let (answers, is_silent) = {
            let mut state = self.state.lock();
            state.calls.push(batch.len());
            if state.crowded_calls > 0 && batch.len() > 1 {
                state.crowded_calls -= 1;
                let second = state.messages.len() + 2;
                state.strangers_before.push(second);
            }
            let answers = batch.iter().map(|it| state.publish(subject, it)).collect();
            (answers, state.is_silent())
        };
        if is_silent {
            std::future::pending::<()>().await;
        }
        answers
    }

    fn abandon(&self) {
        self.state.lock().abandoned += 1;
    }
}

impl State {
    fn is_silent(&mut self) -> bool {
        let is_silent = self.silent > 0;
        self.silent = self.silent.saturating_sub(1);
        is_silent
    }
}

fn fence(state: State) -> (Arc<Fence<Model>>, ManualClock) {
    let clock = ManualClock::default();
    let config = FenceConfig {
        subject: "gov.audit.n-1".to_owned(),
        timeout: Duration::from_secs(5),
        resend_horizon: Duration::ZERO,
    };
    let model = Model { state: Mutex::new(state) };
    (Arc::new(Fence::new(model, config, Arc::new(clock.clone()))), clock)
}

/// The places of `buffer` in the order of the stream.
fn places(fence: &Fence<Model>, buffer: BufferId) -> Vec<u64> {
    let state = fence.stream().state.lock();
    let marks = state.messages.iter().filter_map(|(_, mark)| mark.as_ref());
    marks.filter(|it| it.buffer_id == buffer).map(|it| it.buffer_seq).collect()
}

#[tokio::test]
async fn a_stranger_in_a_window_lets_nothing_overtake() {
    for stranger in 1..=12 {
        let strangers_before = vec![stranger, stranger + 3];
        let (fence, _) = fence(State { strangers_before, ..State::default() });
        let (buffer, events) = {
            let buffer = fresh_buffer();
            (buffer, batch(buffer, 1..=10))
        };
        let emitted = fence.emit_batch(&events).await;
        assert!(emitted.stopped.is_none(), "{:?}", emitted.stopped);
        assert_eq!(emitted.accepted, 10);
        assert_eq!(places(&fence, buffer), (1..=10).collect::<Vec<_>>(), "before {stranger}");
    }
}

#[tokio::test]
async fn a_window_shrinks_with_strangers_and_grows_without() {
    let (fence, _) = fence(State { crowded_calls: 10, ..State::default() });
    let buffer = fresh_buffer();
    let events = batch(buffer, 1..=800);
    assert_eq!(fence.emit_batch(&events).await.accepted, 800);
    let calls = std::mem::take(&mut fence.stream().state.lock().calls);
    let shrunk = calls.iter().position(|it| *it == 1);
    assert_eq!(shrunk, Some(8), "{calls:?}");
    assert!(calls[9..].contains(&256), "{calls:?}");
    assert_eq!(places(&fence, buffer), (1..=800).collect::<Vec<_>>());
}

#[tokio::test]
async fn an_id_that_the_stream_remembers_and_has_not_is_published_without_it() {
    let buffer = fresh_buffer();
    let events = batch(buffer, 1..=4);
    let remembered = vec![events[1].event.id];
    let (fence, _) = fence(State { remembered, ..State::default() });
    let emitted = fence.emit_batch(&events).await;
    assert!(emitted.stopped.is_none(), "{:?}", emitted.stopped);
    assert_eq!(places(&fence, buffer), [1, 2, 3, 4]);
}

#[tokio::test]
async fn what_was_not_answered_in_time_is_abandoned_and_then_looked_for() {
    for atomic in [false, true] {
        let (fence, clock) = fence(State { atomic, silent: 1, ..State::default() });
        let buffer = fresh_buffer();
        let events = batch(buffer, 1..=4);
        let task = {
            let (fence, events) = (Arc::clone(&fence), events.clone());
            tokio::spawn(async move { fence.emit_batch(&events).await })
        };
        while fence.stream().state.lock().calls.is_empty() {
            tokio::task::yield_now().await;
        }
        clock.advance(Duration::from_secs(5));
        let emitted = task.await.unwrap();
        assert_eq!(emitted.accepted, 0);
        assert!(matches!(emitted.stopped, Some(SinkError::Retry { .. })));
        assert_eq!(fence.stream().state.lock().abandoned, 1);
        // The stream has them by now: they are accepted, and not stored a second time.
        assert_eq!(fence.emit_batch(&events).await.accepted, 4);
        assert_eq!(places(&fence, buffer), [1, 2, 3, 4]);
    }
}

#[tokio::test]
async fn nothing_goes_behind_a_hole_until_the_caller_was_told() {
    for atomic in [false, true] {
        let (fence, _) = fence(State { atomic, ..State::default() });
        let buffer = fresh_buffer();
        let events = batch(buffer, 1..=30);
        assert_eq!(fence.emit_batch(&events[..20]).await.accepted, 20);
        fence.stream().state.lock().messages.truncate(15);
        for _ in 0..2 {
            let emitted = fence.emit_batch(&events[20..]).await;
            assert_eq!(emitted.accepted, 0);
            assert!(matches!(emitted.stopped, Some(SinkError::Retry { .. })));
        }
        let at = LastKept::At { seq: 15, event_id: Some(events[14].event.id) };
        assert_eq!(fence.last_kept(buffer).await.unwrap(), at);
        assert_eq!(fence.emit_batch(&events[15..]).await.accepted, 15);
        assert_eq!(places(&fence, buffer), (1..=30).collect::<Vec<_>>());
    }
}

#[tokio::test]
async fn another_event_at_our_place_is_not_taken_for_ours() {
    let (fence, _) = fence(State::default());
    let buffer = fresh_buffer();
    let (ours, theirs) = (batch(buffer, 1..=3), batch(buffer, 1..=3));
    assert_eq!(fence.emit_batch(&theirs[..2]).await.accepted, 2);
    let emitted = fence.emit_batch(&ours).await;
    assert_eq!(emitted.accepted, 0);
    assert!(matches!(emitted.stopped, Some(SinkError::Retry { .. })));
    assert_eq!(places(&fence, buffer), [1, 2]);
}

#[tokio::test]
async fn a_cancelled_batch_leaves_the_fence_asking_how_far_the_stream_is() {
    let (fence, _) = fence(State { atomic: true, silent: 1, ..State::default() });
    let buffer = fresh_buffer();
    let events = batch(buffer, 1..=6);
    tokio::select! {
        biased;
        _ = fence.emit_batch(&events[..4]) => panic!("the stream is silent"),
        () = std::future::ready(()) => (),
    }
    assert_eq!(fence.emit_batch(&events).await.accepted, 6);
    // It did not first publish what had to be refused.
    assert_eq!(fence.stream().state.lock().calls, [4, 2]);
    assert_eq!(places(&fence, buffer), (1..=6).collect::<Vec<_>>());
}
