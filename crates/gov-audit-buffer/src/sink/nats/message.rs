//! An event as a NATS message: the headers that go with its JSON.
//!
//! Source: NATS protocol binding for `CloudEvents` 1.0.2, §3: header names `ce-` and the attribute,
//! values percent-encoded as in the HTTP binding, §3.1.3.2.

use std::fmt::Write as _;

use async_nats::{HeaderMap, header::HeaderName};
use gov_core::EventId;

use super::stream::Mark;
use crate::{BufferId, Outgoing, cloud_event};

const CONTENT_TYPE: HeaderName = HeaderName::from_static("content-type");
const CE_VERSION: HeaderName = HeaderName::from_static("ce-specversion");
const CE_ID: HeaderName = HeaderName::from_static("ce-id");
const CE_SOURCE: HeaderName = HeaderName::from_static("ce-source");
const CE_TYPE: HeaderName = HeaderName::from_static("ce-type");
const CE_TIME: HeaderName = HeaderName::from_static("ce-time");
const GOV_BUFFER: HeaderName = HeaderName::from_static("Gov-Buffer");
const GOV_SEQ: HeaderName = HeaderName::from_static("Gov-Seq");

/// More than all headers of one message take up, in bytes.
pub(super) const MAX_HEADERS: usize = 2048;

/// The headers that all messages of one buffer share.
#[derive(Debug)]
pub(super) struct Template {
    shared: HeaderMap,
}

impl Template {
    pub(super) fn of(node: &str) -> Self {
        let mut shared = HeaderMap::new();
        shared.insert(CONTENT_TYPE, "application/cloudevents+json");
        shared.insert(CE_VERSION, "1.0");
        shared.insert(CE_SOURCE, percent(&cloud_event::source(node)));
        Self { shared }
    }

    /// The headers of one event, but for those that guard it.
    pub(super) fn headers(&self, outgoing: &Outgoing) -> HeaderMap {
        let mut headers = self.shared.clone();
        headers.insert(CE_ID, outgoing.event.id.to_string());
        headers.insert(CE_TYPE, percent(&format!("gov.{}", outgoing.event.kind)));
        headers.insert(CE_TIME, outgoing.event.at.to_string());
        headers.insert(GOV_BUFFER, outgoing.buffer_id.to_string());
        headers.insert(GOV_SEQ, outgoing.buffer_seq.to_string());
        headers
    }
}

/// What a message says about itself; `None` when it is no event of a buffer.
pub(super) fn mark(headers: &HeaderMap) -> Option<Mark> {
    let buffer_id: BufferId = headers.get(GOV_BUFFER)?.as_str().parse().ok()?;
    let buffer_seq: u64 = headers.get(GOV_SEQ)?.as_str().parse().ok()?;
    let event_id: EventId = headers.get(CE_ID)?.as_str().parse().ok()?;
    Some(Mark { buffer_id, buffer_seq, event_id })
}

/// `text` as a header's value.
fn percent(text: &str) -> String {
    escaped(text, |byte| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'%'))
}

/// `text` as one token of a subject.
pub(super) fn token(text: &str) -> String {
    escaped(text, |byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

fn escaped(text: &str, plain: impl Fn(u8) -> bool) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        if plain(byte) {
            escaped.push(byte.into());
        } else {
            // Writing to a string cannot fail.
            let _ = write!(escaped, "%{byte:02X}");
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_dots_and_spaces_is_one_token_and_stays_readable() {
        assert_eq!(token("n-01ab"), "n-01ab");
        assert_eq!(token("eu.host *>\u{e4}"), "eu%2Ehost%20%2A%3E%C3%A4");
        assert_eq!(percent("/gov/eu.host 100%\n\"\u{e4}"), "/gov/eu.host%20100%25%0A%22%C3%A4");
    }
}
