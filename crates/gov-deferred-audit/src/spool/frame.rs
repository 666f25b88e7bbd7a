//! The spool's bytes: the header of a segment and the frame around one record.
//!
//! `docs/formats/spool-frame.md` is the format's description; its vectors are tested here.

use gov_core::hex::Hex;

/// How long a segment's header is, in bytes.
pub(crate) const HEADER_BYTES: u64 = 32;

/// How many bytes a frame adds to its body.
pub(crate) const FRAME_BYTES: usize = 16;

/// The longest body, in bytes: the largest payload, and room for everything beside it.
pub(crate) const MAX_BODY_BYTES: usize = crate::record::MAX_PAYLOAD_BYTES + 16 * 1024;

/// The version of the format that is written.
pub(crate) const VERSION: u32 = 1;

const MAGIC: &[u8; 8] = b"govspool";

/// Eight random bytes that begin every frame of one segment.
///
/// After a damaged frame the next one is found by it. A payload cannot forge a frame, because who
/// writes payloads does not know it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mark(pub(crate) [u8; 8]);

impl Mark {
    pub(crate) fn random() -> Result<Self, getrandom::Error> {
        let mut bytes = [0; 8];
        getrandom::fill(&mut bytes)?;
        Ok(Self(bytes))
    }
}

/// Without the bytes: who knows them can forge a frame.
impl std::fmt::Debug for Mark {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Mark")
    }
}

/// What a segment says about itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) number: u64,
    pub(crate) mark: Mark,
}

/// Why bytes are no header that this build reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HeaderProblem {
    Damaged,
    Newer(u32),
}

impl Header {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(32);
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&VERSION.to_le_bytes());
        bytes.extend_from_slice(&self.number.to_le_bytes());
        bytes.extend_from_slice(&self.mark.0);
        let crc = crc32fast::hash(&bytes);
        bytes.extend_from_slice(&crc.to_le_bytes());
        bytes
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, HeaderProblem> {
        let damaged = HeaderProblem::Damaged;
        let header = bytes.first_chunk::<32>().ok_or(damaged)?;
        let (said, crc) = header.split_last_chunk::<4>().ok_or(damaged)?;
        if crc32fast::hash(said) != u32::from_le_bytes(*crc) {
            return Err(damaged);
        }
        let rest = said.strip_prefix(MAGIC.as_slice()).ok_or(damaged)?;
        let (version, rest) = rest.split_first_chunk::<4>().ok_or(damaged)?;
        match u32::from_le_bytes(*version) {
            VERSION => (),
            newer => return Err(HeaderProblem::Newer(newer)),
        }
        let (number, rest) = rest.split_first_chunk::<8>().ok_or(damaged)?;
        let mark = Mark(*rest.first_chunk::<8>().ok_or(damaged)?);
        Ok(Self { number: u64::from_le_bytes(*number), mark })
    }
}

/// Puts the frame around `body`.
pub(crate) fn encode(mark: Mark, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len()).unwrap_or(u32::MAX).to_le_bytes();
    let mut frame = Vec::with_capacity(FRAME_BYTES + body.len());
    frame.extend_from_slice(&mark.0);
    frame.extend_from_slice(&length);
    frame.extend_from_slice(&checksum(length, body).to_le_bytes());
    frame.extend_from_slice(body);
    frame
}

/// What stands at the beginning of some bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found<'a> {
    /// A whole frame with this body.
    Whole(&'a [u8]),
    /// The beginning of a frame that goes on behind the end of the bytes.
    Torn,
    /// No frame.
    Bad,
}

/// Reads one frame.
pub(crate) fn decode(mark: Mark, bytes: &[u8]) -> Found<'_> {
    let Some((head, rest)) = bytes.split_first_chunk::<FRAME_BYTES>() else {
        let begun = bytes.iter().zip(mark.0).all(|(found, wanted)| *found == wanted);
        return if begun { Found::Torn } else { Found::Bad };
    };
    let [m0, m1, m2, m3, m4, m5, m6, m7, l0, l1, l2, l3, c0, c1, c2, c3] = *head;
    let length = [l0, l1, l2, l3];
    let body_bytes = usize::try_from(u32::from_le_bytes(length)).unwrap_or(usize::MAX);
    if [m0, m1, m2, m3, m4, m5, m6, m7] != mark.0 || body_bytes > MAX_BODY_BYTES {
        return Found::Bad;
    }
    match rest.get(..body_bytes) {
        None => Found::Torn,
        Some(body) if checksum(length, body) == u32::from_le_bytes([c0, c1, c2, c3]) => {
            Found::Whole(body)
        }
        Some(_) => Found::Bad,
    }
}

/// How many bytes the frame around `body` takes.
pub(crate) fn frame_bytes(body: &[u8]) -> u64 {
    u64::try_from(FRAME_BYTES + body.len()).unwrap_or(u64::MAX)
}

/// The name under which a damaged range is kept: the same for the same damage.
pub(crate) fn quarantine_name(mark: Mark, segment: u64, offset: u64) -> String {
    // A digest of the mark, since the mark itself must not be shown.
    let digest = gov_core::canonical::sha256(&mark.0);
    format!("spool-{}-{segment}-{offset}.bin", Hex(digest.first_chunk::<4>().unwrap_or(&[0; 4])))
}

fn checksum(length: [u8; 4], body: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&length);
    hasher.update(body);
    hasher.finalize()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MARK: Mark = Mark(*b"\x01\x02\x03\x04\x05\x06\x07\x08");

    #[test]
    fn a_frame_reads_back_and_every_flipped_bit_in_it_is_noticed() {
        let frame = encode(MARK, b"body");
        assert_eq!(decode(MARK, &frame), Found::Whole(b"body"));
        for at in 0..frame.len() {
            for bit in 0..8 {
                let mut broken = frame.clone();
                broken[at] ^= 1 << bit;
                assert!(!matches!(decode(MARK, &broken), Found::Whole(_)), "byte {at} bit {bit}");
            }
        }
    }

    #[test]
    fn a_frame_that_is_cut_off_anywhere_is_torn() {
        let frame = encode(MARK, b"body");
        for end in 0..frame.len() {
            assert_eq!(decode(MARK, &frame[..end]), Found::Torn, "cut at {end}");
        }
    }

    #[test]
    fn a_header_reads_back_and_says_when_it_is_newer_or_damaged() {
        let header = Header { number: 7, mark: MARK };
        let bytes = header.encode();
        assert_eq!((bytes.len() as u64, Header::decode(&bytes)), (HEADER_BYTES, Ok(header)));
        for at in 0..bytes.len() {
            let mut broken = bytes.clone();
            broken[at] ^= 1;
            assert_eq!(Header::decode(&broken), Err(HeaderProblem::Damaged), "byte {at}");
        }
        let mut newer = bytes[..28].to_vec();
        newer[8] = 2;
        newer.extend_from_slice(&crc32fast::hash(&newer).to_le_bytes());
        assert_eq!(Header::decode(&newer), Err(HeaderProblem::Newer(2)));
    }

    #[test]
    fn the_vectors_of_the_format_description_come_out_byte_for_byte() {
        let header = Header { number: 1, mark: MARK };
        assert_eq!(Hex(&header.encode()).to_string(), vector("header"));
        assert_eq!(Hex(&encode(MARK, b"body")).to_string(), vector("frame"));
    }

    fn vector(name: &str) -> &'static str {
        crate::spool::body::tests::vector(name)
    }
}
