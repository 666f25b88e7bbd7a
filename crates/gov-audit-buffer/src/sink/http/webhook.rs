//! A batch of `CloudEvents`, and its headers.
//!
//! Source: `CloudEvents` 1.0.2, HTTP binding, batched content mode; Standard Webhooks 1.0.

use gov_core::{Timestamp, webhook::SigningKey};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};

use crate::{Outgoing, cloud_event::OnItsWay};

pub(super) const CONTENT_TYPE: &str = "application/cloudevents-batch+json; charset=utf-8";

/// The events with their places, as one JSON array.
pub(super) fn body(part: &[Outgoing]) -> Vec<u8> {
    let mut body = vec![b'['];
    for (n, it) in part.iter().enumerate() {
        if n > 0 {
            body.push(b',');
        }
        body.extend(OnItsWay::from(it).written_into(&it.event));
    }
    body.push(b']');
    body
}

/// Names the body, the same however often it is sent, and with a key signs it as of `now`.
pub(super) fn headers(
    part: &[Outgoing],
    body: &[u8],
    now: Timestamp,
    key: Option<&SigningKey>,
) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let (Some(first), Some(last)) = (part.first(), part.last()) else { return headers };
    let id = format!("{}-{}-{}", first.buffer_id, first.buffer_seq, last.buffer_seq);
    let signature = key.map(|key| key.signature(&id, now, body));
    for (name, value) in [
        ("webhook-id", Some(id)),
        ("webhook-timestamp", Some(now.as_unix_seconds().to_string())),
        ("webhook-signature", signature),
    ] {
        // All of them are printable ASCII.
        if let Some(value) = value.and_then(|it| HeaderValue::try_from(it).ok()) {
            headers.insert(HeaderName::from_static(name), value);
        }
    }
    headers
}
