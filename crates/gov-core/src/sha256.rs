//! SHA-256 (FIPS 180-4) of many messages at once: a lane of the processor's vectors for each.
//!
//! A tree and its records are thousands of short messages. Where the processor has instructions for
//! SHA-256 they are hashed one by one, elsewhere side by side, several times as fast.

use std::io::Write as _;

use sha2::{Digest as _, Sha256};

mod lanes;

/// A SHA-256.
pub type Digest = [u8; 32];

/// How many bytes are hashed at a time.
const BLOCK_BYTES: usize = 64;

/// One message, in two parts: what is put before it, and what it is.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    /// The bytes before the body: a prefix that tells kinds of messages apart, or a key.
    pub head: &'a [u8],
    /// The message itself.
    pub body: &'a [u8],
}

/// The digests of `head ‖ body` of all messages, in their order.
#[must_use]
pub fn digest_all(messages: &[Message<'_>]) -> Vec<Digest> {
    if messages.len() == 1 || has_instructions() {
        messages.iter().map(digest).collect()
    } else {
        lanes::digest_all(messages)
    }
}

/// HMAC-SHA256 (RFC 2104) of each body under its own key of at most 64 bytes, in their order.
#[must_use]
pub fn hmac_all<const N: usize>(keyed: &[(&[u8; N], &[u8])]) -> Vec<Digest> {
    const { assert!(N <= BLOCK_BYTES, "a longer key would be hashed first") };
    let heads: Vec<_> = keyed.iter().map(|(key, _)| padded(*key, 0x36)).collect();
    let inner = heads.iter().zip(keyed).map(|(head, (_, body))| Message { head, body });
    let inner = digest_all(&inner.collect::<Vec<_>>());
    let heads: Vec<_> = keyed.iter().map(|(key, _)| padded(*key, 0x5c)).collect();
    let outer = heads.iter().zip(&inner).map(|(head, body)| Message { head, body });
    digest_all(&outer.collect::<Vec<_>>())
}

fn padded(key: &[u8], pad: u8) -> [u8; BLOCK_BYTES] {
    let mut block = [pad; BLOCK_BYTES];
    block.iter_mut().zip(key).for_each(|(byte, key)| *byte ^= key);
    block
}

fn digest(message: &Message<'_>) -> Digest {
    Sha256::new().chain_update(message.head).chain_update(message.body).finalize().into()
}

fn has_instructions() -> bool {
    #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
    return std::arch::is_x86_feature_detected!("sha");
    #[cfg(target_arch = "aarch64")]
    return std::arch::is_aarch64_feature_detected!("sha2");
    #[cfg(not(any(target_arch = "x86", target_arch = "x86_64", target_arch = "aarch64")))]
    false
}

/// What of a message is still to be hashed, block by block, with its padding (FIPS 180-4 §5.1.1).
#[derive(Clone, Copy, Debug)]
struct Blocks<'a> {
    head: &'a [u8],
    body: &'a [u8],
    bits: u64,
    /// The byte behind the message, until it is out.
    end: &'a [u8],
    left: usize,
}

impl<'a> Blocks<'a> {
    fn of(message: &Message<'a>) -> Self {
        let Message { head, body } = *message;
        let bytes = head.len() + body.len();
        // Behind it stand at least one byte that marks its end, and eight that say its length.
        let left = (bytes + 9).div_ceil(BLOCK_BYTES);
        Self { head, body, bits: bytes as u64 * 8, end: &[0x80], left }
    }

    /// The next block; `None` after the last.
    fn next(&mut self) -> Option<[u8; BLOCK_BYTES]> {
        self.left = self.left.checked_sub(1)?;
        let mut block = [0; BLOCK_BYTES];
        let mut room = &mut block[..];
        for part in [&mut self.head, &mut self.body, &mut self.end] {
            let taken = room.write(part).unwrap_or(0);
            *part = part.get(taken..).unwrap_or_default();
        }
        if self.left == 0
            && let Some(length) = block.last_chunk_mut()
        {
            *length = self.bits.to_be_bytes();
        }
        Some(block)
    }
}

#[cfg(test)]
mod tests {
    use hmac::{Hmac, KeyInit as _, Mac as _};
    use proptest::{collection::vec, prelude::*};

    use super::*;

    /// FIPS 180-4's own examples, and the two lengths around which the padding changes.
    #[test]
    fn the_digests_are_the_known_ones() {
        let long = [b'a'; 56];
        let bodies = [&b"abc"[..], b"", &long[..55], &long];
        let messages = bodies.map(|body| Message { head: &[], body });
        let digests =
            lanes::digest_all(&messages).into_iter().map(|it| crate::hex::Hex(&it).to_string());
        assert_eq!(
            digests.collect::<Vec<_>>(),
            [
                "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
                "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
                "9f4390f8d30c2dd92ec9f095b65e2b9ae9b0a925a5258e241c9f1e910f734318",
                "b35439a4ac6f0948b6d6f9e3c6af0f5f590ce20f1bde7090ef7970686ec6738a",
            ]
        );
    }

    #[test]
    fn every_length_around_the_blocks_is_hashed_as_one_by_one() {
        let bytes: Vec<u8> = (0..=255).collect();
        let parts = (0..=64).flat_map(|head| (0..=200).map(move |body| (head, body)));
        let messages: Vec<_> = parts
            .map(|(head, body)| Message { head: &bytes[..head], body: &bytes[..body] })
            .collect();
        let wanted: Vec<_> = messages.iter().map(digest).collect();
        assert_eq!(lanes::digest_all(&messages), wanted);
    }

    proptest! {
        #[test]
        fn messages_of_any_lengths_side_by_side_are_hashed_as_one_by_one(
            bodies in vec(vec(any::<u8>(), 0..3000), 0..40), head in vec(any::<u8>(), 0..64),
        ) {
            let messages: Vec<_> = bodies.iter().map(|body| Message { head: &head, body }).collect();
            let wanted: Vec<_> = messages.iter().map(digest).collect();
            prop_assert_eq!(lanes::digest_all(&messages), wanted.clone());
            prop_assert_eq!(digest_all(&messages), wanted);
        }

        #[test]
        fn keyed_digests_are_those_of_rfc_2104(
            bodies in vec((any::<[u8; 16]>(), vec(any::<u8>(), 0..300)), 0..20),
        ) {
            let keyed: Vec<_> = bodies.iter().map(|(key, body)| (key, body.as_slice())).collect();
            let wanted = bodies.iter().map(|(key, body)| {
                let mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
                mac.chain_update(body).finalize().into_bytes().into()
            });
            prop_assert_eq!(hmac_all(&keyed), wanted.collect::<Vec<Digest>>());
        }
    }
}
