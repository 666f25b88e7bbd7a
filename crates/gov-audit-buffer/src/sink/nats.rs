//! NATS `JetStream`: each event once, in order, on the subject of its buffer.

pub mod fence;
mod pass;
pub mod stream;
#[cfg(feature = "test-util")]
pub mod test_server;
mod window;
