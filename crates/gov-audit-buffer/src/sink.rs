//! Where events go: one contract, and a sink for each kind of receiver.
//!
//! [`AuditSink`] is the contract, and `conformance` is the contract as tests.

#[cfg(feature = "nats")]
pub mod nats;

use std::{error, fmt, time::Duration};

use async_trait::async_trait;
use gov_core::EventId;

use crate::{BufferId, EncodedEvent};

#[cfg(feature = "test-util")]
pub mod conformance;
#[cfg(feature = "http")]
pub mod http;
pub mod json_lines;
#[cfg(feature = "test-util")]
pub mod memory;

/// One event on its way out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outgoing {
    /// Whose numbers these are.
    pub buffer_id: BufferId,
    /// Its place in that buffer, rising from 1; places may be left out.
    pub buffer_seq: u64,
    /// The event.
    pub event: EncodedEvent,
}

/// What became of a batch.
#[derive(Debug, Default)]
#[must_use]
pub struct Emitted {
    /// So many events from the front are kept by the sink.
    pub accepted: usize,
    /// Why the next one is not known to be; `None` when all are.
    pub stopped: Option<SinkError>,
}

/// Up to where a sink has the events of one buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LastKept {
    /// It has none of that buffer.
    Nothing,
    /// The last one that it has.
    At {
        /// Its place in the buffer.
        seq: u64,
        /// Which event, where the sink can say.
        event_id: Option<EventId>,
    },
    /// The sink is of a kind that cannot be asked.
    Unknown,
}

/// Why a sink did not keep an event.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SinkError {
    /// Not now: try again, the same event first.
    #[error("the sink does not take events now")]
    Retry {
        /// Not before this has passed, if the sink said so.
        after: Option<Duration>,
        /// What failed.
        source: Box<dyn error::Error + Send + Sync>,
    },
    /// Never, however often it is tried: it is this event.
    #[error("the sink refuses this event: {reason}")]
    Poison {
        /// What the sink says.
        reason: String,
    },
    /// The sink was closed and takes nothing any more.
    #[error("the sink is closed")]
    Closed,
}

impl SinkError {
    /// A failure that passes.
    pub fn retry(source: impl Into<Box<dyn error::Error + Send + Sync>>) -> Self {
        Self::Retry { after: None, source: source.into() }
    }
}

/// Takes events, in their order.
#[async_trait]
pub trait AuditSink: fmt::Debug + Send + Sync {
    /// What it is called in messages and metrics: `nats`, `http`, …
    fn name(&self) -> &'static str;

    /// Hands over events of one buffer, in rising order of their places, and returns once the sink
    /// keeps them, or will not.
    ///
    /// What it has already it takes again without keeping it twice, where its kind allows that.
    /// Whoever calls does so once at a time for a buffer. Cancelling leaves the outcome unknown.
    async fn emit_batch(&self, batch: &[Outgoing]) -> Emitted;

    /// Up to where it has the events of `buffer`.
    ///
    /// # Errors
    ///
    /// [`SinkError::Retry`] and [`SinkError::Closed`].
    async fn last_kept(&self, buffer: BufferId) -> Result<LastKept, SinkError>;

    /// For so long the sink may yet lose what it said it keeps: events stay in the buffer to be
    /// sent again. Zero for one that answers once it is on disk.
    fn resend_horizon(&self) -> Duration {
        Duration::ZERO
    }
}
