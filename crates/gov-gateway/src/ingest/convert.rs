//! From a message of the stream to an event of the store.

use std::{collections::BTreeMap, error::Error};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use gov_audit_buffer::{cloud_event, sink::nats::reader::Delivered};
use gov_core::{AuditEvent, AuditEventKind, EventId, RecordId, hex::Hex, text};
use serde_json::json;
use sha2::{Digest as _, Sha256};

use crate::events::notice;

/// So much of a message that is no event is kept, in bytes.
const KEPT_BYTES: usize = 32 * 1024;

/// So much of a reason is kept, in characters.
const KEPT_REASON: usize = 500;

/// Why a message is not kept as an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Undecodable {
    /// What is wrong with it.
    pub reason: String,
    /// The event that it is, if it is one.
    pub event: Option<EventId>,
}

impl Undecodable {
    /// The store will never take it.
    pub(super) fn refused(error: &dyn Error, event: EventId) -> Self {
        Self { reason: chain(error), event: Some(event) }
    }
}

/// The event that a message carries.
pub(super) fn event_of(message: &Delivered) -> Result<AuditEvent, Undecodable> {
    cloud_event::decode(message.body())
        .map_err(|error| Undecodable { reason: chain(&error), event: None })
}

/// What says that a message was in the stream and is not here as what it is, with the beginning of
/// the message. The same message always gives the same event.
#[must_use]
pub fn dead_letter(message: &Delivered, stream: &str, why: &Undecodable) -> AuditEvent {
    let (subject, seq, body) = (message.subject(), message.stream_seq(), message.body());
    let digest = Hex(&Sha256::digest(body)).to_string();
    // A stream that was made anew gives out its numbers anew.
    let key = format!("{stream}/{subject}/{seq}/{digest}");
    let mut subjects = BTreeMap::from([
        ("stream".to_owned(), stream.to_owned()),
        ("stream_seq".to_owned(), seq.to_string()),
    ]);
    if let Some(event) = why.event {
        subjects.insert("event_id".to_owned(), event.to_string());
    }
    if let Some(place) = message.place() {
        subjects.insert("buffer_id".to_owned(), place.buffer_id.to_string());
        subjects.insert("buffer_seq".to_owned(), place.buffer_seq.to_string());
    }
    let beginning = body.get(..KEPT_BYTES).unwrap_or(body);
    let said = json!({
        "body_b64": STANDARD.encode(beginning),
        "bytes": body.len(),
        "reason": why.reason,
        "sha256": digest,
        "stream": stream,
        "stream_seq": seq,
        "subject": subject,
    });
    // Of no record's id, and of no event's: a later build may take the message in as what it is.
    let id = EventId::of_record(RecordId::derived("ingest_dead_letter", &key));
    notice(id, message.published_at(), AuditEventKind::AuditDeadLettered, subjects, &said)
}

/// The whole chain of causes in one bounded line.
fn chain(error: &dyn Error) -> String {
    let mut reason = error.to_string();
    let mut cause = error.source();
    while let Some(it) = cause {
        reason = format!("{reason}: {it}");
        cause = it.source();
    }
    let short: String = reason.chars().take(KEPT_REASON).collect();
    text::escape(&short).into_owned()
}
