//! Bytes as lower-case hexadecimal digits.

use std::fmt;

/// Prints bytes as lower-case hex, two digits a byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hex<'a>(pub &'a [u8]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut digits = [[0; 2]; 32];
        self.0.chunks(digits.len()).try_for_each(|bytes| {
            digits.iter_mut().zip(bytes).for_each(|(pair, byte)| *pair = pair_of(*byte));
            let (written, _) = digits.as_flattened().split_at(2 * bytes.len());
            f.write_str(std::str::from_utf8(written).map_err(|_| fmt::Error)?)
        })
    }
}

/// Appends `bytes` as text: what [`Hex`] prints, where it is written by the thousand.
pub fn push(text: &mut Vec<u8>, bytes: &[u8]) {
    text.extend(bytes.iter().flat_map(|byte| pair_of(*byte)));
}

/// Reads exactly `N` bytes from `2 * N` lower-case hex digits; `None` for anything else.
#[must_use]
pub fn parse<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digits = text.as_bytes();
    if digits.len() != 2 * N {
        return None;
    }
    let mut bytes = [0; N];
    // Judged once at the end: a branch for each digit costs more than all the digits.
    let mut seen = 0;
    for (byte, [high, low]) in bytes.iter_mut().zip(digits.as_chunks().0) {
        let (high, low) = (value_of(*high), value_of(*low));
        seen |= high | low;
        *byte = (high << 4) | (low & 15);
    }
    (seen < 16).then_some(bytes)
}

const fn pair_of(byte: u8) -> [u8; 2] {
    const fn digit_of(nibble: u8) -> u8 {
        if nibble < 10 { b'0' + nibble } else { b'a' + nibble - 10 }
    }
    [digit_of(byte >> 4), digit_of(byte & 15)]
}

/// From 0 to 15; more for what is no digit.
const fn value_of(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        b'a'..=b'f' => digit - b'a' + 10,
        _ => u8::MAX,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_reads_back() {
        let bytes: [u8; 256] = std::array::from_fn(|it| u8::try_from(it).unwrap());
        assert_eq!(parse::<256>(&Hex(&bytes).to_string()), Some(bytes));
        let mut text = Vec::new();
        push(&mut text, &bytes);
        assert_eq!(text, Hex(&bytes).to_string().into_bytes());
    }

    #[test]
    fn any_other_spelling_is_refused() {
        for text in ["", "a", "AB", "0g", "abc", "ab ", "+1"] {
            assert_eq!(parse::<1>(text), None, "{text}");
        }
    }
}
