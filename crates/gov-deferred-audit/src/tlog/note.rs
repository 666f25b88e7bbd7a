//! Signed notes: a text, and lines of signatures under it (C2SP signed-note).

use std::fmt;

use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::key::{KeyId, VerifierKey, check_name};

/// The largest note that is read, in bytes.
pub const MAX_BYTES: usize = 64 * 1024;

/// What a signature line begins with: an em dash.
const DASH: &str = "\u{2014} ";

/// A text and its signatures, read but not verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    text: String,
    signatures: Vec<SignatureLine>,
}

/// One line under a note.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignatureLine {
    /// Who claims to have signed.
    pub name: String,
    /// With which key.
    pub key_id: KeyId,
    /// The signature itself; 64 bytes for Ed25519.
    pub signature: Vec<u8>,
}

/// The note cannot be read or trusted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NoteError {
    /// It is no signed note.
    #[error("not a signed note: {0}")]
    Malformed(&'static str),
    /// A known key's signature is wrong: the text or the line was changed.
    #[error("the signature of `{name}` does not fit the text")]
    BadSignature {
        /// Whose.
        name: String,
    },
    /// No known key signed it.
    #[error("no signature of a known key")]
    NoKnownSignature,
}

impl Note {
    /// A text that nobody has signed yet; it must end with a line feed.
    #[must_use]
    pub fn unsigned(text: String) -> Self {
        Self { text, signatures: Vec::new() }
    }

    /// Adds a signature over [`text`](Self::text) by `key`.
    #[must_use]
    pub fn with_signature(self, key: &VerifierKey, signature: [u8; 64]) -> Self {
        let (name, key_id) = (key.name().to_owned(), key.id());
        self.with_line(SignatureLine { name, key_id, signature: signature.to_vec() })
    }

    /// Adds a line as it is.
    #[must_use]
    pub fn with_line(mut self, line: SignatureLine) -> Self {
        self.signatures.push(line);
        self
    }

    /// What is signed, its last line feed included.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The signature lines, in order.
    #[must_use]
    pub fn signatures(&self) -> &[SignatureLine] {
        &self.signatures
    }

    /// Reads a note strictly: every byte means something, and no two texts read as the same note.
    ///
    /// # Errors
    ///
    /// [`NoteError::Malformed`] saying what is wrong.
    pub fn parse(bytes: &[u8]) -> Result<Self, NoteError> {
        if bytes.len() > MAX_BYTES {
            return Err(NoteError::Malformed("longer than 64 KiB"));
        }
        let note =
            std::str::from_utf8(bytes).map_err(|_| NoteError::Malformed("it is not UTF-8"))?;
        if note.bytes().any(|byte| byte < b' ' && byte != b'\n') {
            return Err(NoteError::Malformed("it has a control character"));
        }
        let split = note.rfind("\n\n").ok_or(NoteError::Malformed("no blank line"))?;
        let (text, lines) = note.split_at(split + 1);
        let lines = lines
            .strip_prefix('\n')
            .and_then(|lines| lines.strip_suffix('\n'))
            .ok_or(NoteError::Malformed("no signature line, or no line feed after it"))?;
        let signatures = lines.split('\n').map(SignatureLine::parse).collect::<Result<_, _>>()?;
        Ok(Self { text: text.to_owned(), signatures })
    }

    /// Verifies every signature that claims to be of one of `keys`, and tells whose they are, in
    /// the order of the lines. Lines of unknown keys say nothing and are passed over.
    ///
    /// # Errors
    ///
    /// [`NoteError::BadSignature`] if any of them is wrong, [`NoteError::NoKnownSignature`] if
    /// there is none.
    pub fn verify<'k>(&self, keys: &'k [VerifierKey]) -> Result<Vec<&'k VerifierKey>, NoteError> {
        let mut signers = Vec::new();
        for line in &self.signatures {
            let known = keys.iter().find(|key| key.name() == line.name && key.id() == line.key_id);
            let Some(key) = known else { continue };
            if !key.verify(self.text.as_bytes(), &line.signature) {
                return Err(NoteError::BadSignature { name: line.name.clone() });
            }
            signers.push(key);
        }
        if signers.is_empty() { Err(NoteError::NoKnownSignature) } else { Ok(signers) }
    }
}

impl SignatureLine {
    fn parse(line: &str) -> Result<Self, NoteError> {
        let malformed = NoteError::Malformed("a line under the text is no signature");
        let Some((name, rest)) =
            line.strip_prefix(DASH).and_then(|rest| rest.split_once(' ')).filter(valid)
        else {
            return Err(malformed);
        };
        let bytes = STANDARD.decode(rest).unwrap_or_default();
        match bytes.split_first_chunk() {
            Some((key_id, signature)) if !signature.is_empty() => {
                Ok(Self { name: name.to_owned(), key_id: *key_id, signature: signature.to_vec() })
            }
            _ => Err(malformed),
        }
    }
}

fn valid((name, _): &(&str, &str)) -> bool {
    check_name(name).is_ok()
}

/// The note as it is stored and sent.
impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.text)?;
        self.signatures.iter().try_for_each(|line| {
            let bytes = [line.key_id.as_slice(), &line.signature].concat();
            writeln!(f, "{DASH}{} {}", line.name, STANDARD.encode(bytes))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The note that Go's package documentation shows.
    const NOTE: &str = "If you think cryptography is the answer to your problem,\nthen you don't \
                        know what your problem is.\n\n\u{2014} PeterNeumann \
                        x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngo\
                        tpRZb6KE6RyyBwJnAM=\n";
    const KEY: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";

    #[test]
    fn the_note_of_gos_documentation_verifies_and_prints_as_it_was() {
        let note = Note::parse(NOTE.as_bytes()).unwrap();
        let keys = [KEY.parse().unwrap()];
        assert_eq!(note.verify(&keys).unwrap(), [&keys[0]]);
        assert_eq!(note.to_string(), NOTE);
    }

    #[test]
    fn no_flipped_bit_goes_unseen() {
        let keys = [KEY.parse().unwrap()];
        for at in 0..NOTE.len() {
            for bit in 0..8 {
                let mut bytes = NOTE.as_bytes().to_vec();
                bytes[at] ^= 1 << bit;
                let verified = Note::parse(&bytes).and_then(|note| note.verify(&keys).map(drop));
                assert!(verified.is_err(), "byte {at}, bit {bit}");
            }
        }
    }

    #[test]
    fn a_wrong_signature_of_a_known_key_is_told_from_none_at_all() {
        let key: VerifierKey = KEY.parse().unwrap();
        let note = Note::unsigned("text\n".into()).with_signature(&key, [7; 64]);
        let note = Note::parse(note.to_string().as_bytes()).unwrap();
        let name = "PeterNeumann".to_owned();
        assert_eq!(note.verify(&[key]), Err(NoteError::BadSignature { name }));
        assert_eq!(note.verify(&[]), Err(NoteError::NoKnownSignature));
    }

    #[test]
    fn what_is_no_note_is_refused() {
        let line = "\u{2014} a AAAAAAA=\n";
        for text in [
            String::new(),
            "text\n".into(),
            format!("text{line}"),
            "text\n\n".into(),
            format!("text\n\n{line}\n"),
            format!("te\rxt\n\n{line}"),
            "text\n\n\u{2014} a b AAAAAAA=\n".into(),
            "text\n\n\u{2014} a AAAAAAA\n".into(),
            "text\n\n\u{2014} a AAAAAAB=\n".into(),
            "text\n\n\u{2014} a AAAA\n".into(),
            "text\n\n- a AAAAAAA=\n".into(),
        ] {
            assert!(Note::parse(text.as_bytes()).is_err(), "{text:?}");
        }
        assert!(Note::parse(format!("text\n\n{line}").as_bytes()).is_ok());
        assert!(Note::parse(&vec![b'\n'; MAX_BYTES + 1]).is_err());
    }
}
