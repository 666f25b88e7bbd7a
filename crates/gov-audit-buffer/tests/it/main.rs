//! The crate from outside.

#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "tests and their helpers fail by panicking"
)]

mod at_rest;
mod buffer;
mod cloud_events;
mod corrupt;
mod draining;
mod events;
mod exported_metrics;
mod flushing;
mod full_disk;
mod model;
mod nats;
mod owner;
mod publishing;
mod sinks;
mod skeleton;
mod stage;
mod torture;
mod vectors;
