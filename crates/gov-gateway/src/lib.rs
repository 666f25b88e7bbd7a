#![doc = include_str!("../README.md")]
//!
//! Start reading at [`cli`] for what the command can do, at [`check`] for how an action is judged.

pub mod approvals;
pub mod audit_buffer;
pub mod check;
pub mod cli;
pub mod client;
pub mod config;
pub mod data_dir;
pub mod dead_letters;
pub mod events;
pub mod feed;
pub mod founding;
pub mod generation;
pub mod harness;
pub mod hook;
pub mod http;
pub mod identity;
pub mod ingest;
pub mod log_follower;
pub mod logged;
pub mod meters;
pub mod notifications;
pub mod offline;
pub mod outlet;
pub mod page;
pub mod policies;
pub mod policy;
pub mod reason;
pub mod registry;
pub mod run;
pub mod server;
pub mod servers;
pub mod sinks;
pub mod storage;
pub mod store;
