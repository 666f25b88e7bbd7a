//! Sending one event past the buffer, while nothing waits in it.

use std::time::Duration;

use gov_core::Timestamp;

use super::{Drain, EventBuffer, Stopped};
use crate::{Durability, EncodedEvent, Outgoing, buffer::AppendError, sink::AuditSink};

/// What became of an event that was to go past the buffer.
#[derive(Debug)]
pub(crate) enum Past {
    /// The sink has it.
    Kept,
    /// Something waits, or is being sent: it would overtake. Keep it.
    Behind,
    /// The sink is not known to have it, and so it was kept, if it could be.
    Instead {
        /// Its place.
        appended: Result<u64, AppendError>,
        /// What failed.
        stopped: Stopped,
    },
}

impl EventBuffer {
    /// Sends `event` to `sink` within `bound`, unless something waits, and keeps it if that fails.
    /// By one caller at a time.
    pub(crate) async fn send_past(
        &self,
        sink: &dyn AuditSink,
        event: &EncodedEvent,
        durability: Durability,
        bound: Duration,
    ) -> Past {
        let clock = &self.inner.clock;
        let deadline = clock.now() + bound;
        let turn = tokio::select! {
            biased;
            turn = self.begin_drain(sink, bound) => turn,
            () = clock.sleep_until(deadline) => None,
        };
        let Some(mut drain) = turn else { return Past::Behind };
        let past = drain.send_one(event, durability, deadline).await;
        *self.inner.drains.progress.lock() = Some(drain.progress);
        past
    }
}

impl Drain<'_> {
    async fn send_one(
        &mut self,
        event: &EncodedEvent,
        durability: Durability,
        deadline: Timestamp,
    ) -> Past {
        let mut place = 0;
        let outcome = self.try_one(event, &mut place, deadline).await;
        match outcome {
            Ok(past) => past,
            // Still in turn: who asks the sink now might skip the number that it may have.
            Err(stopped) => {
                let appended = self.buffer.append_at(place, event.clone(), durability).await;
                Past::Instead { appended, stopped }
            }
        }
    }

    async fn try_one(
        &mut self,
        event: &EncodedEvent,
        place: &mut u64,
        deadline: Timestamp,
    ) -> Result<Past, Stopped> {
        let buffer = self.buffer;
        let left = || deadline.since(buffer.inner.clock.now());
        if !self.progress.in_touch {
            self.bound = left();
            self.meet().await?;
        }
        if !buffer.is_empty() {
            return Ok(Past::Behind);
        }
        *place = buffer.hand_out();
        // The sink may have it, whatever it says: where it is kept it is never dropped.
        buffer.inner.hand.mark(*place);
        let (buffer_id, buffer_seq) = (buffer.id(), *place);
        self.progress.in_touch = false;
        self.bound = left();
        let emitted = self.emit(&[Outgoing { buffer_id, buffer_seq, event: event.clone() }]).await;
        match emitted.stopped {
            None if emitted.accepted > 0 => {
                self.progress.in_touch = true;
                self.progress.past = buffer_seq;
                Ok(Past::Kept)
            }
            stopped => Err(stopped.unwrap_or_else(super::too_long).into()),
        }
    }
}
