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
//! | `data` | the payload, as its commitment covers it; `data_base64` where it is no JSON |
//!
//! Source: `CloudEvents` 1.0.2, JSON event format. Vectors: docs/formats/cloud-event.md.

use std::{borrow::Cow, collections::BTreeMap};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use gov_core::{AuditEvent, EventId, Payload, Timestamp, hex::Hex, payload::SALT_BYTES};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// What the `type` of a governance event begins with.
const TYPE_PREFIX: &str = "gov.";
/// What the `source` of a governance event begins with.
const SOURCE_PREFIX: &str = "/gov/";

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

/// Written in this order; read in any.
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
    #[serde(borrow)]
    datacontenttype: Cow<'a, str>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    data: Option<&'a RawValue>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    data_base64: Option<Cow<'a, str>>,
}

/// Writes the event of the node `node`.
///
/// # Errors
///
/// [`EncodeError`] never happens for an event: all its parts are text.
pub fn encode(event: &AuditEvent, node: &str) -> Result<Vec<u8>, EncodeError> {
    let data = std::str::from_utf8(event.payload.as_bytes())
        .ok()
        .and_then(|text| serde_json::from_str::<&RawValue>(text).ok())
        // White space around the value would be lost, and with it the commitment.
        .filter(|raw| raw.get().len() == event.payload.as_bytes().len());
    let opaque = data.is_none().then(|| STANDARD.encode(event.payload.as_bytes()).into());
    let subjects = if event.subjects.is_empty() {
        None
    } else {
        Some(serde_json::to_string(&event.subjects)?.into())
    };
    Ok(serde_json::to_vec(&Wire {
        specversion: "1.0".into(),
        id: event.id,
        source: format!("{SOURCE_PREFIX}{node}").into(),
        kind: format!("{TYPE_PREFIX}{}", event.kind).into(),
        time: event.at,
        subject: event.agent_id.as_ref().map(|it| it.as_str().into()),
        govsession: event.session_id.as_ref().map(|it| it.as_str().into()),
        govteam: event.team_id.as_ref().map(|it| it.as_str().into()),
        govtrace: event.trace_id.as_deref().map(Into::into),
        govsubjects: subjects,
        govsalt: Hex(event.payload.salt()).to_string().into(),
        datacontenttype: "application/json".into(),
        data,
        data_base64: opaque,
    })?)
}

/// Reads an event that [`encode`] wrote; the node is not part of it.
///
/// # Errors
///
/// [`DecodeError`]: the bytes come from elsewhere, or from a newer gov.
pub fn decode(json: &[u8]) -> Result<AuditEvent, DecodeError> {
    let wire: Wire<'_> = serde_json::from_slice(json)?;
    let wrong = |attribute, wanted| DecodeError::Attribute { attribute, wanted };
    if wire.specversion != "1.0" {
        return Err(wrong("specversion", "`1.0`"));
    }
    let kind = wire.kind.strip_prefix(TYPE_PREFIX).ok_or_else(|| wrong("type", "`gov.<kind>`"))?;
    let Ok(kind) = kind.parse();
    let bytes = match (wire.data, wire.data_base64) {
        (Some(raw), None) => raw.get().as_bytes().to_vec(),
        (None, Some(text)) => {
            STANDARD.decode(&*text).map_err(|_| wrong("data_base64", "base64 with padding"))?
        }
        _ => return Err(wrong("data", "there, or `data_base64` in its place, and not both")),
    };
    let subjects: BTreeMap<String, String> = match &wire.govsubjects {
        Some(text) => serde_json::from_str(text)
            .map_err(|_| wrong("govsubjects", "a JSON object of texts, as text"))?,
        None => BTreeMap::new(),
    };
    Ok(AuditEvent {
        id: wire.id,
        at: wire.time,
        kind,
        agent_id: name(wire.subject.as_deref(), "subject", "an agent's id")?,
        session_id: name(wire.govsession.as_deref(), "govsession", "a session's id")?,
        team_id: name(wire.govteam.as_deref(), "govteam", "a team's id")?,
        subjects,
        trace_id: wire.govtrace.map(Cow::into_owned),
        payload: Payload::from_parts(bytes, salt(&wire.govsalt)?),
    })
}

fn name<T: std::str::FromStr>(
    text: Option<&str>,
    attribute: &'static str,
    wanted: &'static str,
) -> Result<Option<T>, DecodeError> {
    let parsed = text.map(str::parse).transpose();
    parsed.map_err(|_| DecodeError::Attribute { attribute, wanted })
}

fn salt(text: &str) -> Result<[u8; SALT_BYTES], DecodeError> {
    let wrong = || DecodeError::Attribute { attribute: "govsalt", wanted: "32 hex digits" };
    // A sign would pass for a digit.
    if !text.is_ascii() || text.len() != 2 * SALT_BYTES || text.starts_with('+') {
        return Err(wrong());
    }
    let number = u128::from_str_radix(text, 16).map_err(|_| wrong())?;
    Ok(number.to_be_bytes())
}
