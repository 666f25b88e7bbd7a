//! A receipt: proof, on its own, that a log holds a record (C2SP tlog-proof).

use std::fmt;

use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::{
    Hash,
    checkpoint::{Checkpoint, parse_decimal},
    key::VerifierKey,
    note::NoteError,
    proof,
};

const HEADER: &str = "c2sp.org/tlog-proof@v1";

/// The proof that one entry is in the log, as a file that needs nothing else to be verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// Where the entry lies, from 0: its `seq` less one.
    pub index: u64,
    /// The inclusion proof, RFC 6962 §2.1.1.
    pub proof: Vec<Hash>,
    /// The signed checkpoint it leads to.
    pub checkpoint: String,
}

/// The receipt proves nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReceiptError {
    /// It is no receipt.
    #[error("not a `{HEADER}` receipt")]
    Malformed,
    /// Its checkpoint cannot be trusted.
    #[error("the receipt's checkpoint cannot be trusted")]
    Checkpoint(#[from] NoteError),
    /// The entry is not the one it was made for.
    #[error("the entry is not the one at index {index} of `{origin}`")]
    NotIncluded {
        /// The index it names.
        index: u64,
        /// The log it names.
        origin: String,
    },
}

impl Receipt {
    /// Reads a receipt's file strictly; one with extra data is refused: ours never has any.
    ///
    /// # Errors
    ///
    /// [`ReceiptError::Malformed`].
    pub fn parse(text: &str) -> Result<Self, ReceiptError> {
        let malformed = || ReceiptError::Malformed;
        let (head, checkpoint) = text.split_once("\n\n").ok_or_else(malformed)?;
        let mut lines = head.split('\n');
        if lines.next() != Some(HEADER) {
            return Err(malformed());
        }
        let index = lines
            .next()
            .and_then(|line| line.strip_prefix("index "))
            .and_then(parse_decimal)
            .ok_or_else(malformed)?;
        let hash = |line| STANDARD.decode(line).ok()?.try_into().ok();
        let proof = lines.map(hash).collect::<Option<_>>().ok_or_else(malformed)?;
        Ok(Self { index, proof, checkpoint: checkpoint.to_owned() })
    }

    /// Verifies that the log with one of `keys` holds `entry`, and gives the checkpoint that
    /// proves it.
    ///
    /// # Errors
    ///
    /// [`ReceiptError::Checkpoint`] if no key of `keys` has signed it,
    /// [`ReceiptError::NotIncluded`] if the entry is another one.
    pub fn verify(&self, entry: &[u8], keys: &[VerifierKey]) -> Result<Checkpoint, ReceiptError> {
        let at = Checkpoint::open(self.checkpoint.as_bytes(), keys)?;
        if proof::verify_inclusion(&self.proof, self.index, entry, at.size, &at.root) {
            Ok(at)
        } else {
            Err(ReceiptError::NotIncluded { index: self.index, origin: at.origin })
        }
    }
}

/// The receipt's file.
impl fmt::Display for Receipt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{HEADER}\nindex {}", self.index)?;
        self.proof.iter().try_for_each(|hash| writeln!(f, "{}", STANDARD.encode(hash)))?;
        write!(f, "\n{}", self.checkpoint)
    }
}
