//! A batch of `CloudEvents`, and its signature.
//!
//! Source: `CloudEvents` 1.0.2, HTTP binding, batched content mode; Standard Webhooks 1.0.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use gov_core::Timestamp;
use hmac::{Hmac, KeyInit as _, Mac as _};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use sha2::Sha256;

use super::{HttpConfigError, Secret};
use crate::{Outgoing, cloud_event::OnItsWay};

pub(super) const CONTENT_TYPE: &str = "application/cloudevents-batch+json; charset=utf-8";

/// Signs bodies.
#[derive(Clone)]
pub(super) struct SigningKey(Hmac<Sha256>);

impl SigningKey {
    pub(super) fn new(secret: &Secret) -> Result<Self, HttpConfigError> {
        let wrong = || HttpConfigError::SigningSecret;
        let text = secret.expose().strip_prefix("whsec_").ok_or_else(wrong)?;
        let key = STANDARD.decode(text).ok().filter(|it| !it.is_empty()).ok_or_else(wrong)?;
        Hmac::new_from_slice(&key).map(Self).map_err(|_| wrong())
    }

    fn sign(&self, id: &str, seconds: i64, body: &[u8]) -> String {
        let mac = self.0.clone().chain_update(format!("{id}.{seconds}.")).chain_update(body);
        format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
    }
}

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
    let seconds = now.as_unix_seconds();
    let signature = key.map(|key| key.sign(&id, seconds, body));
    for (name, value) in [
        ("webhook-id", Some(id)),
        ("webhook-timestamp", Some(seconds.to_string())),
        ("webhook-signature", signature),
    ] {
        // All of them are printable ASCII.
        if let Some(value) = value.and_then(|it| HeaderValue::try_from(it).ok()) {
            headers.insert(HeaderName::from_static(name), value);
        }
    }
    headers
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str) -> Result<SigningKey, HttpConfigError> {
        SigningKey::new(&Secret::from(text.to_owned()))
    }

    /// The example of Standard Webhooks.
    #[test]
    fn a_signature_is_the_one_of_the_specification() {
        let key = key("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let signature =
            key.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, br#"{"test": 2432232314}"#);
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn what_is_no_key_is_refused() {
        for text in ["", "whsec_", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_a", "whsec_é"] {
            assert!(key(text).is_err(), "{text}");
        }
    }
}
