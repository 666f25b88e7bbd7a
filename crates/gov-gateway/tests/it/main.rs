//! One test binary for the crate.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests fail by panicking, like the tests"
)]

mod approval_commands;
mod approval_door;
mod audit_commands;
mod audit_events;
mod buffer_commands;
mod buffer_door;
mod bulk_decisions;
mod chains;
mod check_door;
mod commands;
mod configuration;
mod deciders;
mod doctor;
mod edits;
mod event_commands;
mod event_double;
mod event_store_sink;
mod events;
mod grant_commands;
mod grants;
mod halts;
mod hook;
mod http;
mod ingest;
mod install;
mod lifecycle;
mod log_door;
mod log_follower;
mod many_commands;
mod notify_door;
mod page;
mod page_answers;
mod page_edits;
mod page_edits_refused;
mod people_commands;
mod people_door;
mod policies;
mod policy_corpus;
mod policy_properties;
mod policy_rules;
mod process;
mod refusals;
mod releases;
mod running;
mod schemas;
mod set_aside_door;
mod sharing;
mod slack_door;
mod slack_double;
mod stand_ins;
mod start_up;
mod terminal;
mod token_door;
mod unrecordable;
mod watching;
mod withdrawals;
