//! A bundle: the entries of one level-0 tile (C2SP tlog-tiles).

/// The longest entry, in bytes: its length is written in two.
pub const MAX_ENTRY_BYTES: usize = u16::MAX as usize;

/// Appends one entry to a bundle: its length in two bytes, big-endian, then its bytes.
///
/// # Errors
///
/// [`EntryTooLong`] beyond [`MAX_ENTRY_BYTES`]; the bundle is as before.
pub fn push(bundle: &mut Vec<u8>, entry: &[u8]) -> Result<(), EntryTooLong> {
    let length = u16::try_from(entry.len()).map_err(|_| EntryTooLong { got: entry.len() })?;
    bundle.extend_from_slice(&length.to_be_bytes());
    bundle.extend_from_slice(entry);
    Ok(())
}

/// An entry is longer than the format can say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a log entry must be at most {MAX_ENTRY_BYTES} bytes; received {got}")]
pub struct EntryTooLong {
    /// Its length, in bytes.
    pub got: usize,
}

/// Splits a bundle into its entries; `None` if it ends within one.
#[must_use]
pub fn split(mut bundle: &[u8]) -> Option<Vec<&[u8]>> {
    let mut entries = Vec::new();
    while !bundle.is_empty() {
        let (length, rest) = bundle.split_first_chunk()?;
        let (entry, rest) = rest.split_at_checked(u16::from_be_bytes(*length).into())?;
        entries.push(entry);
        bundle = rest;
    }
    Some(entries)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_come_back_and_a_torn_bundle_does_not() {
        let longest = vec![7; MAX_ENTRY_BYTES];
        let mut bundle = Vec::new();
        for entry in [&b""[..], b"one", &longest] {
            push(&mut bundle, entry).unwrap();
        }
        assert_eq!(split(&bundle).unwrap(), [&b""[..], b"one", &longest]);
        let length = bundle.len();
        assert_eq!(push(&mut bundle, &vec![0; MAX_ENTRY_BYTES + 1]).unwrap_err().got, 65_536);
        assert_eq!(bundle.len(), length);
        bundle.pop();
        assert_eq!(split(&bundle), None);
        assert_eq!(split(&[0]), None);
    }
}
