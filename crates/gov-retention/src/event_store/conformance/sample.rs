//! Events to try a store with. Backends use them in their own tests too.

use std::time::Duration;

use gov_core::{AuditEvent, AuditEventKind, EventId, Payload, Timestamp};
use uuid::Uuid;

use crate::event_store::{AuditEventStore, EventFilter, Order, PageRequest};

/// A day.
pub const DAY: Duration = Duration::from_hours(24);

/// 2026-01-01T00:00:00.000000Z: the first microsecond of a day, and of the manual clock.
#[must_use]
pub fn start() -> Timestamp {
    Timestamp::from_micros_clamped(1_767_225_600_000_000)
}

/// An id whose order is that of `n`.
#[must_use]
pub fn id(n: u64) -> EventId {
    EventId::from_uuid(Uuid::from_u128(0x019b_76da_8000_7000_8000_0000_0000_0000 + u128::from(n)))
}

/// The event `n`, at `at`; its payload tells which it is.
#[must_use]
pub fn event(n: u64, at: Timestamp) -> AuditEvent {
    AuditEvent {
        id: id(n),
        at,
        kind: AuditEventKind::ActionAllowed,
        agent_id: Some("coder".parse().unwrap()),
        session_id: None,
        team_id: None,
        subjects: [("record_id".to_owned(), format!("rec_{n}"))].into(),
        trace_id: None,
        payload: Payload::from_parts(format!("{{\"n\":{n}}}").into_bytes(), [7; 16]),
    }
}

/// The events `0..count`, one every `step` from [`start`].
#[must_use]
pub fn events(count: u32, step: Duration) -> Vec<AuditEvent> {
    (0..count).map(|n| event(n.into(), start() + step * n)).collect()
}

/// A first page of so many, the oldest first.
#[must_use]
pub fn first(limit: u32) -> PageRequest {
    PageRequest { order: Order::OldestFirst, after: None, limit }
}

/// Everything that fits, the oldest first, in pages of at most `limit`.
pub async fn all_in_pages(
    store: &dyn AuditEventStore,
    filter: &EventFilter,
    order: Order,
    limit: u32,
) -> Vec<AuditEvent> {
    let mut request = PageRequest { order, after: None, limit };
    let mut events = Vec::new();
    loop {
        let page = store.query(filter, &request).await.unwrap();
        assert!(page.events.len() <= usize::try_from(limit).unwrap(), "a page is too long");
        events.extend(page.events);
        match page.next {
            None => return events,
            next => {
                assert_ne!(next, request.after, "the pages stand still");
                request.after = next;
            }
        }
    }
}

/// Everything, the oldest first.
pub async fn all(store: &dyn AuditEventStore) -> Vec<AuditEvent> {
    all_in_pages(store, &EventFilter::default(), Order::OldestFirst, 1000).await
}
