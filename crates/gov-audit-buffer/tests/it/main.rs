//! The crate from outside.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests and their helpers fail by panicking"
)]

mod at_rest;
mod cloud_events;
mod corrupt;
mod draining;
mod events;
mod exported_metrics;
mod flushing;
mod full_disk;
mod hurt;
mod model;
mod nats;
mod owner;
mod publishing;
mod sinks;
mod skeleton;
mod stage;
mod torture;
mod vectors;
