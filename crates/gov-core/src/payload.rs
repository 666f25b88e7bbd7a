//! Erasable content, bound by a commitment that outlives it.

use hmac::{Hmac, KeyInit as _, Mac as _};
use serde::Serialize;
use sha2::Sha256;

use crate::{
    canonical::{self, CanonicalError},
    sha256,
};

/// How many bytes of salt a payload carries.
pub const SALT_BYTES: usize = 16;

/// The content of a record or an event: canonical JSON, and a random salt beside it.
///
/// Hashed formats hold only its [`commit`](Self::commit), so payload and salt can be erased and
/// every proof stays whole; without the salt nobody can guess a short payload from it.
#[derive(Clone, PartialEq, Eq)]
pub struct Payload {
    bytes: Vec<u8>,
    salt: [u8; SALT_BYTES],
}

impl Payload {
    /// Writes `content` canonically, under a fresh salt from the operating system.
    ///
    /// # Errors
    ///
    /// [`SealError`]: the content has no canonical form, or there is no randomness.
    pub fn seal<T: Serialize>(content: &T) -> Result<Self, SealError> {
        let mut salt = [0; SALT_BYTES];
        getrandom::fill(&mut salt)?;
        Ok(Self { bytes: canonical::to_bytes(content)?, salt })
    }

    /// A payload read back from where it was stored; nothing is checked.
    #[must_use]
    pub fn from_parts(bytes: Vec<u8>, salt: [u8; SALT_BYTES]) -> Self {
        Self { bytes, salt }
    }

    /// The stored bytes: canonical JSON when the payload was sealed.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The salt, 16 bytes.
    #[must_use]
    pub fn salt(&self) -> &[u8; SALT_BYTES] {
        &self.salt
    }

    /// HMAC-SHA256 with the salt as key over the stored bytes.
    #[must_use]
    pub fn commit(&self) -> [u8; 32] {
        commit(&self.salt, &self.bytes)
    }
}

/// HMAC-SHA256 (RFC 2104) with `salt` as key over `bytes`.
#[must_use]
pub fn commit(salt: &[u8; SALT_BYTES], bytes: &[u8]) -> [u8; 32] {
    // HMAC takes a key of any length, so the constructor cannot refuse 16 bytes.
    Hmac::<Sha256>::new_from_slice(salt)
        .map(|mac| mac.chain_update(bytes).finalize().into_bytes().into())
        .unwrap_or_default()
}

/// The [`commit`] of many payloads, several times as fast as one by one.
#[must_use]
pub fn commit_all<'a>(
    payloads: impl IntoIterator<Item = (&'a [u8; SALT_BYTES], &'a [u8])>,
) -> Vec<[u8; 32]> {
    sha256::hmac_all(&payloads.into_iter().collect::<Vec<_>>())
}

/// Shows sizes only: what a payload holds must not reach a log line.
impl std::fmt::Debug for Payload {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Payload").field("bytes", &self.bytes.len()).finish_non_exhaustive()
    }
}

/// The content could not become a payload.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SealError {
    /// It has no canonical form: a mistake of the program.
    #[error(transparent)]
    Canonical(#[from] CanonicalError),
    /// The operating system gives no randomness: nothing can be sealed.
    #[error("no randomness from the operating system")]
    NoRandomness(#[from] getrandom::Error),
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::hex::Hex;

    /// RFC 4231 has no 16-byte key; the value comes from `openssl dgst -sha256 -mac HMAC`.
    #[test]
    fn the_commitment_is_hmac_sha256_under_the_salt() {
        let payload = Payload::from_parts(br#"{"command":"ls"}"#.to_vec(), [7; SALT_BYTES]);
        assert_eq!(
            Hex(&payload.commit()).to_string(),
            "fa03870020f3a04f00716e981822228212be6a9a37a23736258ca5c1dbc26021"
        );
        let both = [(payload.salt(), payload.as_bytes()); 2];
        assert_eq!(commit_all(both), [payload.commit(); 2]);
    }

    #[test]
    fn equal_contents_have_different_commitments() {
        let [a, b] = [(); 2].map(|()| Payload::seal(&json!({"b": 1, "a": 2})).unwrap());
        assert_eq!(a.as_bytes(), br#"{"a":2,"b":1}"#);
        assert_eq!(a.as_bytes(), b.as_bytes());
        assert_ne!(a.commit(), b.commit());
    }

    #[test]
    fn the_content_does_not_show_in_debug_output() {
        let payload = Payload::seal(&"hunter2").unwrap();
        assert_eq!(format!("{payload:?}"), "Payload { bytes: 9, .. }");
    }
}
