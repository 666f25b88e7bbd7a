//! Audit events as `CloudEvents` 1.0 in JSON: what is stored, and what sinks get.
//!
//! | attribute | holds |
//! |---|---|
//! | `id` | the event's id |
//! | `source` | `/gov/<node>` |
//! | `type` | `gov.` and the kind: `gov.action.refused` |
//! | `time` | when it happened |
//! | `subject` | the agent, if one is concerned |
//! | `govsession`, `govteam`, `govtrace` | session, team, W3C trace id |
//! | `govsubjects` | the ids of other things concerned: a JSON object as text |
//! | `govsalt` | the payload's salt, in hex |
//! | `govbuffer`, `govseq` | its [place](OnItsWay), where the carrier has no room of its own for it |
//! | `data` | the payload, as its commitment covers it; `data_base64` where it cannot stand as JSON |
//!
//! One event is one line: whoever splits at line feeds gets whole events.
//!
//! Source: `CloudEvents` 1.0.2, JSON event format. Vectors: docs/formats/cloud-event.md.

use std::{borrow::Cow, collections::BTreeMap};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use gov_core::{AuditEvent, EventId, Payload, Timestamp, hex::Hex};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;

mod place;
mod text;

pub use self::{place::OnItsWay, text::source};

/// What the `type` of a governance event begins with.
const TYPE_PREFIX: &str = "gov.";

/// The media type of `data`.
const JSON: &str = "application/json";

/// The media type of `data_base64`.
const BYTES: &str = "application/octet-stream";

/// The event could not be written as JSON.
#[derive(Debug, thiserror::Error)]
#[error("the event has no JSON form")]
pub struct EncodeError(#[from] serde_json::Error);

/// The bytes are not a governance event.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// They are no JSON object with the attributes of one.
    #[error("not a CloudEvent of gov")]
    Json(#[from] serde_json::Error),
    /// An attribute has a value that it must not have.
    #[error("`{attribute}` must be {wanted}")]
    Attribute {
        /// Which attribute.
        attribute: &'static str,
        /// What it must be.
        wanted: &'static str,
    },
}

/// Written in this order; read in any, among attributes that others have added.
#[derive(Serialize, Deserialize)]
struct Wire<'a> {
    #[serde(borrow)]
    specversion: Cow<'a, str>,
    id: EventId,
    #[serde(borrow)]
    source: Cow<'a, str>,
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
    time: Timestamp,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    subject: Option<Cow<'a, str>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    govsession: Option<Cow<'a, str>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    govteam: Option<Cow<'a, str>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    govtrace: Option<Cow<'a, str>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    govsubjects: Option<Cow<'a, str>>,
    #[serde(borrow)]
    govsalt: Cow<'a, str>,
    // Absent means JSON.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    datacontenttype: Option<Cow<'a, str>>,
    #[serde(
        borrow,
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    data: Option<&'a RawValue>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    data_base64: Option<Cow<'a, str>>,
}

/// Writes the event of the node `node`: one line, without its line feed.
///
/// # Errors
///
/// [`EncodeError`] never happens for an event: all its parts are text.
pub fn encode(event: &AuditEvent, node: &str) -> Result<Vec<u8>, EncodeError> {
    let bytes = event.payload.as_bytes();
    let data = as_one_line_of_json(bytes);
    let (media, opaque) = match data {
        Some(_) => (JSON, None),
        None => (BYTES, Some(STANDARD.encode(bytes).into())),
    };
    let subjects = if event.subjects.is_empty() {
        None
    } else {
        Some(text::escaped(serde_json::to_string(&event.subjects)?).into())
    };
    Ok(serde_json::to_vec(&Wire {
        specversion: "1.0".into(),
        id: event.id,
        source: source(node).into(),
        kind: format!("{TYPE_PREFIX}{}", event.kind).into(),
        time: event.at,
        subject: event.agent_id.as_ref().map(|it| it.as_str().into()),
        govsession: event.session_id.as_ref().map(|it| it.as_str().into()),
        govteam: event.team_id.as_ref().map(|it| it.as_str().into()),
        govtrace: event.trace_id.as_deref().map(Into::into),
        govsubjects: subjects,
        govsalt: Hex(event.payload.salt()).to_string().into(),
        datacontenttype: Some(media.into()),
        data,
        data_base64: opaque,
    })?)
}

/// Reads an event that [`encode`] wrote, byte for byte the same; the node is not part of it.
///
/// The attributes may stand in any order, attributes of others are passed over, and `null` is an
/// absent one. What is read is not checked against the limits of a store.
///
/// # Errors
///
/// [`DecodeError`]: the bytes come from elsewhere, or from a newer gov.
pub fn decode(json: &[u8]) -> Result<AuditEvent, DecodeError> {
    let wire: Wire<'_> = serde_json::from_slice(json)?;
    if wire.specversion != "1.0" {
        return Err(wrong("specversion", "`1.0`"));
    }
    if !text::is_source(&wire.source) {
        return Err(wrong("source", "`/gov/<node>`"));
    }
    let kind = wire.kind.strip_prefix(TYPE_PREFIX).ok_or(wrong("type", "`gov.<kind>`"))?;
    let Ok(kind) = kind.parse();
    let bytes = payload(&wire)?;
    let salt = text::salt(&wire.govsalt).ok_or(wrong("govsalt", "32 lower-case hex digits"))?;
    Ok(AuditEvent {
        id: wire.id,
        at: wire.time,
        kind,
        agent_id: name(wire.subject.as_deref(), "subject", "an agent's id")?,
        session_id: name(wire.govsession.as_deref(), "govsession", "a session's id")?,
        team_id: name(wire.govteam.as_deref(), "govteam", "a team's id")?,
        subjects: subjects(wire.govsubjects.as_deref())?,
        trace_id: wire.govtrace.map(Cow::into_owned),
        payload: Payload::from_parts(bytes, salt),
    })
}

/// The bytes as they may stand in a line of JSON and come back the same.
fn as_one_line_of_json(bytes: &[u8]) -> Option<&RawValue> {
    // JSON has line feeds and tabs between its parts only, where a reader may change them.
    if bytes.iter().any(u8::is_ascii_control) {
        return None;
    }
    let raw: &RawValue = serde_json::from_slice(bytes).ok()?;
    // White space around the value would be lost, and with it the commitment.
    (raw.get().len() == bytes.len()).then_some(raw)
}

fn payload(wire: &Wire<'_>) -> Result<Vec<u8>, DecodeError> {
    let media = wire.datacontenttype.as_deref().unwrap_or(JSON);
    match (wire.data, wire.data_base64.as_deref()) {
        (Some(raw), None) if media == JSON => Ok(raw.get().as_bytes().to_vec()),
        (Some(_), None) => Err(wrong("datacontenttype", "`application/json` beside `data`")),
        (None, Some(text)) => {
            STANDARD.decode(text).map_err(|_| wrong("data_base64", "base64 with padding"))
        }
        _ => Err(wrong("data", "there, or `data_base64` in its place, and not both")),
    }
}

fn subjects(text: Option<&str>) -> Result<BTreeMap<String, String>, DecodeError> {
    let Some(text) = text else { return Ok(BTreeMap::new()) };
    gov_core::json::parse(text.as_bytes())
        .map_err(|_| wrong("govsubjects", "a JSON object of texts, as text"))
}

fn name<T: std::str::FromStr>(
    text: Option<&str>,
    attribute: &'static str,
    wanted: &'static str,
) -> Result<Option<T>, DecodeError> {
    text.map(str::parse).transpose().map_err(|_| wrong(attribute, wanted))
}

/// `null` is data too, where serde would take it for absent.
fn present<'de, D: Deserializer<'de>>(from: D) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(from).map(Some)
}

fn wrong(attribute: &'static str, wanted: &'static str) -> DecodeError {
    DecodeError::Attribute { attribute, wanted }
}

#[cfg(test)]
mod tests;
