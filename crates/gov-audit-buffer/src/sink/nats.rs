//! NATS `JetStream`: each event once, in order, on the subject of its buffer.
//!
//! [`fence`] is the protocol and [`stream`] what it needs of a server; the rest speaks to a real one.

mod checks;
mod config;
mod connect;
pub mod fence;
mod jetstream;
mod link;
mod message;
mod pass;
pub mod reader;
pub mod stream;
#[cfg(feature = "test-util")]
pub mod test_server;
mod window;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use gov_core::Clock;

pub use self::{
    checks::{UnfitStream, WrongSetting},
    config::{NatsAuth, NatsConfig, NatsConfigError, NatsTls},
    connect::ConnectError,
};
use self::{
    fence::{Fence, FenceConfig},
    jetstream::NatsStream,
};
use crate::{AuditSink, BufferId, Emitted, LastKept, Outgoing, SinkError};

/// Publishes events to a stream of a NATS server: subject `<prefix>.<node>.<buffer id>`, the
/// `CloudEvent` as body and its attributes as `ce-` headers, `Gov-Buffer` and `Gov-Seq`.
///
/// Connects when it is first used, and again after each failure; the pace is the caller's.
#[derive(Debug)]
pub struct NatsAuditSink {
    fence: Fence<NatsStream>,
}

impl NatsAuditSink {
    /// A sink that does not connect yet. `clock` bounds each call.
    ///
    /// # Errors
    ///
    /// As from [`NatsConfig::check`].
    pub fn new(config: NatsConfig, clock: Arc<dyn Clock>) -> Result<Self, NatsConfigError> {
        config.check()?;
        let fence = FenceConfig {
            subject: config.subject(),
            timeout: config.timeout,
            resend_horizon: config.resend_horizon,
        };
        Ok(Self { fence: Fence::new(NatsStream::new(config), fence, clock) })
    }

    /// Where events of `buffer` are published.
    #[must_use]
    pub fn subject(&self, buffer: BufferId) -> String {
        self.fence.subject(buffer)
    }

    /// Ends the connection. What is handed over later is refused as [`SinkError::Closed`].
    pub async fn close(&self) {
        self.fence.stream().close().await;
    }
}

#[async_trait]
impl AuditSink for NatsAuditSink {
    fn name(&self) -> &'static str {
        self.fence.name()
    }

    async fn emit_batch(&self, batch: &[Outgoing]) -> Emitted {
        self.fence.emit_batch(batch).await
    }

    async fn last_kept(&self, buffer: BufferId) -> Result<LastKept, SinkError> {
        self.fence.last_kept(buffer).await
    }

    fn resend_horizon(&self) -> Duration {
        self.fence.resend_horizon()
    }
}
