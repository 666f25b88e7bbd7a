//! An export's payloads: beside each bundle of entries a file of lines, one a payload.
//!
//! `{"payload":<the stored bytes>,"salt":"<32 hex digits>","seq":<n>}`; bytes that are no JSON on
//! one line stand as `{"payload_b64":"…",…}`. `docs/formats/export.md` has the vectors.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use gov_core::hex::{self, Hex};
use serde::de::IgnoredAny;

use crate::tlog::checkpoint::parse_decimal;

const PLAIN: &[u8] = b"{\"payload\":";
const ENCODED: &[u8] = b"{\"payload_b64\":\"";
const SALT: &str = ",\"salt\":\"";
const SEQ: &str = "\",\"seq\":";

/// One payload with what its commitment needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PayloadLine {
    /// The record's sequence number.
    pub seq: u64,
    /// The salt.
    pub salt: [u8; 16],
    /// The stored bytes.
    pub payload: Vec<u8>,
}

impl PayloadLine {
    /// Appends the line, its line feed included.
    pub fn write(&self, file: &mut Vec<u8>) {
        if is_one_line_of_json(&self.payload) {
            file.extend_from_slice(PLAIN);
            file.extend_from_slice(&self.payload);
        } else {
            file.extend_from_slice(ENCODED);
            file.extend_from_slice(STANDARD.encode(&self.payload).as_bytes());
            file.push(b'"');
        }
        let rest = format!("{SALT}{}{SEQ}{}}}\n", Hex(&self.salt), self.seq);
        file.extend_from_slice(rest.as_bytes());
    }
}

/// Reads a whole file; `None` unless each line is as [`PayloadLine::write`] writes it.
#[must_use]
pub fn parse(file: &[u8]) -> Option<Vec<PayloadLine>> {
    let Some(lines) = file.strip_suffix(b"\n") else {
        return file.is_empty().then(Vec::new);
    };
    lines.split(|byte| *byte == b'\n').map(parse_line).collect()
}

fn parse_line(line: &[u8]) -> Option<PayloadLine> {
    // From the end: nothing behind the payload can be taken for a part of it.
    let line = line.strip_suffix(b"}")?;
    let digits = line.iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
    let (line, seq) = line.split_at_checked(line.len().checked_sub(digits)?)?;
    let line = line.strip_suffix(SEQ.as_bytes())?;
    let (line, salt) = line.split_at_checked(line.len().checked_sub(32)?)?;
    let line = line.strip_suffix(SALT.as_bytes())?;
    let payload = match line.strip_prefix(PLAIN) {
        Some(payload) if is_one_line_of_json(payload) => payload.to_vec(),
        Some(_) => return None,
        None => {
            let encoded = line.strip_prefix(ENCODED)?.strip_suffix(b"\"")?;
            STANDARD.decode(encoded).ok().filter(|bytes| !is_one_line_of_json(bytes))?
        }
    };
    let text = |bytes| std::str::from_utf8(bytes).ok();
    Some(PayloadLine { seq: parse_decimal(text(seq)?)?, salt: hex::parse(text(salt)?)?, payload })
}

fn is_one_line_of_json(bytes: &[u8]) -> bool {
    !bytes.contains(&b'\n') && serde_json::from_slice::<IgnoredAny>(bytes).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines() -> Vec<PayloadLine> {
        let payloads: [&[u8]; 6] = [
            br#"{"command":"ls"}"#,
            br#"{"payload":1},"salt":"00000000000000000000000000000000","seq":9}"#,
            b"",
            b"\xff\x00",
            b"{\n}",
            br#"",\"salt\":\"00000000000000000000000000000000\",\"seq\":9}"#,
        ];
        (1..)
            .zip(payloads)
            .map(|(seq, it)| PayloadLine { seq, salt: [7; 16], payload: it.into() })
            .collect()
    }

    fn written(lines: &[PayloadLine]) -> Vec<u8> {
        let mut file = Vec::new();
        for line in lines {
            line.write(&mut file);
        }
        file
    }

    #[test]
    fn any_bytes_come_back_and_json_stays_readable() {
        let file = written(&lines());
        assert_eq!(parse(&file), Some(lines()));
        assert!(file.starts_with(
            b"{\"payload\":{\"command\":\"ls\"},\"salt\":\"07070707070707070707070707070707\",\"seq\":1}\n"
        ));
        assert_eq!(parse(b""), Some(vec![]));
    }

    #[test]
    fn what_reads_is_what_would_be_written() {
        let file = written(&lines());
        for at in 0..file.len() {
            for bit in 0..8 {
                let mut changed = file.clone();
                changed[at] ^= 1 << bit;
                let Some(read) = parse(&changed) else { continue };
                assert_eq!(written(&read), changed, "byte {at}, bit {bit}");
                assert_ne!(read, lines());
            }
        }
        assert_eq!(parse(&file[..file.len() - 1]), None);
    }
}
