//! The crate from outside.

#![expect(clippy::unwrap_used, reason = "tests and their helpers fail by panicking")]

mod cloud_events;
mod events;
mod nats;
mod owner;
mod publishing;
mod sinks;
mod skeleton;
mod torture;
mod vectors;
