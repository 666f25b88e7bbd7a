//! What a record of the signed log is as an audit event.

use std::{collections::BTreeMap, str::FromStr};

use gov_core::{ApprovalId, AuditEvent, AuditEventKind, EventId, RecordId, TeamId, Timestamp};
use gov_deferred_audit::{
    entry::Entry,
    signed_log::{EpochExtent, StoredRecord},
};
use serde_json::{json, value::RawValue};

use crate::events::{bounded, erased, notice};

/// A record that cannot become the event that it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Undeliverable {
    /// Its place in its epoch.
    pub seq: u64,
    /// Why not.
    pub reason: String,
    /// Its name, if it can be told.
    pub record: Option<RecordId>,
    /// Its time, if it can be told.
    pub at: Option<Timestamp>,
}

/// The event of a record: always the same one for the same record, so that a repeat is known.
///
/// # Errors
///
/// [`Undeliverable`], where this build cannot read the entry: it becomes a [`dead_letter`].
pub fn event_of(epoch: &EpochExtent, record: StoredRecord) -> Result<AuditEvent, Undeliverable> {
    let StoredRecord { seq, entry, payload } = record;
    let entry = Entry::from_bytes(&entry).map_err(|error| {
        let [id, ts] = texts(&entry, ["id", "ts"]);
        Undeliverable { seq, reason: error.to_string(), record: parsed(id), at: parsed(ts) }
    })?;
    let names = ["approval_id", "team_id"];
    let [approval, team] =
        payload.as_ref().map(|it| texts(it.as_bytes(), names)).unwrap_or_default();
    let mut subjects = place(epoch, seq);
    let mut add = |key: &str, value: Option<String>| {
        if let Some(value) = value {
            subjects.insert(key.to_owned(), value);
        }
    };
    add("record_id", Some(entry.id.to_string()));
    add("action_kind", entry.action_kind);
    add("decision", entry.decision);
    add("rule_id", entry.rule_id.map(|it| it.to_string()));
    add("digest", entry.digest.map(|it| it.to_string()));
    add("policy_version", entry.policy_version.map(|it| it.to_string()));
    add("approval_id", parsed::<ApprovalId>(approval).map(|it| it.to_string()));
    Ok(AuditEvent {
        id: EventId::of_record(entry.id),
        at: entry.at,
        kind: entry.kind,
        agent_id: entry.agent_id,
        session_id: entry.session_id,
        team_id: parsed::<TeamId>(team),
        subjects,
        trace_id: None,
        payload: payload.map_or_else(erased, bounded),
    })
}

/// What says that a record is in the log and not here as what it is: its bytes stay in the log.
///
/// Its time is the record's where that can be told, else `now`.
#[must_use]
pub fn dead_letter(epoch: &EpochExtent, of: &Undeliverable, now: Timestamp) -> AuditEvent {
    let Undeliverable { seq, reason, record, at } = of;
    let mut subjects = place(epoch, *seq);
    if let Some(record) = record {
        subjects.insert("record_id".to_owned(), record.to_string());
    }
    let why = json!({"origin": epoch.origin, "reason": reason, "seq": seq});
    // Of no record's id: that one belongs to the event which a later build makes of it.
    let key = format!("{}/{seq}", epoch.origin);
    let id = EventId::of_record(RecordId::derived("audit_log_dead_letter", &key));
    notice(id, at.unwrap_or(now), AuditEventKind::AuditDeadLettered, subjects, &why)
}

/// What says that records went from the log before they could be carried here: pruned, on purpose,
/// while this store was new or put back. Their hashes stay in the log.
#[must_use]
pub fn pruned(epoch: &EpochExtent, first: u64, last: u64, now: Timestamp) -> AuditEvent {
    let why = json!({
        "cause": "pruned", "count": last - first + 1, "first": first, "last": last,
        "origin": epoch.origin,
    });
    let key = format!("{}/{first}-{last}", epoch.origin);
    let id = EventId::of_record(RecordId::derived("audit_log_pruned_gap", &key));
    notice(id, now, AuditEventKind::AuditGap, place(epoch, last), &why)
}

fn place(epoch: &EpochExtent, seq: u64) -> BTreeMap<String, String> {
    BTreeMap::from([
        ("epoch".to_owned(), epoch.epoch.to_string()),
        ("seq".to_owned(), seq.to_string()),
    ])
}

/// The texts of an object under these keys. What is no object, or has something else there, names
/// nothing: it is shown as it is.
fn texts<const N: usize>(json: &[u8], keys: [&str; N]) -> [Option<String>; N] {
    let fields: BTreeMap<String, &RawValue> = serde_json::from_slice(json).unwrap_or_default();
    keys.map(|key| serde_json::from_str(fields.get(key)?.get()).ok())
}

fn parsed<T: FromStr>(text: Option<String>) -> Option<T> {
    text?.parse().ok()
}

#[cfg(test)]
mod tests {
    use gov_core::{ActionDigest, Payload};
    use gov_deferred_audit::{LogRecord, Verdict, entry};

    use super::*;

    const AT: &str = "2026-01-01T00:00:00.000000Z";

    fn epoch() -> EpochExtent {
        EpochExtent { epoch: 2, origin: "example.com/gov/e2".to_owned(), size: 9 }
    }

    fn record(payload: &str, verdict: Option<Verdict>) -> LogRecord {
        LogRecord {
            id: RecordId::derived("gateway", "7"),
            at: AT.parse().unwrap(),
            kind: AuditEventKind::ActionRefused,
            agent_id: Some("coder".parse().unwrap()),
            session_id: Some("s-1".parse().unwrap()),
            policy_version: Some(3),
            verdict,
            payload: Payload::from_parts(payload.as_bytes().to_vec(), [7; 16]),
        }
    }

    fn stored(record: &LogRecord) -> StoredRecord {
        let entry = entry::encode(record, 5, "example.com/gov/e2").unwrap();
        StoredRecord { seq: 5, entry, payload: Some(record.payload.clone()) }
    }

    #[test]
    fn an_event_says_what_its_record_says_and_where_it_is() {
        let approval = "apr_019b76da80007000800000000000000a";
        let payload = format!(
            r#"{{"action":{{"team_id":"x"}},"approval_id":"{approval}","team_id":"core"}}"#
        );
        let record = record(
            &payload,
            Some(Verdict {
                action_kind: "bash".into(),
                digest: ActionDigest::from_bytes([0xab; 32]),
                decision: "refuse".into(),
                rule_id: Some("no-rm".parse().unwrap()),
                reason: None,
            }),
        );
        let event = event_of(&epoch(), stored(&record)).unwrap();
        assert_eq!(event.id, EventId::of_record(record.id));
        assert_eq!((event.at, &event.kind), (record.at, &record.kind));
        assert_eq!((&event.agent_id, &event.session_id), (&record.agent_id, &record.session_id));
        assert_eq!(event.team_id.as_ref().unwrap().as_str(), "core");
        assert_eq!(event.payload, record.payload);
        let digest = "ab".repeat(32);
        let id = record.id.to_string();
        let subjects = [
            ("action_kind", "bash"),
            ("approval_id", approval),
            ("decision", "refuse"),
            ("digest", &digest),
            ("epoch", "2"),
            ("policy_version", "3"),
            ("record_id", &id),
            ("rule_id", "no-rm"),
            ("seq", "5"),
        ];
        let subjects = subjects.map(|(key, value)| (key.to_owned(), value.to_owned()));
        assert_eq!(event.subjects, BTreeMap::from(subjects));
        assert_eq!(event_of(&epoch(), stored(&record)).unwrap(), event, "a repeat differs");
    }

    #[test]
    fn what_a_payload_does_not_say_is_not_made_up() {
        for payload in ["{}", "null", "[1]", "x", r#"{"approval_id":"x","team_id":7}"#] {
            let event = event_of(&epoch(), stored(&record(payload, None))).unwrap();
            let keys: Vec<_> = event.subjects.keys().map(String::as_str).collect();
            assert_eq!(keys, ["epoch", "policy_version", "record_id", "seq"], "{payload}");
            assert_eq!(event.team_id, None, "{payload}");
        }
    }

    #[test]
    fn an_erased_payload_is_null_and_a_large_one_leaves_a_word() {
        let large = format!("\"{}\"", "x".repeat(70_000));
        let record = record(&large, None);
        let event = event_of(&epoch(), stored(&record)).unwrap();
        assert_eq!(event.payload, bounded(record.payload.clone()));
        assert!(event.check_size().is_ok());
        let gone = StoredRecord { payload: None, ..stored(&record) };
        assert_eq!(event_of(&epoch(), gone).unwrap().payload.as_bytes(), b"null");
    }

    #[test]
    fn a_kind_of_a_newer_build_is_kept() {
        let kind = AuditEventKind::Other("moon.landed".to_owned());
        let record = LogRecord { kind: kind.clone(), ..record("{}", None) };
        assert_eq!(event_of(&epoch(), stored(&record)).unwrap().kind, kind);
    }

    #[test]
    fn an_entry_that_cannot_be_read_is_a_dead_letter_at_its_own_time() {
        let stored = stored(&record("{}", None));
        let text = String::from_utf8(stored.entry.clone()).unwrap();
        let now = Timestamp::MAX;
        let later = StoredRecord {
            entry: text.replace("\"v\":1}", "\"v\":2}").into_bytes(),
            ..stored.clone()
        };
        let letter = dead_letter(&epoch(), &event_of(&epoch(), later).unwrap_err(), now);
        assert_eq!(letter.at.to_string(), AT);
        assert_eq!(letter.subjects["record_id"], RecordId::derived("gateway", "7").to_string());
        let why = String::from_utf8_lossy(letter.payload.as_bytes()).into_owned();
        assert!(why.contains("entry version 2 is unknown"), "{why}");

        let broken = StoredRecord { entry: b"no entry".to_vec(), ..stored };
        let other = dead_letter(&epoch(), &event_of(&epoch(), broken).unwrap_err(), now);
        assert_eq!((other.at, other.id), (now, letter.id), "its place names it");
        assert_eq!(other.subjects.keys().collect::<Vec<_>>(), ["epoch", "seq"]);
    }
}
