//! What a buffer is told when it opens, and what is asked of an append.

use std::time::Duration;

/// What an append's acknowledgement promises.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// Survives a killed process.
    Spooled,
    /// Survives power loss.
    #[default]
    Durable,
}

/// What happens to an event that finds the buffer full.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Overflow {
    /// It is refused, counted, and a later `audit.gap` says so.
    #[default]
    Reject,
    /// It waits for room, and is refused after this time.
    Block {
        /// The longest wait.
        timeout: Duration,
    },
    /// The oldest events that no sink can have seen make room, those of allowed actions first; an
    /// `audit.gap` takes their place. An event of an allowed action never displaces another kind.
    /// After a restart that is none of those that waited before it: the sink may have been sent
    /// any of them.
    DropOldest,
}

/// How a buffer works.
#[derive(Clone, Debug)]
pub struct BufferConfig {
    /// The node that events come from: a part of each event.
    pub node: String,
    /// At most this many events wait. The last tenth is kept for what is not `action.allowed` or
    /// `action.warned`.
    pub max_rows: u64,
    /// At most this many bytes of events wait, with the same reserve.
    pub max_bytes: u64,
    /// What happens to an event that finds the buffer full.
    pub overflow: Overflow,
    /// So many bytes of the disk are kept free for the day on which it is full, in a file of the
    /// same name that ends in `.ballast`: what waits can then still be sent and deleted.
    pub ballast_bytes: u64,
}

impl Default for BufferConfig {
    /// Node `local`, 10 million events, 4 GiB, refuse when full, 16 MiB of ballast.
    fn default() -> Self {
        Self {
            node: "local".to_owned(),
            max_rows: 10_000_000,
            max_bytes: 4 << 30,
            overflow: Overflow::Reject,
            ballast_bytes: 16 << 20,
        }
    }
}
