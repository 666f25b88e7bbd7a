//! The message that tells sinks and queries what happened.

use std::{collections::BTreeMap, fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{
    AgentId, EventId, Payload, SessionId, TeamId, Timestamp,
    canonical::{self, CanonicalError},
    hex::Hex,
};

/// The largest payload of an event, in bytes.
pub const MAX_PAYLOAD_BYTES: usize = 64 * 1024;

/// The format that [`AuditEvent::canonical_bytes`] writes.
pub const FORMAT_VERSION: u8 = 1;

/// One thing that happened, as it is shipped to sinks and found by queries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditEvent {
    /// Names it; the key by which receivers drop repeats.
    pub id: EventId,
    /// When it happened.
    pub at: Timestamp,
    /// What happened.
    pub kind: AuditEventKind,
    /// The agent concerned; `None` for what people and the system do.
    pub agent_id: Option<AgentId>,
    /// The agent's session.
    pub session_id: Option<SessionId>,
    /// The team concerned.
    pub team_id: Option<TeamId>,
    /// Ids of other things concerned, by field name: `approval_id`, `record_id`, …
    pub subjects: BTreeMap<String, String>,
    /// The W3C trace id, 32 hex digits.
    pub trace_id: Option<String>,
    /// What else there is to say, at most [`MAX_PAYLOAD_BYTES`]; erasable.
    pub payload: Payload,
}

/// The event as it is hashed: everything but the payload, which a commitment stands for.
#[derive(Serialize)]
struct Envelope<'a> {
    v: u8,
    id: EventId,
    at: Timestamp,
    kind: &'a AuditEventKind,
    agent_id: Option<&'a AgentId>,
    session_id: Option<&'a SessionId>,
    team_id: Option<&'a TeamId>,
    subjects: &'a BTreeMap<String, String>,
    trace_id: Option<&'a str>,
    payload_commit: String,
}

/// The payload is larger than an event may carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("event payload must be at most {limit} bytes; received {got}")]
pub struct PayloadTooLarge {
    /// The limit, in bytes.
    pub limit: usize,
    /// The payload's size, in bytes.
    pub got: usize,
}

impl AuditEvent {
    /// Whether the payload keeps to its limit: asked at the border, before the event is stored.
    ///
    /// # Errors
    ///
    /// [`PayloadTooLarge`] with both sizes: shorten the payload and say so in it.
    pub fn check_size(&self) -> Result<(), PayloadTooLarge> {
        let got = self.payload.as_bytes().len();
        if got > MAX_PAYLOAD_BYTES {
            return Err(PayloadTooLarge { limit: MAX_PAYLOAD_BYTES, got });
        }
        Ok(())
    }

    /// The bytes that are hashed: JCS of format version 1, with `payload_commit` for the payload.
    ///
    /// # Errors
    ///
    /// [`CanonicalError`] never happens for an event: all its parts are text.
    pub fn canonical_bytes(&self) -> Result<Vec<u8>, CanonicalError> {
        canonical::to_bytes(&Envelope {
            v: FORMAT_VERSION,
            id: self.id,
            at: self.at,
            kind: &self.kind,
            agent_id: self.agent_id.as_ref(),
            session_id: self.session_id.as_ref(),
            team_id: self.team_id.as_ref(),
            subjects: &self.subjects,
            trace_id: self.trace_id.as_deref(),
            payload_commit: Hex(&self.payload.commit()).to_string(),
        })
    }

    /// SHA-256 of [`canonical_bytes`](Self::canonical_bytes).
    ///
    /// # Errors
    ///
    /// As from [`canonical_bytes`](Self::canonical_bytes).
    pub fn hash(&self) -> Result<[u8; 32], CanonicalError> {
        Ok(canonical::sha256(&self.canonical_bytes()?))
    }
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident => $wire:literal;)*) => {
        /// What happened: a closed list, written as dotted names.
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum AuditEventKind {
            $($(#[$doc])* $name,)*
            /// A name that this build does not know, kept so that newer data can be read.
            Other(String),
        }

        impl AuditEventKind {
            /// Every kind that this build knows.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// The dotted name.
            #[must_use]
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$name => $wire,)*
                    Self::Other(name) => name,
                }
            }
        }

        impl FromStr for AuditEventKind {
            type Err = std::convert::Infallible;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Ok(match text {
                    $($wire => Self::$name,)*
                    _ => Self::Other(text.to_owned()),
                })
            }
        }
    };
}

kinds! {
    /// An action was allowed.
    ActionAllowed => "action.allowed";
    /// An action was allowed with a warning.
    ActionWarned => "action.warned";
    /// An action was refused.
    ActionRefused => "action.refused";
    /// A human was asked.
    ApprovalRequested => "approval.requested";
    /// A rung was told.
    ApprovalRouted => "approval.routed";
    /// Nobody answered, the next rung was told.
    ApprovalEscalated => "approval.escalated";
    /// A human said yes, and others must too.
    ApprovalVoted => "approval.voted";
    /// Nobody is on a rung, so the next one was asked at once.
    ApprovalSkipped => "approval.skipped";
    /// A policy became stricter: what is missing was asked for.
    ApprovalReopened => "approval.reopened";
    /// A human said yes.
    ApprovalApproved => "approval.approved";
    /// A human said no.
    ApprovalRejected => "approval.rejected";
    /// Nobody answered on any rung.
    ApprovalTimedOut => "approval.timed_out";
    /// A human changed what is asked for: another request stands in its place.
    ApprovalEdited => "approval.edited";
    /// The request was withdrawn.
    ApprovalCancelled => "approval.cancelled";
    /// The approved action was released.
    ApprovalConsumed => "approval.consumed";
    /// An approval was given and not used in time.
    ApprovalExpired => "approval.expired";
    /// A policy took effect.
    PolicyActivated => "policy.activated";
    /// An earlier policy took effect again.
    PolicyRolledBack => "policy.rolled_back";
    /// A delegation was created.
    DelegationQueued => "delegation.queued";
    /// A delegation was handed to its agent.
    DelegationDispatched => "delegation.dispatched";
    /// Work on a delegation began.
    DelegationInProgress => "delegation.in_progress";
    /// A delegation waits for input.
    DelegationInputRequired => "delegation.input_required";
    /// A delegation waits for credentials.
    DelegationAuthRequired => "delegation.auth_required";
    /// A delegation's agent fell silent.
    DelegationStuck => "delegation.stuck";
    /// A delegation is being cancelled.
    DelegationCanceling => "delegation.canceling";
    /// A delegation succeeded.
    DelegationCompleted => "delegation.completed";
    /// A delegation failed.
    DelegationFailed => "delegation.failed";
    /// A delegation was cancelled.
    DelegationCanceled => "delegation.canceled";
    /// A delegation was turned down.
    DelegationRejected => "delegation.rejected";
    /// A delegation ran past its deadline.
    DelegationExpired => "delegation.expired";
    /// An agent was registered.
    AgentRegistered => "agent.registered";
    /// An agent was suspended.
    AgentSuspended => "agent.suspended";
    /// An agent was removed.
    AgentRemoved => "agent.removed";
    /// An agent was given other owners.
    AgentOwned => "agent.owned";
    /// A message to people was given up: nobody tries it any more.
    NotifyGivenUp => "notify.given_up";
    /// A receiver of messages said that it is gone: it gets none until somebody enables it.
    NotifyDisabled => "notify.disabled";
    /// A receiver of messages gets them again, because somebody said so.
    NotifyEnabled => "notify.enabled";
    /// A person who may decide was added.
    PersonAdded => "person.added";
    /// A person was given other roles, or may decide again.
    PersonChanged => "person.changed";
    /// A person may no longer decide.
    PersonDisabled => "person.disabled";
    /// A person named who decides for them while they are away.
    PersonStandInNamed => "person.stand_in_named";
    /// A person decides for themselves again, before the time.
    PersonStandInEnded => "person.stand_in_ended";
    /// A retention plan ran.
    RetentionPlanApplied => "retention.plan_applied";
    /// A legal hold was placed.
    RetentionHoldPlaced => "retention.hold_placed";
    /// A legal hold was lifted.
    RetentionHoldLifted => "retention.hold_lifted";
    /// Records may be missing; the payload bounds how many.
    AuditGap => "audit.gap";
    /// A record could not be kept where it belongs.
    AuditDeadLettered => "audit.dead_lettered";
    /// A record that the log had not taken was given up by an operator.
    AuditDeadLetterDiscarded => "audit.dead_letter_discarded";
    /// Old entries of the signed log may go; their hashes stay.
    AdminLogPruned => "admin.log_pruned";
    /// The signed log goes on under a new key.
    AdminKeyRotated => "admin.key_rotated";
    /// Records that the database had lost were put back from an export.
    AdminTailRestored => "admin.tail_restored";
    /// A rolled-back log was accepted by an operator.
    AdminRollbackAccepted => "admin.rollback_accepted";
    /// Everything was halted: every check is refused.
    AdminHalted => "admin.halted";
    /// Checks are judged again.
    AdminResumed => "admin.resumed";
    /// An access token was created.
    AdminTokenCreated => "admin.token_created";
    /// An access token was revoked.
    AdminTokenRevoked => "admin.token_revoked";
}

impl fmt::Display for AuditEventKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for AuditEventKind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for AuditEventKind {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Ok(match text.parse() {
            Ok(kind) => kind,
            Err(never) => match never {},
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn event(payload: Payload) -> AuditEvent {
        AuditEvent {
            id: "evt_019b76da80007000800000000000000a".parse().unwrap(),
            at: "2026-01-01T00:00:00.000000Z".parse().unwrap(),
            kind: AuditEventKind::ActionRefused,
            agent_id: Some("coder".parse().unwrap()),
            session_id: None,
            team_id: None,
            subjects: [("record_id".to_owned(), "rec_1".to_owned())].into(),
            trace_id: None,
            payload,
        }
    }

    /// The vector of docs/formats/event.md.
    #[test]
    fn the_canonical_bytes_are_the_documented_ones() {
        let event = event(Payload::from_parts(br#"{"command":"ls"}"#.to_vec(), [7; 16]));
        let text = String::from_utf8(event.canonical_bytes().unwrap()).unwrap();
        assert_eq!(text, VECTOR);
        assert_eq!(Hex(&event.hash().unwrap()).to_string(), VECTOR_HASH);
    }

    const VECTOR: &str = r#"{"agent_id":"coder","at":"2026-01-01T00:00:00.000000Z","id":"evt_019b76da80007000800000000000000a","kind":"action.refused","payload_commit":"fa03870020f3a04f00716e981822228212be6a9a37a23736258ca5c1dbc26021","session_id":null,"subjects":{"record_id":"rec_1"},"team_id":null,"trace_id":null,"v":1}"#;
    const VECTOR_HASH: &str = "254329cb501c0596e40e633b59540f53d199b2f8a4cc2cbd025824930a96b229";

    #[test]
    fn erasing_the_payload_changes_no_hash_that_was_stored() {
        let payload = Payload::seal(&json!({"command": "ls"})).unwrap();
        let commit = Hex(&payload.commit()).to_string();
        let bytes = event(payload).canonical_bytes().unwrap();
        assert!(String::from_utf8(bytes).unwrap().contains(&commit));
    }

    #[test]
    fn a_payload_beyond_the_limit_is_refused_with_both_sizes() {
        let payload = |len| Payload::from_parts(vec![b' '; len], [0; 16]);
        assert_eq!(event(payload(65_536)).check_size(), Ok(()));
        let error = event(payload(65_537)).check_size().unwrap_err();
        assert_eq!(error.to_string(), "event payload must be at most 65536 bytes; received 65537");
    }

    #[test]
    fn every_kind_reads_back_and_an_unknown_one_is_kept() {
        for kind in AuditEventKind::ALL {
            assert_eq!(kind.as_str().parse(), Ok(kind.clone()));
            assert!(!matches!(kind, AuditEventKind::Other(_)));
        }
        let newer: AuditEventKind = serde_json::from_value(json!("moon.landed")).unwrap();
        assert_eq!(newer, AuditEventKind::Other("moon.landed".into()));
        assert_eq!(serde_json::to_value(newer).unwrap(), "moon.landed");
    }
}
