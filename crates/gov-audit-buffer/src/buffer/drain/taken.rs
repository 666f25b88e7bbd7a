//! Writing down what a sink took, while it takes the next.

use gov_core::Timestamp;

use super::Drain;
use crate::buffer::BufferError;

/// The newest event that a sink took.
#[derive(Clone, Copy, Debug)]
pub(super) struct Taken {
    pub(super) seq: u64,
    pub(super) happened: Timestamp,
    pub(super) at: Timestamp,
}

impl<'a> Drain<'a> {
    /// Writes down what the sink took, and deletes what it has for long enough. What is lost of
    /// this is asked again.
    pub(super) fn note(&mut self) -> impl Future<Output = Result<(), BufferError>> + use<'a> {
        let (buffer, horizon) = (self.buffer, self.sink.resend_horizon());
        let noted = self.taken.take().map(|Taken { seq, happened, at }| {
            buffer.inner.drains.meters.lag(at.since(happened));
            self.progress.horizon.took(seq, at);
            (seq, self.progress.horizon.due(at, horizon))
        });
        async move {
            let Some((seq, due)) = noted else { return Ok(()) };
            // Queued in this order, so that one commit takes both.
            tokio::try_join!(buffer.acknowledge(seq), buffer.release(due)).map(drop)
        }
    }
}
