//! The bytes of a record that are hashed and kept for ever: envelope version 1.
//!
//! JCS JSON with exactly these keys, absent = null:
//! `{action_kind, agent, decision, digest, id, kind, origin, payload_commit, policy_version,
//! reason, rule_id, seq, session, ts, v}`. The format is frozen; `docs/formats/log-entry.md` has
//! its vectors.

use gov_core::{
    ActionDigest, AgentId, AuditEventKind, RecordId, RuleId, SessionId, Timestamp,
    canonical::CanonicalError,
};

use crate::record::LogRecord;

mod envelope;
mod scan;

use self::envelope::Envelope;
pub use self::scan::Scanned;

/// The version that is written.
pub const FORMAT_VERSION: u64 = 1;

/// One entry, in types.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its place in its log: from 1, without gaps.
    pub seq: u64,
    /// Names the record.
    pub id: RecordId,
    /// When it happened.
    pub at: Timestamp,
    /// The log it belongs to.
    pub origin: String,
    /// What happened.
    pub kind: AuditEventKind,
    /// The agent concerned.
    pub agent_id: Option<AgentId>,
    /// The agent's session.
    pub session_id: Option<SessionId>,
    /// The action's `kind` tag.
    pub action_kind: Option<String>,
    /// What was decided.
    pub decision: Option<String>,
    /// The policy that decided.
    pub rule_id: Option<RuleId>,
    /// Why, in the policy's static text; of `admin.rollback_accepted` what was accepted.
    pub reason: Option<String>,
    /// Stands for the action.
    pub digest: Option<ActionDigest>,
    /// The policy version that decided.
    pub policy_version: Option<u64>,
    /// Stands for the payload: HMAC-SHA256 under its salt.
    pub payload_commit: [u8; 32],
}

/// The bytes are not an entry that this build can judge.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EntryError {
    /// They are of a later format: use a newer build to judge them.
    #[error("entry version {version} is unknown to this build, which reads version 1")]
    UnknownVersion {
        /// The version it names.
        version: u64,
    },
    /// They are not what version 1 writes: changed, or written by something else.
    #[error("field `{field}` of the entry is not as version 1 writes it")]
    Malformed {
        /// The first field that is wrong.
        field: &'static str,
    },
}

/// The bytes of `record` as entry `seq` of the log `origin`.
///
/// # Errors
///
/// [`CanonicalError`] never happens for a record: all its parts are text and whole numbers.
pub fn encode(record: &LogRecord, seq: u64, origin: &str) -> Result<Vec<u8>, CanonicalError> {
    encode_with(record, record.payload.commit(), seq, origin)
}

/// Like [`encode`], where the commitment to the payload is known.
pub(crate) fn encode_with(
    record: &LogRecord,
    payload_commit: [u8; 32],
    seq: u64,
    origin: &str,
) -> Result<Vec<u8>, CanonicalError> {
    let verdict = record.verdict.as_ref();
    Envelope {
        action_kind: verdict.map(|it| it.action_kind.as_str()),
        agent: record.agent_id.as_ref(),
        decision: verdict.map(|it| it.decision.as_str()),
        digest: verdict.map(|it| it.digest),
        id: record.id,
        kind: &record.kind,
        origin,
        payload_commit,
        policy_version: record.policy_version,
        reason: verdict.and_then(|it| it.reason.as_deref()),
        rule_id: verdict.and_then(|it| it.rule_id.as_ref()),
        seq,
        session: record.session_id.as_ref(),
        ts: record.at,
    }
    .to_bytes()
}

impl Entry {
    /// The entry's bytes.
    ///
    /// # Errors
    ///
    /// [`CanonicalError`] never happens: all parts are text and whole numbers.
    pub fn to_bytes(&self) -> Result<Vec<u8>, CanonicalError> {
        Envelope {
            action_kind: self.action_kind.as_deref(),
            agent: self.agent_id.as_ref(),
            decision: self.decision.as_deref(),
            digest: self.digest,
            id: self.id,
            kind: &self.kind,
            origin: &self.origin,
            payload_commit: self.payload_commit,
            policy_version: self.policy_version,
            reason: self.reason.as_deref(),
            rule_id: self.rule_id.as_ref(),
            seq: self.seq,
            session: self.session_id.as_ref(),
            ts: self.at,
        }
        .to_bytes()
    }

    /// Reads exactly what version 1 writes.
    ///
    /// # Errors
    ///
    /// [`EntryError::UnknownVersion`] for a later format, [`EntryError::Malformed`] for anything
    /// else, also for other JSON of the same meaning.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, EntryError> {
        let it = Scanned::of(bytes)?;
        Ok(Self {
            seq: it.seq,
            id: typed(it.id, "id")?,
            at: typed(it.ts, "ts")?,
            origin: text(it.origin, "origin")?,
            kind: typed(it.kind, "kind")?,
            agent_id: it.agent.map(|it| typed(it, "agent")).transpose()?,
            session_id: it.session.map(|it| typed(it, "session")).transpose()?,
            action_kind: it.action_kind.map(|it| text(it, "action_kind")).transpose()?,
            decision: it.decision.map(|it| text(it, "decision")).transpose()?,
            rule_id: it.rule_id.map(|it| typed(it, "rule_id")).transpose()?,
            reason: it.reason.map(|it| text(it, "reason")).transpose()?,
            digest: it.digest.map(|it| typed(it, "digest")).transpose()?,
            policy_version: it.policy_version,
            payload_commit: it.payload_commit,
        })
    }
}

fn typed<T: std::str::FromStr>(quoted: &str, field: &'static str) -> Result<T, EntryError> {
    text(quoted, field)?.parse().map_err(|_| EntryError::Malformed { field })
}

/// The text of a JSON string, its quotes included.
fn text(quoted: &str, field: &'static str) -> Result<String, EntryError> {
    serde_json::from_str(quoted).map_err(|_| EntryError::Malformed { field })
}

#[cfg(test)]
mod tests {
    use gov_core::{Payload, canonical};
    use proptest::prelude::*;

    use super::*;
    use crate::{
        record::{MAX_KIND_BYTES, MAX_POLICY_VERSION, MAX_REASON_BYTES, Verdict},
        tlog::{bundle::MAX_ENTRY_BYTES, key::MAX_NAME_BYTES},
    };

    fn entry() -> Entry {
        let record = LogRecord {
            id: "rec_019b76da80007000800000000000000a".parse().unwrap(),
            at: "2026-01-01T00:00:00.000000Z".parse().unwrap(),
            kind: AuditEventKind::ActionRefused,
            agent_id: Some("coder".parse().unwrap()),
            session_id: None,
            policy_version: Some(3),
            verdict: Some(Verdict {
                action_kind: "bash".into(),
                digest: ActionDigest::from_bytes([0xab; 32]),
                decision: "refuse".into(),
                rule_id: Some("no-\"deletes\"".parse().unwrap()),
                reason: Some("never\n\u{1f} \u{7f}delete\\ ü€😀\u{2028}".into()),
            }),
            payload: Payload::from_parts(br#"{"command":"ls"}"#.to_vec(), [7; 16]),
        };
        Entry::from_bytes(&encode(&record, 12, "example.com/gov/e1").unwrap()).unwrap()
    }

    #[test]
    fn what_is_written_is_jcs_and_reads_back() {
        let bytes = entry().to_bytes().unwrap();
        let value = gov_core::json::parse_value(&bytes).unwrap();
        assert_eq!(canonical::value_to_bytes(&value), bytes);
        assert_eq!(Entry::from_bytes(&bytes).unwrap(), entry());
        assert_eq!(value["reason"], entry().reason.unwrap());
    }

    #[test]
    fn a_later_version_is_told_from_a_broken_entry() {
        let bytes = entry().to_bytes().unwrap();
        let text = String::from_utf8(bytes).unwrap();
        let read = |text: String| Entry::from_bytes(text.as_bytes()).unwrap_err();
        let later = read(text.replace("\"v\":1}", "\"v\":2}"));
        assert_eq!(later, EntryError::UnknownVersion { version: 2 });
        for (from, to, field) in [
            ("\"v\":1}", "\"v\":01}", "v"),
            ("\"v\":1}", "\"v\":1} ", "v"),
            ("{\"action", "{ \"action", "action_kind"),
            ("\"bash\"", "\"b\\u0061sh\"", "action_kind"),
            ("\\u001f", "\\u001F", "reason"),
            ("\\n", "\\u000a", "reason"),
            ("\"refuse\"", "7", "decision"),
            ("\"seq\":12", "\"seq\":012", "seq"),
            ("\"seq\":12", "\"seq\":0", "seq"),
            ("\"seq\":12", "\"seq\":9007199254740992", "seq"),
            ("\"policy_version\":3", "\"policy_version\":3.0", "policy_version"),
            ("\"session\":null", "\"session\":null,\"session\":null", "ts"),
            ("rec_019b", "rec_019B", "id"),
            ("abab", "abAB", "digest"),
            ("2026-01-01T", "2026-01-01 ", "ts"),
        ] {
            assert!(text.contains(from), "{from}");
            assert_eq!(read(text.replacen(from, to, 1)), EntryError::Malformed { field }, "{to}");
        }
    }

    #[test]
    fn an_entry_with_every_part_at_its_limit_fits() {
        let worst = |bytes: usize| "\u{1}".repeat(bytes);
        let name = || "\"".repeat(256);
        let entry = Entry {
            seq: MAX_POLICY_VERSION,
            origin: "o".repeat(MAX_NAME_BYTES),
            kind: AuditEventKind::Other(worst(MAX_KIND_BYTES)),
            agent_id: Some(name().parse().unwrap()),
            session_id: Some(name().parse().unwrap()),
            action_kind: Some(worst(MAX_KIND_BYTES)),
            decision: Some(worst(MAX_KIND_BYTES)),
            rule_id: Some(name().parse().unwrap()),
            reason: Some(worst(MAX_REASON_BYTES)),
            policy_version: Some(MAX_POLICY_VERSION),
            ..entry()
        };
        let bytes = entry.to_bytes().unwrap();
        assert!(bytes.len() <= MAX_ENTRY_BYTES, "{}", bytes.len());
        assert_eq!(Entry::from_bytes(&bytes).unwrap(), entry);
    }

    proptest! {
        #[test]
        fn any_text_is_written_as_jcs_and_reads_back(
            reason in ".{0,40}", kind in "\\PC{0,20}", seq in 1..=MAX_POLICY_VERSION,
        ) {
            let kind: AuditEventKind = kind.parse().unwrap();
            let entry = Entry { reason: Some(reason), kind, seq, ..entry() };
            let bytes = entry.to_bytes().unwrap();
            let value = serde_json::from_slice::<serde_json::Value>(&bytes).unwrap();
            prop_assert_eq!(canonical::value_to_bytes(&value), bytes.clone());
            prop_assert_eq!(Entry::from_bytes(&bytes).unwrap(), entry);
        }

        #[test]
        fn what_reads_is_what_would_be_written(at in 0..400_usize, byte: u8) {
            let mut bytes = entry().to_bytes().unwrap();
            let at = at % bytes.len();
            bytes[at] = byte;
            if let Ok(entry) = Entry::from_bytes(&bytes) {
                prop_assert_eq!(entry.to_bytes().unwrap(), bytes);
            }
        }
    }
}
