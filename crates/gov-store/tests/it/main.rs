//! One test binary for the crate.

#![expect(clippy::unwrap_used, clippy::panic, reason = "tests and their helpers fail by panicking")]

mod ballast;
mod child;
mod crash;
mod disk;
mod files;
mod lock;
mod log_size;
mod metrics;
mod migrations;
mod model;
mod notes;
mod read_only;
mod readers;
mod trace;
mod writer;
