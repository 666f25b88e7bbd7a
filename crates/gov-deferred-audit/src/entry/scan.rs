//! Reads an entry's bytes in one pass, without copying or re-serialising them.

use gov_core::hex;

use super::{EntryError, FORMAT_VERSION};
use crate::record::MAX_POLICY_VERSION;

/// An entry's fields as they stand in its bytes: strings with their quotes and escapes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scanned<'a> {
    /// The action's `kind` tag.
    pub action_kind: Option<&'a str>,
    /// The agent concerned.
    pub agent: Option<&'a str>,
    /// What was decided.
    pub decision: Option<&'a str>,
    /// The action's digest.
    pub digest: Option<&'a str>,
    /// The record's id.
    pub id: &'a str,
    /// What happened.
    pub kind: &'a str,
    /// The log it belongs to.
    pub origin: &'a str,
    /// The payload's commitment.
    pub payload_commit: [u8; 32],
    /// The policy version that decided.
    pub policy_version: Option<u64>,
    /// Why.
    pub reason: Option<&'a str>,
    /// The policy that decided.
    pub rule_id: Option<&'a str>,
    /// Its place in its log, from 1.
    pub seq: u64,
    /// The agent's session.
    pub session: Option<&'a str>,
    /// When it happened.
    pub ts: &'a str,
}

impl<'a> Scanned<'a> {
    /// Reads version 1 and nothing that JCS would write otherwise.
    ///
    /// # Errors
    ///
    /// As [`Entry::from_bytes`](super::Entry::from_bytes).
    pub fn of(bytes: &'a [u8]) -> Result<Self, EntryError> {
        let text = std::str::from_utf8(bytes)
            .map_err(|_| EntryError::Malformed { field: "action_kind" })?;
        let rest = version(text)?;
        let mut cursor = Cursor { rest, key: "action_kind" };
        let scanned = cursor.envelope();
        scanned.map_err(|Wrong| EntryError::Malformed { field: cursor.key })
    }
}

/// Checks the version, which is the last field, and gives what is before it.
fn version(text: &str) -> Result<&str, EntryError> {
    if let Some(rest) = text.strip_suffix(",\"v\":1}") {
        return Ok(rest);
    }
    let malformed = EntryError::Malformed { field: "v" };
    let Some((rest, version)) = text.strip_suffix('}').and_then(|text| text.rsplit_once(",\"v\":"))
    else {
        return Err(malformed);
    };
    match crate::tlog::checkpoint::parse_decimal(version) {
        Some(FORMAT_VERSION) => Ok(rest),
        Some(version) => Err(EntryError::UnknownVersion { version }),
        None => Err(malformed),
    }
}

struct Cursor<'a> {
    rest: &'a str,
    /// The field that is being read, for the error.
    key: &'static str,
}

/// The field under the cursor is not as it must be.
struct Wrong;

impl<'a> Cursor<'a> {
    fn envelope(&mut self) -> Result<Scanned<'a>, Wrong> {
        self.literal("{")?;
        let scanned = Scanned {
            action_kind: self.first("action_kind")?.nullable(Self::string)?,
            agent: self.next("agent")?.nullable(Self::string)?,
            decision: self.next("decision")?.nullable(Self::string)?,
            digest: self.next("digest")?.nullable(Self::digest)?,
            id: self.next("id")?.shaped(is_record_id)?,
            kind: self.next("kind")?.string()?,
            origin: self.next("origin")?.string()?,
            payload_commit: unquoted_hex(self.next("payload_commit")?.string()?).ok_or(Wrong)?,
            policy_version: self.next("policy_version")?.nullable(Self::number)?,
            reason: self.next("reason")?.nullable(Self::string)?,
            rule_id: self.next("rule_id")?.nullable(Self::string)?,
            seq: self.next("seq")?.seq()?,
            session: self.next("session")?.nullable(Self::string)?,
            ts: self.next("ts")?.shaped(is_timestamp)?,
        };
        if self.rest.is_empty() { Ok(scanned) } else { Err(Wrong) }
    }

    fn first(&mut self, key: &'static str) -> Result<&mut Self, Wrong> {
        self.key = key;
        self.literal("\"")?;
        self.literal(key)?;
        self.literal("\":")?;
        Ok(self)
    }

    fn next(&mut self, key: &'static str) -> Result<&mut Self, Wrong> {
        self.literal(",")?;
        self.first(key)
    }

    fn literal(&mut self, text: &str) -> Result<(), Wrong> {
        self.rest = self.rest.strip_prefix(text).ok_or(Wrong)?;
        Ok(())
    }

    fn take(&mut self, length: usize) -> Result<&'a str, Wrong> {
        let (taken, rest) = self.rest.split_at_checked(length).ok_or(Wrong)?;
        self.rest = rest;
        Ok(taken)
    }

    fn nullable<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T, Wrong>,
    ) -> Result<Option<T>, Wrong> {
        if self.literal("null").is_ok() { Ok(None) } else { read(self).map(Some) }
    }

    fn shaped(&mut self, fits: impl FnOnce(&str) -> bool) -> Result<&'a str, Wrong> {
        let quoted = self.string()?;
        if fits(quoted) { Ok(quoted) } else { Err(Wrong) }
    }

    fn digest(&mut self) -> Result<&'a str, Wrong> {
        self.shaped(|quoted| unquoted_hex::<32>(quoted).is_some())
    }

    fn number(&mut self) -> Result<u64, Wrong> {
        let digits = self.rest.bytes().take_while(u8::is_ascii_digit).count();
        let digits = self.take(digits)?;
        let number = digits.parse().map_err(|_| Wrong)?;
        let canonical = digits == "0" || !digits.starts_with('0');
        if canonical && number <= MAX_POLICY_VERSION { Ok(number) } else { Err(Wrong) }
    }

    fn seq(&mut self) -> Result<u64, Wrong> {
        self.number().and_then(|seq| if seq > 0 { Ok(seq) } else { Err(Wrong) })
    }

    /// A string with its quotes, escaped as RFC 8785 §3.2.2.2 does it and not otherwise.
    fn string(&mut self) -> Result<&'a str, Wrong> {
        let bytes = self.rest.as_bytes();
        if bytes.first() != Some(&b'"') {
            return Err(Wrong);
        }
        let mut at = 1;
        loop {
            match bytes.get(at).ok_or(Wrong)? {
                b'"' => return self.take(at + 1),
                b'\\' => at += escape(bytes.get(at + 1..).unwrap_or_default()).ok_or(Wrong)?,
                0..=0x1f => return Err(Wrong),
                _ => at += 1,
            }
        }
    }
}

/// How long the escape is whose backslash stands before `bytes`; `None` if JCS never writes it.
fn escape(bytes: &[u8]) -> Option<usize> {
    match bytes {
        [b'"' | b'\\' | b'b' | b't' | b'n' | b'f' | b'r', ..] => Some(2),
        [b'u', b'0', b'0', high, low, ..] => {
            let [value] = hex::parse::<1>(std::str::from_utf8(&[*high, *low]).ok()?)?;
            let has_short = matches!(value, 8 | 9 | 10 | 12 | 13);
            (value < 0x20 && !has_short).then_some(6)
        }
        _ => None,
    }
}

fn unquoted_hex<const N: usize>(quoted: &str) -> Option<[u8; N]> {
    hex::parse(quoted.get(1..quoted.len().checked_sub(1)?)?)
}

fn is_record_id(quoted: &str) -> bool {
    let digits = quoted.strip_prefix("\"rec_").and_then(|rest| rest.strip_suffix('"'));
    digits.and_then(hex::parse::<16>).is_some()
}

/// Only its shape: whether there is such a day does not matter to a proof.
fn is_timestamp(quoted: &str) -> bool {
    const SHAPE: &str = "\"0000-00-00T00:00:00.000000Z\"";
    let same = |(byte, shape): (u8, u8)| match shape {
        b'0' => byte.is_ascii_digit(),
        _ => byte == shape,
    };
    quoted.len() == SHAPE.len() && quoted.bytes().zip(SHAPE.bytes()).all(same)
}
