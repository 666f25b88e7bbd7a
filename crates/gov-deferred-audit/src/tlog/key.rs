//! Names and public keys of those who sign (C2SP signed-note; Go's `golang.org/x/mod/sumdb/note`).

use std::{fmt, str::FromStr};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use ed25519_dalek::{Signature, SigningKey, VerifyingKey};
use gov_core::hex::{self, Hex};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

/// The signature type of Ed25519, in keys and key ids.
const ED25519: u8 = 1;

/// What a private key's text begins with.
const PRIVATE: &str = "PRIVATE+KEY+";

/// The longest key name, in bytes.
pub const MAX_NAME_BYTES: usize = 160;

/// The first bytes of a hash of name and key; tells keys apart, proves nothing.
pub type KeyId = [u8; 4];

/// A name and its Ed25519 public key. As text: `<name>+<8 hex digits of the id>+<base64>`.
#[derive(Clone, PartialEq, Eq)]
pub struct VerifierKey {
    name: String,
    key: VerifyingKey,
}

/// The text is not a key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a key: {0}")]
pub struct KeyError(pub &'static str);

impl VerifierKey {
    /// The signer's name: the log's origin.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The first four bytes of SHA-256(name ‖ 0x0A ‖ 0x01 ‖ public key).
    #[must_use]
    pub fn id(&self) -> KeyId {
        key_id(ED25519, &self.name, &self.key)
    }

    pub(super) fn public(&self) -> VerifyingKey {
        self.key
    }

    /// Whether `signature` is this key's over `message`; a malleable or weak one is not.
    #[must_use]
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        Signature::from_slice(signature)
            .is_ok_and(|signature| self.key.verify_strict(message, &signature).is_ok())
    }
}

impl fmt::Debug for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VerifierKey({self})")
    }
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&key_text(ED25519, &self.name, &self.key))
    }
}

impl FromStr for VerifierKey {
    type Err = KeyError;

    /// Accepts exactly what [`fmt::Display`] prints, and only keys that can prove something.
    fn from_str(text: &str) -> Result<Self, KeyError> {
        let (name, key) = read_public(ED25519, text)?;
        Ok(Self { name, key })
    }
}

/// A name and its Ed25519 private key; its text never shows in debug output.
#[derive(Clone)]
pub struct PrivateKey {
    name: String,
    key: SigningKey,
}

impl PrivateKey {
    /// A fresh key from the operating system's randomness.
    ///
    /// # Errors
    ///
    /// [`KeyError`] if `name` cannot be a key's name, or there is no randomness.
    pub fn generate(name: &str) -> Result<Self, KeyError> {
        check_name(name)?;
        let mut seed = Zeroizing::new([0; 32]);
        getrandom::fill(seed.as_mut())
            .map_err(|_| KeyError("no randomness from the operating system"))?;
        Ok(Self { name: name.to_owned(), key: SigningKey::from_bytes(&seed) })
    }

    /// The public half.
    #[must_use]
    pub fn verifier(&self) -> VerifierKey {
        VerifierKey { name: self.name.clone(), key: self.key.verifying_key() }
    }

    /// Signs: 64 bytes, the same for the same message (RFC 8032 §5.1.6).
    #[must_use]
    pub fn sign(&self, message: &[u8]) -> [u8; 64] {
        use ed25519_dalek::Signer as _;
        self.key.sign(message).to_bytes()
    }

    /// The key's text: `PRIVATE+KEY+<name>+<8 hex digits of the id>+<base64>`. A secret.
    #[must_use]
    pub fn to_text(&self) -> Zeroizing<String> {
        let seed = Zeroizing::new(self.key.to_bytes());
        let key = Zeroizing::new(STANDARD.encode(Zeroizing::new(typed(ED25519, &seed))));
        let id = self.verifier().id();
        Zeroizing::new(format!("{PRIVATE}{}+{}+{}", self.name, Hex(&id), *key))
    }

    /// Reads exactly what [`to_text`](Self::to_text) gives.
    ///
    /// # Errors
    ///
    /// [`KeyError`] saying what is wrong, without any of the text.
    pub fn from_text(text: &str) -> Result<Self, KeyError> {
        let rest = text.strip_prefix(PRIVATE).ok_or(KeyError("it must begin with PRIVATE+KEY+"))?;
        let (name, id, seed) = parts(ED25519, rest)?;
        let seed = Zeroizing::new(seed);
        let key = Self { name: name.to_owned(), key: SigningKey::from_bytes(&seed) };
        let fits = key.verifier().id() == id;
        if fits { Ok(key) } else { Err(KeyError("its id does not fit name and key")) }
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PrivateKey").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Whether `name` can name a key and a log: printable ASCII without space and plus.
///
/// # Errors
///
/// [`KeyError`] saying which rule it breaks.
pub fn check_name(name: &str) -> Result<(), KeyError> {
    if name.is_empty() || name.len() > MAX_NAME_BYTES {
        return Err(KeyError("its name must be 1 to 160 bytes long"));
    }
    if !name.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'+') {
        return Err(KeyError("its name must be printable ASCII without space and `+`"));
    }
    Ok(())
}

/// The first four bytes of SHA-256(name ‖ 0x0A ‖ type ‖ public key).
pub(super) fn key_id(kind: u8, name: &str, key: &VerifyingKey) -> KeyId {
    let hash = Sha256::new()
        .chain_update(name)
        .chain_update([b'\n', kind])
        .chain_update(key.as_bytes())
        .finalize();
    hash.first_chunk().copied().unwrap_or_default()
}

/// `<name>+<8 hex digits of the id>+<base64>`.
pub(super) fn key_text(kind: u8, name: &str, key: &VerifyingKey) -> String {
    let id = key_id(kind, name, key);
    format!("{name}+{}+{}", Hex(&id), STANDARD.encode(typed(kind, key.as_bytes())))
}

/// Reads exactly what [`key_text`] gives, and only a key that can prove something.
pub(super) fn read_public(kind: u8, text: &str) -> Result<(String, VerifyingKey), KeyError> {
    let (name, id, bytes) = parts(kind, text)?;
    let key = VerifyingKey::from_bytes(&bytes)
        .ok()
        .filter(|key| !key.is_weak())
        .ok_or(KeyError("it is no point of the curve that can sign"))?;
    if key_id(kind, name, &key) == id {
        Ok((name.to_owned(), key))
    } else {
        Err(KeyError("its id does not fit name and key"))
    }
}

fn typed(kind: u8, key: &[u8; 32]) -> [u8; 33] {
    let mut bytes = [kind; 33];
    for (byte, value) in bytes.iter_mut().skip(1).zip(key) {
        *byte = *value;
    }
    bytes
}

fn parts(kind: u8, text: &str) -> Result<(&str, KeyId, [u8; 32]), KeyError> {
    let mut parts = text.splitn(3, '+');
    let (Some(name), Some(id), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
        return Err(KeyError("it must be `<name>+<id>+<base64>`"));
    };
    check_name(name)?;
    let id = hex::parse(id).ok_or(KeyError("its id must be 8 lower-case hex digits"))?;
    let bytes = Zeroizing::new(STANDARD.decode(key).unwrap_or_default());
    match bytes.split_first() {
        Some((got, key)) if *got == kind => key
            .try_into()
            .map(|key| (name, id, key))
            .map_err(|_| KeyError("an Ed25519 key has 32 bytes")),
        Some(_) if kind == ED25519 => Err(KeyError("only Ed25519 (type 1) is known")),
        Some(_) => Err(KeyError("only Ed25519 cosigners (type 4) are known")),
        None => Err(KeyError("its last part must be base64")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The key pair that Go's package documentation shows.
    const PRIVATE_TEXT: &str =
        "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz";
    const PUBLIC_TEXT: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";

    #[test]
    fn the_key_pair_of_gos_documentation_reads_back_and_belongs_together() {
        let key = PrivateKey::from_text(PRIVATE_TEXT).unwrap();
        assert_eq!(key.to_text().as_str(), PRIVATE_TEXT);
        assert_eq!(key.verifier().to_string(), PUBLIC_TEXT);
        assert_eq!(PUBLIC_TEXT.parse(), Ok(key.verifier()));
    }

    #[test]
    fn a_flip_of_any_bit_of_the_text_is_refused() {
        for at in 0..PUBLIC_TEXT.len() {
            for bit in 0..7 {
                let mut bytes = PUBLIC_TEXT.as_bytes().to_vec();
                bytes[at] ^= 1 << bit;
                let text = String::from_utf8(bytes).unwrap();
                assert!(text.parse::<VerifierKey>().is_err(), "{text}");
            }
        }
    }

    #[test]
    fn a_name_that_would_break_a_line_is_refused() {
        for name in ["", "a b", "a+b", "a\nb", "ä", &"n".repeat(161)] {
            assert!(PrivateKey::generate(name).is_err(), "{name}");
        }
    }

    #[test]
    fn the_secret_does_not_show_in_debug_output() {
        let key = PrivateKey::from_text(PRIVATE_TEXT).unwrap();
        assert_eq!(format!("{key:?}"), "PrivateKey { name: \"PeterNeumann\", .. }");
    }
}
