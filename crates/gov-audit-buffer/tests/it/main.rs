//! The crate from outside.

#![expect(clippy::unwrap_used, reason = "tests and their helpers fail by panicking")]

mod events;
mod publishing;
mod skeleton;
mod torture;
