//! Reading a segment after a restart: what is whole, what is damaged, where the torn end begins.

use std::ops::Range;

use crate::spool::frame::{self, Found, HEADER_BYTES, Mark};

/// Whole frames that follow each other without a gap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stretch {
    /// Offsets in the segment.
    pub(crate) bytes: Range<u64>,
    pub(crate) frames: u64,
}

/// What a segment holds.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Scan {
    pub(crate) whole: Vec<Stretch>,
    /// Damaged ranges: bytes in which a whole frame once was, or may have been.
    pub(crate) bad: Vec<Range<u64>>,
    /// Where a frame begins that was never completely written: the segment ends here.
    pub(crate) torn: Option<u64>,
}

/// Judges a whole segment, header included; the header was read already.
pub(crate) fn scan(mark: Mark, segment: &[u8]) -> Scan {
    let mut scan = Scan::default();
    let mut at = HEADER_BYTES;
    while let Some(rest) = usize::try_from(at).ok().and_then(|at| segment.get(at..)) {
        if rest.is_empty() {
            break;
        }
        match frame::decode(mark, rest) {
            Found::Whole(body) => {
                let end = at + frame::frame_bytes(body);
                scan.put_whole(at..end);
                at = end;
            }
            found @ (Found::Torn | Found::Bad) => {
                if let Some(distance) = next_whole(mark, rest) {
                    scan.bad.push(at..at + distance);
                    at += distance;
                    continue;
                }
                // A file that grew before its bytes arrived shows zeros after a power loss.
                if found == Found::Torn || rest.iter().all(|byte| *byte == 0) {
                    scan.torn = Some(at);
                } else {
                    scan.bad.push(at..at + u64::try_from(rest.len()).unwrap_or(u64::MAX));
                }
                break;
            }
        }
    }
    scan
}

impl Scan {
    fn put_whole(&mut self, bytes: Range<u64>) {
        match self.whole.last_mut() {
            Some(last) if last.bytes.end == bytes.start => {
                last.bytes.end = bytes.end;
                last.frames += 1;
            }
            _ => self.whole.push(Stretch { bytes, frames: 1 }),
        }
    }
}

/// How many bytes at the beginning of `bytes`, which begin with no whole frame, are to be skipped.
pub(crate) fn resume(mark: Mark, bytes: &[u8]) -> u64 {
    next_whole(mark, bytes).unwrap_or_else(|| u64::try_from(bytes.len()).unwrap_or(u64::MAX))
}

/// How far behind the beginning of `bytes` the next whole frame starts.
fn next_whole(mark: Mark, bytes: &[u8]) -> Option<u64> {
    let starts = bytes.windows(mark.0.len()).enumerate().skip(1);
    starts
        .filter(|(_, window)| *window == mark.0)
        .map(|(at, _)| at)
        .find(|at| {
            bytes
                .get(*at..)
                .is_some_and(|rest| matches!(frame::decode(mark, rest), Found::Whole(_)))
        })
        .and_then(|at| u64::try_from(at).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    const MARK: Mark = Mark(*b"mmmmMMMM");

    /// Three frames of 20 bytes behind the header.
    fn segment() -> Vec<u8> {
        let mut bytes = vec![0; 32];
        for body in [b"aaaa", b"bbbb", b"cccc"] {
            bytes.extend_from_slice(&frame::encode(MARK, body));
        }
        bytes
    }

    fn stretch(bytes: Range<u64>, frames: u64) -> Stretch {
        Stretch { bytes, frames }
    }

    #[test]
    fn whole_frames_are_one_stretch() {
        let scan = scan(MARK, &segment());
        assert_eq!(scan, Scan { whole: vec![stretch(32..92, 3)], ..Scan::default() });
    }

    #[test]
    fn a_torn_last_frame_is_cut_wherever_it_tears() {
        let whole = segment();
        for end in 73..92 {
            let scan = scan(MARK, &whole[..end]);
            assert_eq!(scan.whole, [stretch(32..72, 2)]);
            assert_eq!((scan.torn, scan.bad.len()), (Some(72), 0), "cut at {end}");
        }
    }

    #[test]
    fn a_damaged_frame_in_the_middle_is_a_range_and_the_rest_is_whole() {
        for at in 52..72 {
            let mut bytes = segment();
            bytes[at] ^= 0x40;
            let scan = scan(MARK, &bytes);
            assert_eq!(scan.whole, [stretch(32..52, 1), stretch(72..92, 1)], "byte {at}");
            assert_eq!(
                (&scan.bad[0], scan.bad.len(), scan.torn),
                (&(52..72), 1, None),
                "byte {at}"
            );
        }
    }

    #[test]
    fn a_damaged_last_frame_that_is_all_there_is_not_taken_for_torn() {
        let mut bytes = segment();
        bytes[91] ^= 1;
        assert_eq!(scan(MARK, &bytes).bad[0], 72..92);
    }

    #[test]
    fn zeros_at_the_end_are_a_write_that_never_arrived() {
        let mut bytes = segment();
        bytes.resize(400, 0);
        assert_eq!((scan(MARK, &bytes).torn, scan(MARK, &bytes).bad.len()), (Some(92), 0));
    }

    #[test]
    fn a_frame_inside_a_payload_is_not_found_by_who_does_not_know_the_mark() {
        let mut bytes = segment();
        let forged = frame::encode(Mark(*b"mmmmMMMX"), b"forged");
        let outer = frame::encode(MARK, &forged);
        bytes.extend_from_slice(&outer);
        let at = bytes.len() - 1;
        bytes[at] ^= 1;
        assert_eq!(scan(MARK, &bytes).whole, [stretch(32..92, 3)]);
    }
}
