//! One test binary for the crate.

#![expect(clippy::unwrap_used, reason = "tests and their helpers fail by panicking")]

mod postgres;
mod sqlite;
