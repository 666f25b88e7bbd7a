//! The crate from outside.

#![expect(clippy::unwrap_used, reason = "tests and their helpers fail by panicking")]

mod cloud_events;
mod draining;
mod events;
mod exported_metrics;
mod flushing;
mod model;
mod nats;
mod owner;
mod publishing;
mod sinks;
mod skeleton;
mod stage;
mod torture;
mod vectors;
