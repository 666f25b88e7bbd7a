//! Payloads as an event may carry them.

use gov_core::{Payload, event::MAX_PAYLOAD_BYTES, hex::Hex};

/// The payload, or in place of one beyond [`MAX_PAYLOAD_BYTES`] a word about what is left out:
/// `{"digest": …, "omitted": {"bytes": …}}` under the same salt.
///
/// The digest is the commitment of what was left out, so whoever has that can still prove it. The
/// same payload always becomes the same word.
#[must_use]
pub fn bounded(payload: Payload) -> Payload {
    let bytes = payload.as_bytes().len();
    if bytes <= MAX_PAYLOAD_BYTES {
        return payload;
    }
    let digest = payload.commit();
    let word = format!(r#"{{"digest":"{}","omitted":{{"bytes":{bytes}}}}}"#, Hex(&digest));
    Payload::from_parts(word.into_bytes(), *payload.salt())
}

/// What stands for a payload that is erased: `null`.
#[must_use]
pub fn erased() -> Payload {
    Payload::from_parts(b"null".to_vec(), [0; gov_core::payload::SALT_BYTES])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_at_the_limit_is_kept_and_one_beyond_leaves_a_word() {
        let payload = |bytes| Payload::from_parts(vec![b'1'; bytes], [7; 16]);
        assert_eq!(bounded(payload(65_536)), payload(65_536));
        let word = bounded(payload(65_537));
        let commit = Hex(&payload(65_537).commit()).to_string();
        let expected = format!(r#"{{"digest":"{commit}","omitted":{{"bytes":65537}}}}"#);
        assert_eq!(String::from_utf8_lossy(word.as_bytes()), expected);
        assert_eq!(word.salt(), &[7; 16]);
        assert_eq!(bounded(payload(65_537)), word, "a repeat makes another event of it");
    }
}
