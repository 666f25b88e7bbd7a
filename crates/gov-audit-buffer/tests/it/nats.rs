//! The sink of NATS `JetStream`: its protocol beside a stream of ours, and on real servers.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests and their helpers fail by panicking"
)]

mod fence;
mod messages;
mod outages;
pub(crate) mod proxy;
mod rules;
mod stream_checks;
mod syncs;
mod who_we_are;
pub(crate) mod world;
