//! One test binary for the crate.

#![expect(clippy::unwrap_used, reason = "tests and their helpers fail by panicking")]

mod child;
mod crash;
mod exported_metrics;
mod model;
mod postgres;
mod sqlite;
