//! Dead letters as they are shown: what the signed log did not take, and what was done about it.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use gov_core::{RecordId, Timestamp, hex::Hex};
use gov_deferred_audit::dead_letter::{DeadLetter, Discarded, Lies, Replayed};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// One page, the longest dead first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeadLetterList {
    /// The letters without their payloads.
    pub items: Vec<DeadLetterRow>,
    /// The `cursor` of the next page; `None` on the last.
    pub next: Option<String>,
}

/// One letter in a list.
///
/// What is wrong with a record may be any of its parts, so they are texts as they were kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeadLetterRow {
    /// Names the record.
    pub id: RecordId,
    /// When it happened.
    pub at: Timestamp,
    /// What happened.
    pub kind: String,
    /// The agent concerned.
    pub agent_id: Option<String>,
    /// Why the log did not take it, when it was asked last.
    pub why: String,
    /// Since when it lies here.
    pub dead_at: Timestamp,
    /// `table`, or `quarantine` where only a file holds it.
    pub lies: String,
}

/// One letter, whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeadLetterView {
    /// What a list shows of it.
    #[serde(flatten)]
    pub row: DeadLetterRow,
    /// The agent's session.
    pub session_id: Option<String>,
    /// The policy version that decided, in decimal.
    pub policy_version: Option<String>,
    /// What kind of action it was.
    pub action_kind: Option<String>,
    /// Stands for the action, in hex.
    pub digest: Option<String>,
    /// What was decided.
    pub decision: Option<String>,
    /// The policy that decided.
    pub rule_id: Option<String>,
    /// Why it was decided so.
    pub reason: Option<String>,
    /// The commitment to the payload, in hex.
    pub payload_commit: String,
    /// The payload; `None` where it is no JSON.
    pub payload: Option<Value>,
    /// The payload in base64, where it is no JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payload_b64: Option<String>,
}

/// What became of a letter that was handed in again: one of the two.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplayView {
    /// Which record.
    pub id: RecordId,
    /// Its sequence number in the log, which has it now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seq: Option<u64>,
    /// Why it is still dead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

/// A letter that was given up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DiscardView {
    /// Which record is given up.
    pub id: RecordId,
    /// The record that says so.
    pub record: DiscardRecord,
}

/// The record of a discarding, fsynced in the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DiscardRecord {
    /// Its id: the same for every repeat.
    pub id: RecordId,
    /// Its sequence number.
    pub seq: u64,
}

impl From<&DeadLetter> for DeadLetterRow {
    fn from(it: &DeadLetter) -> Self {
        Self {
            id: it.id,
            at: it.at,
            kind: it.kind.clone(),
            agent_id: it.agent_id.clone(),
            why: it.why.clone(),
            dead_at: it.dead_at,
            lies: match it.lies {
                Lies::Table => "table",
                Lies::Quarantine => "quarantine",
            }
            .to_owned(),
        }
    }
}

impl From<&DeadLetter> for DeadLetterView {
    fn from(it: &DeadLetter) -> Self {
        let payload = serde_json::from_slice(it.payload.as_bytes()).ok();
        let payload_b64 = payload.is_none().then(|| STANDARD.encode(it.payload.as_bytes()));
        Self {
            row: it.into(),
            session_id: it.session_id.clone(),
            policy_version: it.policy_version.clone(),
            action_kind: it.action_kind.clone(),
            digest: it.digest.as_ref().map(|it| Hex(it).to_string()),
            decision: it.decision.clone(),
            rule_id: it.rule_id.clone(),
            reason: it.reason.clone(),
            payload_commit: Hex(&it.payload.commit()).to_string(),
            payload,
            payload_b64,
        }
    }
}

impl ReplayView {
    /// What `replayed` says about the record `id`.
    #[must_use]
    pub fn of(id: RecordId, replayed: &Replayed) -> Self {
        let seq = replayed.appended.iter().find(|(it, _)| *it == id).map(|(_, seq)| *seq);
        let dead = replayed.still_dead.iter().find(|(it, _)| *it == id);
        Self { id, seq, why: dead.map(|(_, why)| why.clone()) }
    }
}

impl DiscardView {
    /// The answer to giving up the record `id`.
    #[must_use]
    pub fn of(id: RecordId, Discarded { record, seq }: Discarded) -> Self {
        Self { id, record: DiscardRecord { id: record, seq } }
    }
}
