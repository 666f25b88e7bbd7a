//! What is the same for everything that we send to other people's servers: how a body is signed,
//! how a secret is kept out of sight, and how an answer asks for a pause.
//!
//! Source of the signature: Standard Webhooks 1.0.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use crate::Timestamp;

pub mod retry_after;
mod secret;

pub use self::secret::Secret;

/// What a signing secret begins with; the key follows in base64.
const PREFIX: &str = "whsec_";

/// Signs bodies.
#[derive(Clone)]
pub struct SigningKey(Hmac<Sha256>);

/// The text is no signing secret. It is not repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a signing secret must be `whsec_` and base64 with padding")]
pub struct NoSigningSecret;

impl SigningKey {
    /// The key of a secret: `whsec_` and base64 with padding.
    ///
    /// # Errors
    ///
    /// [`NoSigningSecret`] if it is anything else, or holds no byte.
    pub fn new(secret: &Secret) -> Result<Self, NoSigningSecret> {
        let text = secret.expose().strip_prefix(PREFIX).ok_or(NoSigningSecret)?;
        let key = STANDARD.decode(text).ok().filter(|it| !it.is_empty());
        let key = key.ok_or(NoSigningSecret)?;
        Hmac::new_from_slice(&key).map(Self).map_err(|_| NoSigningSecret)
    }

    /// The value of `webhook-signature` for a body that goes out at `at` under `id`.
    #[must_use]
    pub fn signature(&self, id: &str, at: Timestamp, body: &[u8]) -> String {
        let seconds = at.as_unix_seconds();
        let mac = self.0.clone().chain_update(format!("{id}.{seconds}.")).chain_update(body);
        format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
    }
}

/// Shows nothing of the key.
impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SigningKey(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str) -> Result<SigningKey, NoSigningSecret> {
        SigningKey::new(&Secret::from(text.to_owned()))
    }

    /// The example of Standard Webhooks.
    #[test]
    fn a_signature_is_the_one_of_the_specification() {
        let key = key("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let at = Timestamp::from_micros(1_614_265_330_999_999).unwrap();
        let signature =
            key.signature("msg_p5jXN8AQM9LWM0D4loKWxJek", at, br#"{"test": 2432232314}"#);
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn what_is_no_key_is_refused() {
        for text in ["", "whsec_", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_a", "whsec_é"] {
            assert!(key(text).is_err(), "{text}");
        }
    }

    #[test]
    fn neither_a_secret_nor_its_key_is_shown() {
        let secret = Secret::from("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".to_owned());
        let shown = format!("{secret:?} {:?}", SigningKey::new(&secret).unwrap());
        assert_eq!(shown, "Secret(…) SigningKey(…)");
    }
}
