//! The checkpoints that the log signs.

use crate::tlog::{Hash, checkpoint::Checkpoint, key::VerifierKey, note::Note};

/// What is signed: the checkpoint of this size under the key's name.
pub(super) fn unsigned(key: &VerifierKey, size: u64, root: &Hash) -> String {
    Checkpoint { origin: key.name().to_owned(), size, root: *root }.to_string()
}

/// A checkpoint with the log's own signature.
pub(super) fn with_signature(text: String, key: &VerifierKey, signature: [u8; 64]) -> String {
    Note::unsigned(text).with_signature(key, signature).to_string()
}
