//! The audit buffer as it is shown: how it stands, what waits, and what the sink refused for good.

use gov_audit_buffer::{
    AuditPublisher, BufferId, BufferStatus, EncodedEvent, Outgoing, buffer::DeadLetter,
    publisher::breaker::BreakerState,
};
use gov_core::{AuditEventKind, EventId, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// The largest page.
pub const MAX_LIMIT: u64 = 100;

/// About how many bytes a page may have: a client reads answers of at most a mebibyte.
const PAGE_BYTES: usize = 768 * 1024;

/// What an item takes beside its event, at most about.
const ENVELOPE_BYTES: usize = 2 * 1024;

/// How the buffer stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BufferView {
    /// The name of the file, as the sink knows it.
    pub buffer_id: BufferId,
    /// The newest event; 0 for none yet.
    pub last: u64,
    /// Up to this one the sink has everything.
    pub acked: u64,
    /// How many events wait for the sink.
    pub waiting: u64,
    /// Their bytes.
    pub waiting_bytes: u64,
    /// When the first of them happened.
    pub oldest_waiting_at: Option<Timestamp>,
    /// How many events are in the file, with those that are held to be sent again.
    pub rows: u64,
    /// Their bytes.
    pub bytes: u64,
    /// How many events the sink refused for good.
    pub dead_letters: u64,
    /// The size of the file.
    pub file_bytes: u64,
    /// What a server that runs knows beside that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub running: Option<RunningView>,
}

/// What only a server that runs knows of its buffer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunningView {
    /// The sink, as `buffer.sink` names it.
    pub sink: String,
    /// `closed` while the sink takes events, `open` while it is left alone, `half-open` when the
    /// next try decides.
    pub breaker: String,
    /// Until when it is left alone.
    pub retry_at: Option<Timestamp>,
    /// Events that found no room since the start.
    pub rejected: u64,
    /// Events that were dropped for newer ones since the start.
    pub dropped: u64,
    /// Gaps that were written for those since the start.
    pub gaps: u64,
}

/// The front of the queue, or one page of dead letters.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Items<T> {
    /// In order.
    pub items: Vec<T>,
    /// The `cursor` of the next page; `None` where there is none.
    pub next: Option<String>,
}

/// An event that waits.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct WaitingView {
    /// Its place in the buffer.
    pub seq: u64,
    /// The event as the sink will get it.
    #[serde(flatten)]
    pub event: ShippedView,
}

/// An event that the sink refused for good.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct BufferLetterView {
    /// Its place among dead letters.
    pub number: u64,
    /// The buffer's name when it was refused.
    pub buffer_id: BufferId,
    /// The place under which it was refused.
    pub seq: u64,
    /// What the sink said.
    pub reason: String,
    /// How often it was tried.
    pub tries: u32,
    /// When it was given up.
    pub dead_at: Timestamp,
    /// The event as the sink got it.
    #[serde(flatten)]
    pub event: ShippedView,
}

/// An event as it is sent.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ShippedView {
    /// Names the event.
    pub id: EventId,
    /// When it happened.
    pub at: Timestamp,
    /// What happened.
    pub kind: AuditEventKind,
    /// The `CloudEvent`; `null` where it cannot be read.
    pub event: Box<RawValue>,
}

/// How many dead letters something was done to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DoneView {
    /// So many: an id that names no dead letter does not count.
    pub done: u64,
}

impl BufferView {
    /// The buffer of a server that runs.
    #[must_use]
    pub fn running(status: &BufferStatus, publisher: &AuditPublisher, sink: &str) -> Self {
        let (breaker, retry_at) = match publisher.breaker_state() {
            BreakerState::Closed => ("closed", None),
            BreakerState::Open { until } => ("open", Some(until)),
            BreakerState::HalfOpen => ("half-open", None),
        };
        let running = RunningView {
            sink: sink.to_owned(),
            breaker: breaker.to_owned(),
            retry_at,
            rejected: status.counts.rejected,
            dropped: status.counts.dropped,
            gaps: status.counts.gaps,
        };
        Self { running: Some(running), ..Self::from(status) }
    }
}

impl From<&BufferStatus> for BufferView {
    fn from(it: &BufferStatus) -> Self {
        Self {
            buffer_id: it.id,
            last: it.last,
            acked: it.acked,
            waiting: it.waiting,
            waiting_bytes: it.waiting_bytes,
            oldest_waiting_at: it.oldest_waiting_at,
            rows: it.rows,
            bytes: it.bytes,
            dead_letters: it.dead_letters,
            file_bytes: it.file_bytes,
            running: None,
        }
    }
}

impl From<Vec<Outgoing>> for Items<WaitingView> {
    /// As many from the front as an answer holds.
    fn from(waiting: Vec<Outgoing>) -> Self {
        let mut room = Room::default();
        let fits = waiting.into_iter().take_while(|it| room.takes(&it.event));
        Self { items: fits.map(WaitingView::from).collect(), next: None }
    }
}

impl From<Outgoing> for WaitingView {
    fn from(it: Outgoing) -> Self {
        Self { seq: it.buffer_seq, event: it.event.into() }
    }
}

impl Items<BufferLetterView> {
    /// As many of `letters` as an answer holds; `more` says whether there are others behind them.
    #[must_use]
    pub fn of_letters(letters: Vec<DeadLetter>, more: bool) -> Self {
        let (mut room, all) = (Room::default(), letters.len());
        let fits = letters.into_iter().take_while(|it| room.takes(&it.event));
        let items: Vec<_> = fits.map(BufferLetterView::from).collect();
        let more = more || items.len() < all;
        let next = items.last().filter(|_| more).map(|it| it.number.to_string());
        Self { items, next }
    }
}

impl From<DeadLetter> for BufferLetterView {
    fn from(it: DeadLetter) -> Self {
        let DeadLetter { number, buffer_id, seq, reason, tries, dead_at, event } = it;
        Self { number, buffer_id, seq, reason, tries, dead_at, event: event.into() }
    }
}

impl From<EncodedEvent> for ShippedView {
    fn from(it: EncodedEvent) -> Self {
        let event = serde_json::from_slice(&it.json).unwrap_or_else(|error| {
            tracing::error!(%error, id = %it.id, "an event of the buffer is no JSON");
            RawValue::NULL.to_owned()
        });
        Self { id: it.id, at: it.at, kind: it.kind, event }
    }
}

/// What is left of an answer's bytes. The first item always fits.
#[derive(Debug, Default)]
struct Room {
    used: usize,
}

impl Room {
    fn takes(&mut self, event: &EncodedEvent) -> bool {
        let first = self.used == 0;
        self.used += event.json.len() + ENVELOPE_BYTES;
        first || self.used <= PAGE_BYTES
    }
}
