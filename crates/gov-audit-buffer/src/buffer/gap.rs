//! What accounts for events that are missing: one `audit.gap` for many.

use std::collections::BTreeMap;

use gov_core::{
    AuditEvent, AuditEventKind, EventId, Payload, RecordId, Timestamp, payload::SALT_BYTES,
};
use serde::{Deserialize, Serialize};

use super::{error::Space, limits::Class};
use crate::{BufferId, EncodedEvent, cloud_event::EncodeError};

/// What `cause` says in the gaps of this crate.
const CAUSE: &str = "audit_buffer";

/// Why events are missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum GapReason {
    /// They found the buffer full and were refused.
    Rejected,
    /// They made room for newer ones.
    Dropped,
    /// The disk was full.
    DiskFull,
    /// The sink lost them after it said that it keeps them, and they were no longer held.
    SinkLost,
    /// The file that held them was corrupt and was set aside.
    CorruptFile,
}

impl From<Space> for GapReason {
    fn from(missing: Space) -> Self {
        match missing {
            Space::Disk => Self::DiskFull,
            Space::Rows | Space::Bytes => Self::Rejected,
        }
    }
}

/// Events that are missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Gap {
    /// Of which class; `None` if that is not known.
    pub(super) class: Option<Class>,
    pub(super) reason: GapReason,
    /// How many; at most so many, where numbers are all that is known.
    pub(super) count: u64,
    /// When the first and the last of them happened, or were found missing.
    pub(super) first: Timestamp,
    pub(super) last: Timestamp,
    /// Between which numbers they were, if they had any.
    pub(super) places: Option<(u64, u64)>,
}

/// The payload, in the order of its keys.
#[derive(Serialize, Deserialize)]
struct Body {
    cause: String,
    class: String,
    count: u64,
    first: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    first_seq: Option<u64>,
    last: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    last_seq: Option<u64>,
    reason: GapReason,
}

impl Gap {
    /// One event that never had a number.
    pub(super) fn of_one(class: Class, reason: GapReason, at: Timestamp) -> Self {
        Self { class: Some(class), reason, count: 1, first: at, last: at, places: None }
    }

    /// Whether one record can account for both.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        self.class == other.class
            && self.reason == other.reason
            && self.places.is_some() == other.places.is_some()
    }

    /// Accounts for what `other` does, too.
    pub(super) fn absorb(&mut self, other: &Self) {
        self.count = self.count.saturating_add(other.count);
        self.first = self.first.min(other.first);
        self.last = self.last.max(other.last);
        self.places = match (self.places, other.places) {
            (Some((a, b)), Some((c, d))) => Some((a.min(c), b.max(d))),
            (places, None) | (None, places) => places,
        };
    }

    /// The record of it for the place `seq`.
    ///
    /// The same gap in the same place has the same id, and a larger one another: a receiver that
    /// drops repeats drops no news.
    pub(super) fn encode(
        &self,
        buffer: BufferId,
        seq: u64,
        now: Timestamp,
        node: &str,
    ) -> Result<EncodedEvent, EncodeError> {
        let body = Body {
            cause: CAUSE.to_owned(),
            class: self.class.map_or("any", Class::as_str).to_owned(),
            count: self.count,
            first: self.first,
            first_seq: self.places.map(|it| it.0),
            last: self.last,
            last_seq: self.places.map(|it| it.1),
            reason: self.reason,
        };
        let key = format!("{buffer}/{seq}/{}", self.count);
        let id = EventId::of_record(RecordId::derived("audit_buffer_gap", &key));
        record(id, AuditEventKind::AuditGap, now, BTreeMap::new(), &body, node)
    }

    /// Reads what [`Gap::encode`] wrote; `None` for every other event.
    pub(super) fn decode(event: &EncodedEvent) -> Option<Self> {
        if event.kind != AuditEventKind::AuditGap {
            return None;
        }
        let body: Body = serde_json::from_slice(event.decode().ok()?.payload.as_bytes()).ok()?;
        let class = match body.class.as_str() {
            "normal" => Some(Class::Normal),
            "high" => Some(Class::High),
            _ => None,
        };
        (body.cause == CAUSE).then_some(Self {
            class,
            reason: body.reason,
            count: body.count,
            first: body.first,
            last: body.last,
            places: body.first_seq.zip(body.last_seq),
        })
    }
}

/// An event that the buffer itself writes: what it says is no secret, so its salt is empty, and it
/// is the same however often it is made.
pub(super) fn record(
    id: EventId,
    kind: AuditEventKind,
    at: Timestamp,
    subjects: BTreeMap<String, String>,
    body: &impl Serialize,
    node: &str,
) -> Result<EncodedEvent, EncodeError> {
    let payload = Payload::from_parts(serde_json::to_vec(body)?, [0; SALT_BYTES]);
    let event = AuditEvent {
        id,
        at,
        kind,
        agent_id: None,
        session_id: None,
        team_id: None,
        subjects,
        trace_id: None,
        payload,
    };
    EncodedEvent::of(&event, node)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(micros: i64) -> Timestamp {
        Timestamp::from_micros_clamped(micros)
    }

    #[test]
    fn a_gap_reads_back_and_grows_by_what_it_absorbs() {
        let buffer = BufferId::at(at(0));
        let mut gap = Gap {
            places: Some((5, 7)),
            count: 3,
            ..Gap::of_one(Class::Normal, GapReason::Dropped, at(50))
        };
        let small = gap.encode(buffer, 7, at(60), "n").unwrap();
        assert_eq!(Gap::decode(&small).as_ref(), Some(&gap));
        let other = Gap { places: Some((8, 9)), first: at(40), ..gap.clone() };
        assert!(gap.is_like(&other));
        gap.absorb(&other);
        assert_eq!((gap.count, gap.first, gap.last, gap.places), (6, at(40), at(50), Some((5, 9))));
        let grown = gap.encode(buffer, 7, at(60), "n").unwrap();
        assert_ne!(grown.id, small.id);
        assert_eq!(gap.encode(buffer, 7, at(99), "n").unwrap().id, grown.id);
        assert_eq!(
            String::from_utf8(grown.decode().unwrap().payload.as_bytes().to_vec()).unwrap(),
            r#"{"cause":"audit_buffer","class":"normal","count":6,"first":"1970-01-01T00:00:00.000040Z","first_seq":5,"last":"1970-01-01T00:00:00.000050Z","last_seq":9,"reason":"dropped"}"#
        );
    }

    #[test]
    fn classes_and_reasons_are_accounted_for_apart() {
        let gap = Gap::of_one(Class::Normal, GapReason::Rejected, at(0));
        assert!(!gap.is_like(&Gap { class: Some(Class::High), ..gap.clone() }));
        assert!(!gap.is_like(&Gap { reason: GapReason::DiskFull, ..gap.clone() }));
    }
}
