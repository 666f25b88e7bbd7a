//! Bytes as lower-case hexadecimal digits.

use std::fmt;

/// Prints bytes as lower-case hex, two digits a byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hex<'a>(pub &'a [u8]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Reads exactly `N` bytes from `2 * N` lower-case hex digits; `None` for anything else.
#[must_use]
pub fn parse<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digits = text.as_bytes();
    if digits.len() != 2 * N {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = match pair {
            [high, low] => (digit(*high)? << 4) | digit(*low)?,
            _ => return None,
        };
    }
    Some(bytes)
}

fn digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_reads_back() {
        let bytes: [u8; 256] = std::array::from_fn(|it| u8::try_from(it).unwrap());
        assert_eq!(parse::<256>(&Hex(&bytes).to_string()), Some(bytes));
    }

    #[test]
    fn any_other_spelling_is_refused() {
        for text in ["", "a", "AB", "0g", "abc", "ab ", "+1"] {
            assert_eq!(parse::<1>(text), None, "{text}");
        }
    }
}
