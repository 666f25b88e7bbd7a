//! The event store as a sink: for one that may be away while events come in.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use async_trait::async_trait;
use gov_audit_buffer::{AuditSink, BufferId, Emitted, LastKept, Outgoing, SinkError};
use gov_core::{AuditEvent, EventId};
use gov_retention::event_store::{AuditEventStore, StoreError};

/// Keeps events in an event store, durably. Each buffer is an ordered source there, whose cursor
/// moves in the transaction of its events: nothing is kept twice, whatever is sent again. Clones
/// share it.
#[derive(Clone, Debug)]
pub struct EventStoreSink {
    store: Arc<dyn AuditEventStore>,
    closed: Arc<AtomicBool>,
}

impl EventStoreSink {
    /// Writes to `store`, which somebody else closes.
    #[must_use]
    pub fn new(store: Arc<dyn AuditEventStore>) -> Self {
        Self { store, closed: Arc::default() }
    }

    /// Takes nothing any more; the store stays open.
    pub fn close(&self) {
        self.closed.store(true, Ordering::Release);
    }

    fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// Keeps all of `events`, or none.
    async fn append(&self, source: &str, events: Vec<(u64, AuditEvent)>) -> Result<(), StoreError> {
        if events.is_empty() {
            return Ok(());
        }
        self.store.append_from(source, events).await.map(drop)
    }
}

#[async_trait]
impl AuditSink for EventStoreSink {
    fn name(&self) -> &'static str {
        "event-store"
    }

    async fn emit_batch(&self, batch: &[Outgoing]) -> Emitted {
        let Some(first) = batch.first() else { return Emitted::default() };
        if self.is_closed() {
            return Emitted { accepted: 0, stopped: Some(SinkError::Closed) };
        }
        let source = source(first.buffer_id);
        let Decoded { mut events, mut poison } = decode(batch);
        loop {
            let accepted = events.len();
            let ids: Vec<_> = events.iter().map(|(_, event)| event.id).collect();
            let refused = match self.append(&source, events).await {
                Ok(()) => return Emitted { accepted, stopped: poison },
                Err(StoreError::Closed) => {
                    return Emitted { accepted: 0, stopped: Some(SinkError::Closed) };
                }
                Err(error) => {
                    match never(&error).and_then(|id| ids.iter().position(|it| *it == id)) {
                        Some(place) => (place, error),
                        // A prefix may be kept: the cursor says which, and sending it again is safe.
                        None => {
                            return Emitted { accepted: 0, stopped: Some(SinkError::retry(error)) };
                        }
                    }
                }
            };
            // Nothing of the call was kept: what comes before the one that is refused goes alone.
            let (place, error) = refused;
            let before = decode(batch.get(..place).unwrap_or_default());
            events = before.events;
            poison = Some(SinkError::Poison { reason: error.to_string() });
        }
    }

    async fn last_kept(&self, buffer: BufferId) -> Result<LastKept, SinkError> {
        if self.is_closed() {
            return Err(SinkError::Closed);
        }
        match self.store.cursor(&source(buffer)).await {
            Ok(0) => Ok(LastKept::Nothing),
            Ok(seq) => Ok(LastKept::At { seq, event_id: None }),
            Err(StoreError::Closed) => Err(SinkError::Closed),
            Err(error) => Err(SinkError::retry(error)),
        }
    }
}

/// The events up to the first that cannot be read, and what is wrong with that one.
struct Decoded {
    events: Vec<(u64, AuditEvent)>,
    poison: Option<SinkError>,
}

fn decode(batch: &[Outgoing]) -> Decoded {
    let mut events = Vec::with_capacity(batch.len());
    for outgoing in batch {
        match outgoing.event.decode() {
            Ok(event) => events.push((outgoing.buffer_seq, event)),
            Err(error) => {
                let poison = Some(SinkError::Poison { reason: error.to_string() });
                return Decoded { events, poison };
            }
        }
    }
    Decoded { events, poison: None }
}

/// The event that the store will never take, if that is what is wrong.
fn never(error: &StoreError) -> Option<EventId> {
    match error {
        StoreError::TooLarge { id, .. } | StoreError::NotText { id, .. } => Some(*id),
        _ => None,
    }
}

/// What the store calls the buffer.
fn source(buffer: BufferId) -> String {
    buffer.to_string()
}
