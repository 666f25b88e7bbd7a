//! A transparency log's pure parts: hashes, tiles, proofs, signed notes. No I/O, no SQL.
//!
//! The tree is RFC 6962 §2.1 over SHA-256; tiles, checkpoints, notes and receipts are C2SP's
//! tlog-tiles, tlog-checkpoint, tlog-cosignature, signed-note and tlog-proof, so outside tools read
//! them unchanged.

use gov_core::sha256::{self, Message};
use sha2::{Digest as _, Sha256};

pub mod bundle;
pub mod checkpoint;
pub mod cosignature;
pub mod edge;
pub mod key;
pub mod note;
pub mod proof;
pub mod receipt;
pub mod tile;

/// How many bytes a hash has.
pub const HASH_BYTES: usize = 32;

/// A SHA-256.
pub type Hash = [u8; HASH_BYTES];

/// The hash of a leaf: SHA-256(0x00 ‖ entry), RFC 6962 §2.1.
#[must_use]
pub fn leaf_hash(entry: &[u8]) -> Hash {
    Sha256::new().chain_update([0]).chain_update(entry).finalize().into()
}

/// The hash of an inner node: SHA-256(0x01 ‖ left ‖ right), RFC 6962 §2.1.
#[must_use]
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    Sha256::new().chain_update([1]).chain_update(left).chain_update(right).finalize().into()
}

/// The [leaf hashes](leaf_hash) of many entries, several times as fast as one by one.
#[must_use]
pub fn leaf_hashes<'a>(entries: impl IntoIterator<Item = &'a [u8]>) -> Vec<Hash> {
    let message = |body| Message { head: &[0], body };
    sha256::digest_all(&entries.into_iter().map(message).collect::<Vec<_>>())
}

/// The [node hashes](node_hash) over a row of hashes, two by two; the last of an odd number is left
/// out.
#[must_use]
pub fn parents(row: &[Hash]) -> Vec<Hash> {
    let pairs = row.as_chunks::<2>().0.iter();
    let messages = pairs.map(|pair| Message { head: &[1], body: pair.as_flattened() });
    sha256::digest_all(&messages.collect::<Vec<_>>())
}

/// The root of the tree without leaves: SHA-256 of nothing, RFC 6962 §2.1.
#[must_use]
pub fn empty_root() -> Hash {
    Sha256::digest([]).into()
}

#[cfg(test)]
mod tests {
    use gov_core::hex::Hex;

    use super::*;

    /// The vectors that Certificate Transparency implementations share.
    #[test]
    fn the_hashes_are_the_known_ones() {
        assert_eq!(
            Hex(&empty_root()).to_string(),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        );
        assert_eq!(
            Hex(&leaf_hash(b"")).to_string(),
            "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"
        );
        let (a, b) = (leaf_hash(b""), leaf_hash(&[0]));
        assert_eq!(
            Hex(&node_hash(&a, &b)).to_string(),
            "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"
        );
    }
}
