//! An event as it is kept and shipped: encoded once, where it came in.

use gov_core::{AuditEvent, AuditEventKind, EventId, Timestamp};

use crate::cloud_event::{self, DecodeError, EncodeError};

/// An event with its JSON, so that neither buffer nor sink writes it a second time.
#[derive(Clone, PartialEq, Eq)]
pub struct EncodedEvent {
    /// Names the event.
    pub id: EventId,
    /// When it happened.
    pub at: Timestamp,
    /// What happened.
    pub kind: AuditEventKind,
    /// The `CloudEvent` in JSON; see [`cloud_event`].
    pub json: Vec<u8>,
}

impl EncodedEvent {
    /// Encodes `event` as one of the node `node`.
    ///
    /// # Errors
    ///
    /// As from [`cloud_event::encode`].
    pub fn of(event: &AuditEvent, node: &str) -> Result<Self, EncodeError> {
        let json = cloud_event::encode(event, node)?;
        Ok(Self { id: event.id, at: event.at, kind: event.kind.clone(), json })
    }

    /// The event itself.
    ///
    /// # Errors
    ///
    /// As from [`cloud_event::decode`].
    pub fn decode(&self) -> Result<AuditEvent, DecodeError> {
        cloud_event::decode(&self.json)
    }
}

/// Shows what it is and how large: what it holds must not reach a log line.
impl std::fmt::Debug for EncodedEvent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EncodedEvent")
            .field("id", &self.id)
            .field("at", &self.at)
            .field("kind", &self.kind)
            .field("bytes", &self.json.len())
            .finish_non_exhaustive()
    }
}
