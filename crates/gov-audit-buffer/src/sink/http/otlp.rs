//! Log records of the OpenTelemetry protocol.
//!
//! Source: OTLP 1.5, HTTP with JSON; the names of attributes are those of OpenTelemetry's
//! conventions for `CloudEvents`.

use gov_core::{AuditEventKind, Timestamp};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{EncodedEvent, Outgoing};

pub(super) const CONTENT_TYPE: &str = "application/json";

/// What of an event stands outside the body of its record.
#[derive(Deserialize)]
struct Attributes {
    source: String,
    #[serde(rename = "type")]
    kind: String,
    subject: Option<String>,
    govtrace: Option<String>,
}

/// What a collector answers with 200 and yet did not keep.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Response {
    partial_success: Option<PartialSuccess>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PartialSuccess {
    // A 64-bit number is text in this JSON, and some write a number all the same.
    #[serde(default)]
    rejected_log_records: Value,
    #[serde(default)]
    error_message: String,
}

/// One record an event; the event itself is its body, as text, byte for byte.
pub(super) fn body(part: &[Outgoing], now: Timestamp) -> Result<Vec<u8>, serde_json::Error> {
    let records = part.iter().map(|it| record(it, now)).collect::<Result<Vec<_>, _>>()?;
    serde_json::to_vec(&json!({
        "resourceLogs": [{
            "resource": {"attributes": [text("service.name", "gov")]},
            "scopeLogs": [{
                "scope": {"name": env!("CARGO_PKG_NAME"), "version": env!("CARGO_PKG_VERSION")},
                "logRecords": records,
            }],
        }],
    }))
}

/// Why a collector that answered with success kept less than all.
pub(super) fn rejection(answer: &[u8]) -> Option<String> {
    let partial = serde_json::from_slice::<Response>(answer).ok()?.partial_success?;
    let rejected = match &partial.rejected_log_records {
        Value::String(text) => text.parse().unwrap_or(1),
        Value::Number(number) => number.as_i64().unwrap_or(1),
        _ => 0,
    };
    (rejected != 0).then_some(partial.error_message)
}

fn record(it: &Outgoing, now: Timestamp) -> Result<Value, serde_json::Error> {
    let EncodedEvent { id, at, kind, json } = &it.event;
    let about: Attributes = serde_json::from_slice(json)?;
    let mut attributes = vec![
        text("cloudevents.event_id", &id.to_string()),
        text("cloudevents.event_source", &about.source),
        text("cloudevents.event_spec_version", "1.0"),
        text("cloudevents.event_type", &about.kind),
    ];
    attributes.extend(about.subject.map(|it| text("cloudevents.event_subject", &it)));
    attributes.push(text("gov.buffer_id", &it.buffer_id.to_string()));
    attributes.push(text("gov.buffer_seq", &it.buffer_seq.to_string()));
    let (number, word) = severity(kind);
    let mut record = json!({
        "timeUnixNano": nanos(*at),
        "observedTimeUnixNano": nanos(now),
        "severityNumber": number,
        "severityText": word,
        "eventName": about.kind,
        "body": {"stringValue": String::from_utf8_lossy(json)},
        "attributes": attributes,
    });
    if let (Some(trace), Some(record)) = (about.govtrace, record.as_object_mut())
        && trace.len() == 32
        && trace.bytes().all(|it| it.is_ascii_hexdigit())
    {
        record.insert("traceId".to_owned(), trace.to_ascii_lowercase().into());
    }
    Ok(record)
}

fn severity(kind: &AuditEventKind) -> (u8, &'static str) {
    match kind {
        AuditEventKind::AuditGap | AuditEventKind::AuditDeadLettered => (17, "ERROR"),
        AuditEventKind::ActionRefused | AuditEventKind::ActionWarned => (13, "WARN"),
        _ => (9, "INFO"),
    }
}

fn nanos(at: Timestamp) -> String {
    // Microseconds and three more digits: no number that could overflow.
    if at == Timestamp::UNIX_EPOCH { "0".to_owned() } else { format!("{}000", at.as_micros()) }
}

fn text(key: &str, value: &str) -> Value {
    json!({"key": key, "value": {"stringValue": value}})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_success_that_is_not_whole_is_seen_however_its_number_is_written() {
        for (answer, wanted) in [
            ("", None),
            ("{}", None),
            (r#"{"partialSuccess":{}}"#, None),
            (r#"{"partialSuccess":{"rejectedLogRecords":"0","errorMessage":"slow"}}"#, None),
            (r#"{"partialSuccess":{"rejectedLogRecords":"2","errorMessage":"no"}}"#, Some("no")),
            (r#"{"partialSuccess":{"rejectedLogRecords":2}}"#, Some("")),
            (r#"{"partialSuccess":{"rejectedLogRecords":"many","errorMessage":"no"}}"#, Some("no")),
        ] {
            assert_eq!(rejection(answer.as_bytes()).as_deref(), wanted, "{answer}");
        }
    }
}
