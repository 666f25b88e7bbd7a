#![doc = include_str!("../README.md")]

pub mod action;
pub mod canonical;
pub mod clock;
pub mod decision;
#[cfg(feature = "test-util")]
pub mod dice;
pub mod digest;
pub mod event;
pub mod health;
pub mod hex;
pub mod id;
pub mod json;
pub mod name;
pub mod payload;
pub mod redact;
pub mod sha256;
pub mod text;
pub mod timestamp;
pub mod webhook;

pub use crate::{
    action::{ActionPath, AgentAction},
    clock::{Clock, SystemClock},
    decision::Decision,
    digest::ActionDigest,
    event::{AuditEvent, AuditEventKind},
    health::{Health, HealthState},
    id::{ApprovalId, EventId, HoldId, NotificationId, PersonId, RecordId, SegmentId, TokenId},
    name::{AgentId, DelegationId, Role, RuleId, SessionId, TeamId},
    payload::Payload,
    redact::Redactor,
    timestamp::Timestamp,
};
