//! Events as they are shown.

use std::{collections::BTreeMap, error::Error};

use gov_core::{AgentId, AuditEvent, AuditEventKind, EventId, SessionId, TeamId, Timestamp};
use gov_retention::event_store::{AuditEventStore, PageCursor, PageRequest, StoreError};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::question::EventQuestion;

/// About how many bytes a page may have: a client reads answers of at most a mebibyte.
const PAGE_BYTES: usize = 768 * 1024;

/// What an event takes beside its payload, at most about.
const ENVELOPE_BYTES: usize = 2 * 1024;

/// How many events are read at once: with the largest payloads they take 4 MiB.
const READ: u32 = 64;

/// One event.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct EventView {
    /// Names it.
    pub id: EventId,
    /// When it happened.
    pub at: Timestamp,
    /// What happened.
    pub kind: AuditEventKind,
    /// The agent concerned.
    pub agent_id: Option<AgentId>,
    /// Its session.
    pub session_id: Option<SessionId>,
    /// The team concerned.
    pub team_id: Option<TeamId>,
    /// Ids of other things concerned.
    pub subjects: BTreeMap<String, String>,
    /// What else there is to say: an object; `null` once it is erased.
    pub payload: Box<RawValue>,
}

/// One page.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct EventList {
    /// The events, in the order that was asked for.
    pub items: Vec<EventView>,
    /// The `cursor` of the next page; `None` if this was the last.
    pub next: Option<String>,
}

impl EventList {
    /// Reads one page. It has fewer events than were asked for where they are large: `next` alone
    /// says whether there are more.
    ///
    /// # Errors
    ///
    /// [`StoreError`]: the store does not answer.
    pub async fn read(
        store: &dyn AuditEventStore,
        question: &EventQuestion,
    ) -> Result<Self, StoreError> {
        let EventQuestion { filter, page: PageRequest { order, after, limit } } = question;
        let (mut after, mut items, mut bytes) = (*after, Vec::new(), 0);
        loop {
            let left = limit.saturating_sub(u32::try_from(items.len()).unwrap_or(u32::MAX));
            let request = PageRequest { order: *order, after, limit: left.min(READ) };
            let page = store.query(filter, &request).await?;
            for event in page.events {
                bytes += event.payload.as_bytes().len() + ENVELOPE_BYTES;
                if bytes > PAGE_BYTES && !items.is_empty() {
                    return Ok(Self { items, next: after.map(|it| it.to_string()) });
                }
                after = Some(PageCursor { at: event.at, id: event.id });
                items.push(EventView::from(event));
            }
            if page.next.is_none() || left <= READ {
                return Ok(Self { items, next: page.next.map(|it| it.to_string()) });
            }
        }
    }
}

impl From<AuditEvent> for EventView {
    fn from(event: AuditEvent) -> Self {
        let payload = shown(event.payload.as_bytes()).unwrap_or_else(|error| {
            let error: &dyn Error = &error;
            tracing::error!(error, id = %event.id, "the payload of an event is no JSON");
            RawValue::NULL.to_owned()
        });
        let AuditEvent { id, at, kind, agent_id, session_id, team_id, subjects, .. } = event;
        Self { id, at, kind, agent_id, session_id, team_id, subjects, payload }
    }
}

fn shown(bytes: &[u8]) -> Result<Box<RawValue>, serde_json::Error> {
    serde_json::from_slice(bytes)
}
