//! The sink of NATS `JetStream`: its protocol beside a stream of ours, and on real servers.

#![expect(clippy::indexing_slicing, reason = "tests and their helpers fail by panicking")]

mod fence;
mod outages;
pub(crate) mod proxy;
mod stream_checks;
mod who_we_are;
pub(crate) mod world;
