#![doc = include_str!("../README.md")]
//!
//! ```text
//! submit ─▶ pending ──due──▶ next rung told ──due──▶ … ──time-out──▶ fallback: timed out, approved, parked
//!              └──────────── a person decides ────────────▶ approved ─▶ consumed (once) or expired
//!                                                        └▶ rejected
//! ```

pub mod approval;
pub mod approvals;
pub mod auditor;
pub mod chain;
pub mod clock;
pub mod directory;
pub mod grant;
pub mod notifier;
pub mod roster;
pub mod scheduler;
pub mod sender;
pub mod store;
pub mod transition;

mod alarm;
mod event;
mod meters;
mod quorum;
mod standing;

pub use crate::{
    alarm::Alarm,
    approvals::Approvals,
    auditor::{AuditReport, AuditorConfig, EscalationAuditor},
    directory::Directory,
    event::EscalationEvent,
    notifier::{LogNotifier, Notifier, NotifyError},
    roster::{Roster, StandIn},
    scheduler::{DbEscalationScheduler, Registered, SchedulerConfig, TickReport},
    sender::{SendReport, Sender, SenderConfig, Target},
    standing::Standing,
};
