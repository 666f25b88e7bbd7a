//! What a witness says of a checkpoint: that the log it saw had only grown (C2SP tlog-cosignature).

use std::{fmt, str::FromStr};

use ed25519_dalek::{Signature, VerifyingKey};

use super::{
    key::{KeyError, KeyId, PrivateKey, key_id, key_text, read_public},
    note::{Note, NoteError, SignatureLine},
};

/// The signature type of timestamped Ed25519 cosignatures, in keys and key ids.
const COSIGNATURE_V1: u8 = 4;

/// The latest time that can be said, in seconds since 1970.
const MAX_SECONDS: u64 = i64::MAX.unsigned_abs();

/// A witness's name and its Ed25519 public key. As text: `<name>+<8 hex digits of the id>+<base64>`,
/// like a log's key, but of type 0x04: neither can be taken for the other.
#[derive(Clone, PartialEq, Eq)]
pub struct WitnessKey {
    name: String,
    key: VerifyingKey,
}

/// A cosignature that verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cosigned<'k> {
    /// Whose.
    pub witness: &'k WitnessKey,
    /// When, in seconds since 1970, by the witness's clock.
    pub seconds: u64,
}

impl WitnessKey {
    /// The witness's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The first four bytes of SHA-256(name ‖ 0x0A ‖ 0x04 ‖ public key).
    #[must_use]
    pub fn id(&self) -> KeyId {
        key_id(COSIGNATURE_V1, &self.name, &self.key)
    }

    /// When this witness cosigned the checkpoint `text`, in seconds since 1970; `None` if
    /// `signature` does not say so: eight bytes of time, big-endian, and 64 of Ed25519.
    #[must_use]
    pub fn verify(&self, text: &str, signature: &[u8]) -> Option<u64> {
        let (time, signature) = signature.split_first_chunk()?;
        let seconds = u64::from_be_bytes(*time);
        let signature = Signature::from_slice(signature).ok()?;
        let message = message(text, seconds);
        let verified = self.key.verify_strict(message.as_bytes(), &signature).is_ok();
        (verified && seconds <= MAX_SECONDS).then_some(seconds)
    }
}

impl Note {
    /// Verifies every line that claims to be a cosignature of one of `witnesses`, in order. Lines
    /// of others say nothing and are passed over.
    ///
    /// # Errors
    ///
    /// [`NoteError::BadSignature`] if any of them is wrong.
    pub fn cosigned<'k>(
        &self,
        witnesses: &'k [WitnessKey],
    ) -> Result<Vec<Cosigned<'k>>, NoteError> {
        let known = |line: &&SignatureLine| {
            witnesses.iter().find(|it| it.name == line.name && it.id() == line.key_id)
        };
        let lines = self.signatures().iter().filter_map(|line| Some((known(&line)?, line)));
        let verify = |(witness, line): (&'k WitnessKey, &SignatureLine)| {
            let seconds = witness.verify(self.text(), &line.signature);
            let bad = || NoteError::BadSignature { name: line.name.clone() };
            Ok(Cosigned { witness, seconds: seconds.ok_or_else(bad)? })
        };
        lines.map(verify).collect()
    }
}

/// Makes the line of a witness with `key` that saw the checkpoint `text`, `seconds` after 1970.
#[must_use]
pub fn cosign(key: &PrivateKey, text: &str, seconds: u64) -> SignatureLine {
    let witness = WitnessKey::from(key);
    let signature = key.sign(message(text, seconds).as_bytes());
    SignatureLine {
        key_id: witness.id(),
        name: witness.name,
        signature: [&seconds.to_be_bytes()[..], &signature].concat(),
    }
}

/// What is signed: the domain and the time, each on a line, then the whole checkpoint.
fn message(text: &str, seconds: u64) -> String {
    format!("cosignature/v1\ntime {seconds}\n{text}")
}

impl From<&PrivateKey> for WitnessKey {
    /// The same pair of keys, used as a witness's.
    fn from(key: &PrivateKey) -> Self {
        let verifier = key.verifier();
        Self { name: verifier.name().to_owned(), key: verifier.public() }
    }
}

impl fmt::Debug for WitnessKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WitnessKey({self})")
    }
}

impl fmt::Display for WitnessKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&key_text(COSIGNATURE_V1, &self.name, &self.key))
    }
}

impl FromStr for WitnessKey {
    type Err = KeyError;

    /// Accepts exactly what [`fmt::Display`] prints, and only keys that can prove something.
    fn from_str(text: &str) -> Result<Self, KeyError> {
        let (name, key) = read_public(COSIGNATURE_V1, text)?;
        Ok(Self { name, key })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tlog::key::VerifierKey;

    const TEXT: &str = "example.com/gov/e1\n7\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n";

    fn witness() -> (PrivateKey, [WitnessKey; 1]) {
        let key = PrivateKey::generate("witness.example/w1").unwrap();
        let public = WitnessKey::from(&key);
        (key, [public])
    }

    #[test]
    fn a_cosignature_verifies_and_says_when() {
        let (key, witnesses) = witness();
        let note = Note::unsigned(TEXT.into()).with_line(cosign(&key, TEXT, 1_679_315_147));
        let note = Note::parse(note.to_string().as_bytes()).unwrap();
        let [cosigned] = note.cosigned(&witnesses).unwrap()[..] else { panic!() };
        assert_eq!((cosigned.witness, cosigned.seconds), (&witnesses[0], 1_679_315_147));
        assert_eq!(note.cosigned(&[]), Ok(vec![]));
        // Another witness has another key of the same name.
        let (_, others) = witness();
        assert_eq!(note.cosigned(&others), Ok(vec![]));
    }

    #[test]
    fn no_flipped_bit_of_time_signature_or_text_goes_unseen() {
        let (key, [witness]) = witness();
        let signature = cosign(&key, TEXT, 1_679_315_147).signature;
        assert_eq!(signature.len(), 72);
        for at in 0..signature.len() {
            for bit in 0..8 {
                let mut changed = signature.clone();
                changed[at] ^= 1 << bit;
                assert_eq!(witness.verify(TEXT, &changed), None, "byte {at}, bit {bit}");
            }
        }
        assert_eq!(witness.verify(&TEXT.replace('7', "8"), &signature), None);
        assert_eq!(witness.verify(TEXT, &signature[..71]), None);
        assert_eq!(witness.verify(TEXT, &[]), None);
    }

    #[test]
    fn a_time_that_no_clock_shows_is_refused() {
        let (key, [witness]) = witness();
        let at = |seconds| witness.verify(TEXT, &cosign(&key, TEXT, seconds).signature);
        assert_eq!(at(MAX_SECONDS), Some(MAX_SECONDS));
        assert_eq!(at(MAX_SECONDS + 1), None);
    }

    #[test]
    fn a_wrong_line_of_a_known_witness_is_told_from_one_of_a_stranger() {
        let (key, witnesses) = witness();
        let mut line = cosign(&key, TEXT, 1);
        line.signature[0] = 1;
        let note = Note::unsigned(TEXT.into()).with_line(line);
        let name = "witness.example/w1".to_owned();
        assert_eq!(note.cosigned(&witnesses), Err(NoteError::BadSignature { name }));
        assert_eq!(note.cosigned(&[]), Ok(vec![]));
    }

    #[test]
    fn a_witness_key_and_a_log_key_are_never_taken_for_one_another() {
        let (key, [witness]) = witness();
        assert_eq!(witness.to_string().parse(), Ok(witness.clone()));
        assert!(witness.to_string().parse::<VerifierKey>().is_err());
        assert!(key.verifier().to_string().parse::<WitnessKey>().is_err());
        assert_ne!(witness.id(), key.verifier().id());
    }
}
