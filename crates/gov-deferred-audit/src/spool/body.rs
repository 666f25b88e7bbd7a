//! The body of a frame: one record, whole, so that a replay makes the same leaf.

use gov_core::{ActionDigest, Payload, RecordId, Timestamp};
use uuid::Uuid;

use crate::record::{LogRecord, Verdict};

/// The version of the body that is written.
const VERSION: u8 = 1;

/// The length that stands for an absent text.
const ABSENT: u32 = u32::MAX;

/// Writes `record` as a body of version 1.
pub(crate) fn encode(record: &LogRecord) -> Vec<u8> {
    let payload = record.payload.as_bytes();
    let mut out = Vec::with_capacity(payload.len() + 256);
    out.push(VERSION);
    out.extend_from_slice(record.id.as_uuid().as_bytes());
    out.extend_from_slice(&record.at.as_micros().to_le_bytes());
    put_text(&mut out, Some(record.kind.as_str()));
    put_text(&mut out, record.agent_id.as_ref().map(gov_core::AgentId::as_str));
    put_text(&mut out, record.session_id.as_ref().map(gov_core::SessionId::as_str));
    // A version is at most 2^53 - 1, so this value is free.
    out.extend_from_slice(&record.policy_version.unwrap_or(u64::MAX).to_le_bytes());
    match &record.verdict {
        None => out.push(0),
        Some(verdict) => {
            out.push(1);
            put_text(&mut out, Some(&verdict.action_kind));
            out.extend_from_slice(verdict.digest.as_bytes());
            put_text(&mut out, Some(&verdict.decision));
            put_text(&mut out, verdict.rule_id.as_ref().map(gov_core::RuleId::as_str));
            put_text(&mut out, verdict.reason.as_deref());
        }
    }
    out.extend_from_slice(record.payload.salt());
    out.extend_from_slice(payload);
    out
}

/// Reads a body back; `None` for bytes that [`encode`] did not write.
pub(crate) fn decode(bytes: &[u8]) -> Option<LogRecord> {
    read(Reader { rest: bytes }).ok()
}

fn read(mut from: Reader<'_>) -> Result<LogRecord, Damaged> {
    if from.array::<1>()? != [VERSION] {
        return Err(Damaged);
    }
    let id = RecordId::from_uuid(Uuid::from_bytes(from.array()?));
    let at = Timestamp::from_micros(i64::from_le_bytes(from.array()?)).ok_or(Damaged)?;
    let kind = from.name()?.ok_or(Damaged)?;
    let agent_id = from.name()?;
    let session_id = from.name()?;
    let policy_version = Some(u64::from_le_bytes(from.array()?)).filter(|it| *it != u64::MAX);
    let verdict = match from.array::<1>()? {
        [0] => None,
        [1] => Some(Verdict {
            action_kind: from.name()?.ok_or(Damaged)?,
            digest: ActionDigest::from_bytes(from.array()?),
            decision: from.name()?.ok_or(Damaged)?,
            rule_id: from.name()?,
            reason: from.name()?,
        }),
        _ => return Err(Damaged),
    };
    let salt = from.array()?;
    let payload = Payload::from_parts(from.rest.to_vec(), salt);
    Ok(LogRecord { id, at, kind, agent_id, session_id, policy_version, verdict, payload })
}

fn put_text(out: &mut Vec<u8>, text: Option<&str>) {
    let length = text.map_or(ABSENT, |it| u32::try_from(it.len()).unwrap_or(ABSENT));
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(text.unwrap_or_default().as_bytes());
}

struct Reader<'a> {
    rest: &'a [u8],
}

/// The bytes are no body.
struct Damaged;

impl Reader<'_> {
    fn array<const N: usize>(&mut self) -> Result<[u8; N], Damaged> {
        let (taken, rest) = self.rest.split_first_chunk::<N>().ok_or(Damaged)?;
        self.rest = rest;
        Ok(*taken)
    }

    /// A text, parsed; `None` where an absent one was written.
    fn name<T: std::str::FromStr>(&mut self) -> Result<Option<T>, Damaged> {
        let length = u32::from_le_bytes(self.array()?);
        if length == ABSENT {
            return Ok(None);
        }
        let length = usize::try_from(length).map_err(|_| Damaged)?;
        let (taken, rest) = self.rest.split_at_checked(length).ok_or(Damaged)?;
        self.rest = rest;
        let text = std::str::from_utf8(taken).map_err(|_| Damaged)?;
        text.parse().map(Some).map_err(|_| Damaged)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use gov_core::{AuditEventKind, hex::Hex};
    use proptest::prelude::*;

    use super::*;

    /// One line of the vectors that the format's description shows.
    pub(crate) fn vector(name: &str) -> &'static str {
        include_str!("../../../../docs/formats/spool-frame.vectors")
            .lines()
            .filter_map(|line| line.split_once(' '))
            .find_map(|(found, hex)| (found == name).then_some(hex))
            .unwrap()
    }

    fn full() -> LogRecord {
        LogRecord {
            id: RecordId::derived("vector", "1"),
            at: Timestamp::from_micros(1_767_225_600_000_000).unwrap(),
            kind: AuditEventKind::ActionRefused,
            agent_id: Some("agent-1".parse().unwrap()),
            session_id: Some("session-1".parse().unwrap()),
            policy_version: Some(7),
            verdict: Some(Verdict {
                action_kind: "bash".to_owned(),
                digest: ActionDigest::from_bytes([0xd1; 32]),
                decision: "refuse".to_owned(),
                rule_id: Some("no-rm".parse().unwrap()),
                reason: Some("not this way".to_owned()),
            }),
            payload: Payload::from_parts(br#"{"command":"rm"}"#.to_vec(), [0x5a; 16]),
        }
    }

    fn bare() -> LogRecord {
        LogRecord {
            kind: AuditEventKind::AuditGap,
            agent_id: None,
            session_id: None,
            policy_version: None,
            verdict: None,
            payload: Payload::from_parts(Vec::new(), [0; 16]),
            ..full()
        }
    }

    #[test]
    fn a_record_reads_back_as_it_was_with_its_id_its_time_and_its_salt() {
        for record in [full(), bare()] {
            assert_eq!(decode(&encode(&record)), Some(record));
        }
    }

    #[test]
    fn the_vectors_of_the_format_description_are_these_records() {
        for (name, record) in [("body-full", full()), ("body-bare", bare())] {
            assert_eq!(Hex(&encode(&record)).to_string(), vector(name));
        }
    }

    proptest! {
        #[test]
        fn foreign_bytes_are_no_record_and_no_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let _ = decode(&bytes);
        }

        #[test]
        fn any_text_and_any_payload_read_back(
            kind in "[a-z]{1,9}\\.[a-z]{1,9}", reason in proptest::option::of(".{0,99}"),
            payload in proptest::collection::vec(any::<u8>(), 0..999), salt in any::<[u8; 16]>(),
        ) {
            let mut record = full();
            record.kind = kind.parse().unwrap();
            record.verdict.as_mut().unwrap().reason = reason;
            record.payload = Payload::from_parts(payload, salt);
            prop_assert_eq!(decode(&encode(&record)), Some(record));
        }
    }
}
