//! What a log signs: its origin, its size and its root (C2SP tlog-checkpoint).

use std::fmt;

use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::{
    Hash,
    key::{VerifierKey, check_name},
    note::{Note, NoteError},
};

/// A log's state at one size. As text: three lines, and no extension lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// Which log: the name of its key.
    pub origin: String,
    /// How many leaves.
    pub size: u64,
    /// The root over them.
    pub root: Hash,
}

impl Checkpoint {
    /// Reads a note's text strictly.
    ///
    /// # Errors
    ///
    /// [`NoteError::Malformed`] for any other text, extension lines included.
    pub fn parse(text: &str) -> Result<Self, NoteError> {
        let malformed = NoteError::Malformed("its text is no checkpoint");
        let mut lines = text.split('\n');
        let (Some(origin), Some(size), Some(root), Some(""), None) =
            (lines.next(), lines.next(), lines.next(), lines.next(), lines.next())
        else {
            return Err(malformed);
        };
        let checkpoint = || {
            check_name(origin).ok()?;
            let root = STANDARD.decode(root).ok()?.try_into().ok()?;
            Some(Self { origin: origin.to_owned(), size: parse_decimal(size)?, root })
        };
        checkpoint().ok_or(malformed)
    }

    /// Reads a signed checkpoint that its own log has signed, with the key among `keys`.
    ///
    /// # Errors
    ///
    /// [`NoteError`]: it is no checkpoint, or no known key of that origin has signed it.
    pub fn open(bytes: &[u8], keys: &[VerifierKey]) -> Result<Self, NoteError> {
        let note = Note::parse(bytes)?;
        let checkpoint = Self::parse(note.text())?;
        let signers = note.verify(keys)?;
        if signers.iter().any(|key| key.name() == checkpoint.origin) {
            Ok(checkpoint)
        } else {
            Err(NoteError::NoKnownSignature)
        }
    }
}

/// The text that is signed.
impl fmt::Display for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}\n{}\n{}", self.origin, self.size, STANDARD.encode(self.root))
    }
}

/// Reads a number in its one decimal form: no sign, no leading zero.
#[must_use]
pub fn parse_decimal(text: &str) -> Option<u64> {
    text.parse().ok().filter(|number: &u64| number.to_string() == text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tlog::key::PrivateKey;

    fn checkpoint() -> Checkpoint {
        Checkpoint { origin: "example.com/gov/e1".into(), size: 7, root: [9; 32] }
    }

    fn signed(key: &PrivateKey) -> String {
        let text = checkpoint().to_string();
        let signature = key.sign(text.as_bytes());
        Note::unsigned(text).with_signature(&key.verifier(), signature).to_string()
    }

    #[test]
    fn a_checkpoint_reads_back_and_only_from_its_one_form() {
        let text = checkpoint().to_string();
        assert_eq!(Checkpoint::parse(&text), Ok(checkpoint()));
        for other in [
            text.replace("\n7\n", "\n07\n"),
            text.replace("\n7\n", "\n+7\n"),
            text.replace("\n7\n", "\n18446744073709551616\n"),
            text.replace('=', ""),
            text.replace("example", "").replace(".com/gov/e1", ""),
            format!("{text}extension\n"),
            text.trim_end().to_owned(),
        ] {
            assert!(Checkpoint::parse(&other).is_err(), "{other:?}");
        }
    }

    #[test]
    fn only_the_logs_own_key_opens_its_checkpoint() {
        let own = PrivateKey::generate("example.com/gov/e1").unwrap();
        let other = PrivateKey::generate("witness.example").unwrap();
        let keys = [own.verifier(), other.verifier()];
        assert_eq!(Checkpoint::open(signed(&own).as_bytes(), &keys), Ok(checkpoint()));
        let error = Checkpoint::open(signed(&other).as_bytes(), &keys).unwrap_err();
        assert_eq!(error, NoteError::NoKnownSignature);
    }
}
