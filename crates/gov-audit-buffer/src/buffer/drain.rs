//! Brings what waits to a sink: in order, and by one at a time.

use std::time::Duration;

use super::{BufferError, EventBuffer};
use crate::{
    Outgoing,
    sink::{AuditSink, Emitted, SinkError},
};

/// How long a sink may take where nobody says otherwise.
const SEND_TIMEOUT: Duration = Duration::from_secs(30);

/// What a drain did.
#[derive(Debug, Default)]
pub(crate) struct Drained {
    /// Events that the sink has now and had not before.
    pub(crate) sent: usize,
    /// Why it ended early; `None` when nothing waits any more.
    pub(crate) stopped: Option<Stopped>,
}

/// Why a drain ended early.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Stopped {
    /// The sink did not take the next event.
    #[error(transparent)]
    Sink(#[from] SinkError),
    /// The file cannot be read or moved on.
    #[error(transparent)]
    Buffer(#[from] BufferError),
}

impl EventBuffer {
    /// Hands what waits to `sink`, first in, first out, until nothing waits or the sink does not
    /// take the next one, and gives how many went.
    ///
    /// A second caller waits for the first: nothing is sent twice.
    pub async fn drain_and_send(&self, sink: &dyn AuditSink) -> usize {
        self.drain(sink, SEND_TIMEOUT).await.sent
    }

    pub(crate) async fn drain(&self, sink: &dyn AuditSink, bound: Duration) -> Drained {
        let mut drained = Drained::default();
        if let Err(stopped) = self.ship(sink, bound, &mut drained.sent).await {
            let error = &stopped as &dyn std::error::Error;
            tracing::warn!(error, sink = sink.name(), "audit events wait");
            drained.stopped = Some(stopped);
        }
        drained
    }

    /// Waits until something waits for the sink.
    pub(crate) async fn something_waits(&self) {
        let mut state = self.inner.state.subscribe();
        // The sender lives in `self`, so the channel cannot close while we wait.
        let _ = state.wait_for(|it| it.last > it.acked).await;
    }

    async fn ship(
        &self,
        sink: &dyn AuditSink,
        bound: Duration,
        sent: &mut usize,
    ) -> Result<(), Stopped> {
        loop {
            let batch = self.next_batch().await?;
            if batch.is_empty() {
                return Ok(());
            }
            let emitted = self.emit(sink, &batch, bound).await;
            if let Some(last) = batch.iter().take(emitted.accepted).next_back() {
                *sent += emitted.accepted;
                self.acknowledge(last.buffer_seq).await?;
                while self.release(last.buffer_seq).await? {}
            }
            if let Some(error) = emitted.stopped {
                return Err(error.into());
            }
        }
    }

    async fn emit(&self, sink: &dyn AuditSink, batch: &[Outgoing], bound: Duration) -> Emitted {
        let clock = &self.inner.clock;
        tokio::select! {
            biased;
            emitted = sink.emit_batch(batch) => emitted,
            () = clock.sleep_until(clock.now() + bound) => {
                Emitted { accepted: 0, stopped: Some(SinkError::retry("the sink takes too long")) }
            }
        }
    }
}
