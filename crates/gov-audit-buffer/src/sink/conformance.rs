//! The sink's contract as tests, one function a rule.
//!
//! A sink's test file makes one test of each rule: see `for_each_sink_rule!`, which is for every
//! sink, and the lists beside it, which are for those whose kind can what they ask for:
//!
//! | list | for sinks |
//! |---|---|
//! | [`for_each_sink_rule`](crate::for_each_sink_rule) | of every kind |
//! | [`for_each_memory_rule`](crate::for_each_memory_rule) | that can be asked what they have |
//! | [`for_each_outage_rule`](crate::for_each_outage_rule) | whose receiver can go away |
//! | [`for_each_refusal_rule`](crate::for_each_refusal_rule) | whose receiver can refuse an event |
//! | [`for_each_closing_rule`](crate::for_each_closing_rule) | that can be closed |
//!
//! Every wait is bounded: a sink that hangs is a failure.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::missing_panics_doc,
    reason = "every function here is a test"
)]

use std::{collections::BTreeSet, fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use gov_core::{AuditEvent, AuditEventKind, EventId, Payload, Timestamp};
use tokio::time::timeout;
use uuid::Uuid;

use super::{AuditSink, Emitted, LastKept, Outgoing};
use crate::{BufferId, EncodedEvent};

mod every;
mod memory;
mod outages;
mod refusals;

pub use self::{every::*, memory::*, outages::*, refusals::*};

/// Calls `$rule!(name)` for every rule that every sink keeps.
#[macro_export]
macro_rules! for_each_sink_rule {
    ($rule:ident) => {
        $rule!(what_is_handed_over_is_kept_in_its_order);
        $rule!(an_event_is_kept_as_it_was_handed_over);
        $rule!(an_empty_batch_changes_nothing);
        $rule!(places_may_be_left_out);
        $rule!(two_buffers_do_not_get_in_each_others_way);
        $rule!(a_sink_that_is_opened_anew_goes_on);
    };
}

/// Calls `$rule!(name)` for every rule of a sink that can be asked up to where it has a buffer.
#[macro_export]
macro_rules! for_each_memory_rule {
    ($rule:ident) => {
        $rule!(at_first_there_is_nothing_of_a_buffer);
        $rule!(the_last_event_is_known_also_to_a_sink_that_is_opened_anew);
        $rule!(what_is_handed_over_again_is_kept_once);
        $rule!(what_was_given_up_half_way_is_gone_on_from);
    };
}

/// Calls `$rule!(name)` for every rule of a sink whose receiver can go away; see [`Fault`].
///
/// [`Fault`]: crate::sink::conformance::Fault
#[macro_export]
macro_rules! for_each_outage_rule {
    ($rule:ident) => {
        $rule!(a_receiver_that_is_down_costs_time_and_nothing_else);
        $rule!(what_a_receiver_took_before_it_went_away_is_not_lost_and_the_rest_follows);
        $rule!(an_answer_that_is_lost_loses_no_event);
    };
}

/// Calls `$rule!(name)` for every rule of a sink whose receiver can refuse an event for good.
#[macro_export]
macro_rules! for_each_refusal_rule {
    ($rule:ident) => {
        $rule!(a_refused_event_is_the_one_that_is_named_wherever_it_stands);
        $rule!(what_stands_behind_a_refused_event_goes_on_without_it);
        $rule!(every_refused_event_of_a_batch_is_found);
    };
}

/// Calls `$rule!(name)` for every rule of a sink that can be closed.
#[macro_export]
macro_rules! for_each_closing_rule {
    ($rule:ident) => {
        $rule!(a_closed_sink_takes_nothing_and_says_that_it_is_closed);
    };
}

/// One receiver, empty at first, and the sinks that lead to it.
#[async_trait]
pub trait Receiver: fmt::Debug + Send + Sync {
    /// A sink, as a sender that has just started opens it. No other one is in use then.
    async fn open(&self) -> Arc<dyn AuditSink>;

    /// What the receiver has, in its order.
    async fn kept(&self) -> Vec<AuditEvent>;

    /// From now on this is wrong with the receiver, until something else is; `None` for nothing.
    ///
    /// Only the lists of rules that need a fault stage it.
    async fn stage(&self, fault: Option<Fault>) {
        panic!("{self:?} cannot stage {fault:?}: leave out the rules that need it");
    }

    /// A sink that was closed.
    async fn closed(&self) -> Arc<dyn AuditSink> {
        panic!("{self:?} has no sinks that can be closed: leave out the rules about it");
    }
}

/// What can be wrong with a receiver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It is not there, or says that it takes nothing now.
    Down,
    /// It takes so many more events, or fewer, and then it is [`Down`](Self::Down).
    DownAfter(usize),
    /// It keeps what it is sent next, and nobody hears of it.
    LosesAnswers,
    /// It will never keep these.
    Refuses(BTreeSet<EventId>),
}

/// How long a rule waits for anything.
const PATIENCE: Duration = Duration::from_mins(1);

/// The `n`th buffer.
#[must_use]
pub fn buffer(n: u8) -> BufferId {
    let mut id = [n; 16];
    id[0] = 1;
    BufferId::from_uuid(uuid::Builder::from_custom_bytes(id).into_uuid())
}

/// The event at one place of a buffer, always the same; the further behind, the later.
#[must_use]
pub fn event(buffer: BufferId, seq: u64) -> Outgoing {
    let payload = format!("{{\"buffer\":\"{buffer}\",\"seq\":{seq}}}");
    outgoing(buffer, seq, payload.into_bytes())
}

/// The events at some places of a buffer.
#[must_use]
pub fn events(buffer: BufferId, seqs: impl IntoIterator<Item = u64>) -> Vec<Outgoing> {
    seqs.into_iter().map(|seq| event(buffer, seq)).collect()
}

fn outgoing(buffer: BufferId, seq: u64, payload: Vec<u8>) -> Outgoing {
    let [.., d] = buffer.as_uuid().into_bytes();
    // A later buffer's events are later, so that those who sort by time keep the order.
    let millis = 1_767_225_600_000 + u64::from(d) * 10_000_000 + seq;
    let id = uuid::Builder::from_unix_timestamp_millis(millis, &[d; 10]).into_uuid();
    let event = AuditEvent {
        id: EventId::from_uuid(id),
        at: Timestamp::from_micros_clamped((millis * 1000).cast_signed()),
        kind: AuditEventKind::ActionAllowed,
        agent_id: Some("coder".parse().unwrap()),
        session_id: Some("run-1".parse().unwrap()),
        team_id: None,
        subjects: [("place".to_owned(), seq.to_string())].into(),
        trace_id: None,
        payload: Payload::from_parts(payload, Uuid::from_u128(seq.into()).into_bytes()),
    };
    Outgoing {
        buffer_id: buffer,
        buffer_seq: seq,
        event: EncodedEvent::of(&event, "n-rules").unwrap(),
    }
}

async fn bounded<T>(future: impl Future<Output = T>) -> T {
    timeout(PATIENCE, future).await.expect("it hangs")
}

async fn emit(sink: &dyn AuditSink, batch: &[Outgoing]) -> Emitted {
    let emitted = bounded(sink.emit_batch(batch)).await;
    assert!(emitted.accepted <= batch.len(), "more accepted than were handed over: {emitted:?}");
    if emitted.stopped.is_none() {
        assert_eq!(emitted.accepted, batch.len(), "neither kept nor a reason why not");
    } else {
        assert!(emitted.accepted < batch.len(), "all kept and yet stopped: {emitted:?}");
    }
    emitted
}

/// Hands over a batch that must be kept.
async fn emit_all(sink: &dyn AuditSink, batch: &[Outgoing]) {
    let emitted = emit(sink, batch).await;
    assert!(emitted.stopped.is_none(), "{emitted:?}");
}

/// Goes on after a failure as a publisher does: behind what the sink says that it has, else behind
/// what it accepted.
async fn go_on(sink: &dyn AuditSink, all: &[Outgoing], accepted: usize) {
    let buffer = all[0].buffer_id;
    let from = match bounded(sink.last_kept(buffer)).await.unwrap() {
        LastKept::Nothing => 0,
        LastKept::At { seq, .. } => all.partition_point(|it| it.buffer_seq <= seq),
        LastKept::Unknown => accepted,
    };
    assert!(from >= accepted, "it accepted {accepted} and has only {from}");
    emit_all(sink, &all[from..]).await;
}

fn decoded(all: &[Outgoing]) -> Vec<AuditEvent> {
    all.iter().map(|it| it.event.decode().unwrap()).collect()
}

async fn kept(receiver: &dyn Receiver) -> Vec<AuditEvent> {
    bounded(receiver.kept()).await
}

async fn assert_kept(receiver: &dyn Receiver, wanted: &[Outgoing]) {
    let kept = kept(receiver).await;
    let wanted = decoded(wanted);
    let ids = |it: &[AuditEvent]| it.iter().map(|it| it.id).collect::<Vec<_>>();
    assert_eq!(ids(&kept), ids(&wanted));
    assert_eq!(kept, wanted);
}

/// Each one at least once, first come in order. A sink that can be asked has no excuse for twice.
async fn assert_kept_in_effect(receiver: &dyn Receiver, sink: &dyn AuditSink, wanted: &[Outgoing]) {
    let can_be_asked =
        bounded(sink.last_kept(wanted[0].buffer_id)).await.unwrap() != LastKept::Unknown;
    if can_be_asked {
        return assert_kept(receiver, wanted).await;
    }
    let mut seen = BTreeSet::new();
    let mut kept = kept(receiver).await;
    kept.retain(|it| seen.insert(it.id));
    assert_eq!(kept, decoded(wanted));
}
