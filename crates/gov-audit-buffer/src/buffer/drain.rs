//! Brings what waits to a sink: in order, by one at a time, and not twice.
//!
//! A drain trusts what it sent as long as every answer came. After any that did not, and at the
//! first contact, it asks the sink up to where it has the events, and goes on from there.

mod horizon;
mod meeting;
mod past;
mod taken;

use std::{sync::Arc, time::Duration};

use parking_lot::Mutex;
use tokio::sync::{Semaphore, SemaphorePermit};

use gov_core::EventId;

use self::{horizon::Horizon, taken::Taken};
use super::{BufferError, EventBuffer};
use crate::{
    Outgoing,
    meters::DrainMeters,
    sink::{AuditSink, Emitted, SinkError},
};

pub(crate) use self::past::Past;

/// How long a sink may take where nobody says otherwise.
const SEND_TIMEOUT: Duration = Duration::from_secs(30);
/// So often a sink may refuse an event for good before it is believed.
pub const MAX_REFUSALS: u32 = 8;

/// What a drain did.
#[derive(Debug, Default)]
pub(crate) struct Drained {
    /// Events that the sink has now, and was not known to have before.
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

/// Who drains, and what they know.
#[derive(Debug)]
pub(super) struct Drains {
    turn: Semaphore,
    /// `None` at first, while somebody drains, and after somebody was cancelled.
    progress: Mutex<Option<Progress>>,
    meters: DrainMeters,
}

/// The file is about to be exchanged.
#[derive(Debug, thiserror::Error)]
#[error("the file is corrupt")]
struct Corrupt;

/// What those who drain know of their sink.
#[derive(Debug)]
struct Progress {
    /// Nothing is open: every answer came.
    in_touch: bool,
    /// The event that the sink refused last, and how often in a row.
    refused: Option<(EventId, u32)>,
    /// When it took what it has.
    horizon: Horizon,
    /// Everything up to this one was let go.
    released: u64,
    /// The greatest number that it took past the buffer.
    past: u64,
}

/// One drain; nobody else does while it lives.
struct Drain<'a> {
    buffer: &'a EventBuffer,
    sink: &'a dyn AuditSink,
    /// How long the sink may take for one answer.
    bound: Duration,
    progress: Progress,
    /// What the sink took and the file does not say yet.
    taken: Option<Taken>,
    sent: usize,
    _turn: SemaphorePermit<'a>,
}

impl EventBuffer {
    /// Hands what waits to `sink`, first in, first out, until nothing waits or the sink does not
    /// take the next one, and gives how many went.
    ///
    /// Of two callers the second waits for the first: nothing is sent twice. Dropping the future
    /// leaves open whether the sink took the batch at hand; the next drain asks it.
    pub async fn drain_and_send(&self, sink: &dyn AuditSink) -> usize {
        let Some(mut drain) = self.begin_drain(sink, SEND_TIMEOUT).await else { return 0 };
        // It may be another one than last time, and next time.
        drain.progress.in_touch = false;
        let outcome = drain.run().await;
        drain.progress.in_touch = false;
        drain.end(outcome).sent
    }

    /// Like [`EventBuffer::drain_and_send`] to a sink that is the same each time.
    pub(crate) async fn drain(&self, sink: &dyn AuditSink, bound: Duration) -> Drained {
        let Some(mut drain) = self.begin_drain(sink, bound).await else {
            return Drained::default();
        };
        let outcome = drain.run().await;
        drain.end(outcome)
    }

    /// Waits until something waits for the sink.
    pub(crate) async fn something_waits(&self) {
        let mut state = self.inner.state.subscribe();
        // The sender lives in `self`, so the channel cannot close while we wait.
        let _ = state.wait_for(|it| it.waiting() > 0).await;
    }

    async fn begin_drain<'a>(
        &'a self,
        sink: &'a dyn AuditSink,
        bound: Duration,
    ) -> Option<Drain<'a>> {
        self.inner.look_after().await;
        let drains = &self.inner.drains;
        let turn = drains.turn.acquire().await.ok()?;
        let known = drains.progress.lock().take();
        let progress = known.unwrap_or_else(|| {
            // What is held may have gone out just before: it waits for its whole horizon.
            let mut horizon = Horizon::default();
            horizon.took(self.inner.state.borrow().acked, self.inner.clock.now());
            Progress { in_touch: false, refused: None, horizon, released: 0, past: 0 }
        });
        Some(Drain { buffer: self, sink, bound, progress, taken: None, sent: 0, _turn: turn })
    }
}

impl Drains {
    /// A turn, if nobody drains. What was known of numbers is forgotten.
    pub(super) fn restart(&self) -> Option<SemaphorePermit<'_>> {
        let turn = self.turn.try_acquire().ok()?;
        *self.progress.lock() = None;
        Some(turn)
    }

    pub(super) fn new() -> Self {
        Self { turn: Semaphore::new(1), progress: Mutex::default(), meters: DrainMeters::new() }
    }
}

impl Drain<'_> {
    async fn run(&mut self) -> Result<(), Stopped> {
        if self.is_idle_and_held() {
            // Nothing would be sent by which a loss is noticed.
            self.progress.in_touch = false;
        }
        let mut ahead = Vec::new();
        loop {
            if self.buffer.is_damaged() {
                // The file is exchanged as soon as nobody sends from it.
                return Err(BufferError::Unavailable(Arc::new(Corrupt)).into());
            }
            if !self.progress.in_touch {
                ahead.clear();
                self.meet().await?;
            }
            let mut batch = std::mem::take(&mut ahead);
            if batch.is_empty() {
                batch = self.buffer.next_batch().await?;
            }
            if !batch.is_empty() {
                ahead = self.send(&batch).await?;
            } else if self.let_go().await? {
                return Ok(());
            }
        }
    }

    /// Whether nothing waits, and the sink may yet lose what it took.
    fn is_idle_and_held(&mut self) -> bool {
        let (now, horizon) = (self.buffer.inner.clock.now(), self.sink.resend_horizon());
        let acked = self.buffer.inner.state.borrow().acked;
        self.buffer.is_empty() && self.progress.horizon.due(now, horizon) < acked
    }

    fn end(mut self, outcome: Result<(), Stopped>) -> Drained {
        if self.taken.is_some() {
            // The file does not say yet that the sink has it: the next one asks.
            self.progress.in_touch = false;
        }
        let stopped = outcome.err();
        if let Some(stopped) = &stopped {
            let error = stopped as &dyn std::error::Error;
            tracing::warn!(error, sink = self.sink.name(), sent = self.sent, "audit events wait");
        }
        *self.buffer.inner.drains.progress.lock() = Some(self.progress);
        Drained { sent: self.sent, stopped }
    }

    /// Hands `batch` to the sink, and gives what comes behind it, as far as it is read already.
    async fn send(&mut self, batch: &[Outgoing]) -> Result<Vec<Outgoing>, Stopped> {
        self.progress.in_touch = false;
        let end = batch.last().map_or(0, |it| it.buffer_seq);
        let note = self.note();
        // The disk works while the sink does.
        let (emitted, ahead, noted) =
            tokio::join!(self.emit(batch), self.buffer.batch_behind(end), note);
        noted?;
        let Emitted { accepted, stopped } = emitted;
        let (taken, rest) = batch.split_at(accepted.min(batch.len()));
        if let Some(last) = taken.last() {
            self.sent += taken.len();
            let at = self.buffer.inner.clock.now();
            self.taken = Some(Taken { seq: last.buffer_seq, happened: last.event.at, at });
        }
        // What could not be read is read again, and then it is told.
        let ahead = ahead.unwrap_or_default();
        if stopped.is_some() || !rest.is_empty() || ahead.is_empty() {
            self.note().await?;
        }
        match (stopped, rest.first()) {
            (None, None) => {
                self.progress.in_touch = true;
                return Ok(ahead);
            }
            (Some(SinkError::Poison { reason }), Some(event)) => {
                self.progress.in_touch = true;
                self.refused(event, reason).await?;
            }
            (Some(error), _) => return Err(error.into()),
            (None, Some(_)) => {
                return Err(SinkError::retry("it took less than it was given").into());
            }
        }
        Ok(Vec::new())
    }

    async fn emit(&self, batch: &[Outgoing]) -> Emitted {
        let late = Emitted { accepted: 0, stopped: Some(too_long()) };
        let clock = &self.buffer.inner.clock;
        tokio::select! {
            biased;
            emitted = self.sink.emit_batch(batch) => emitted,
            () = clock.sleep_until(clock.now() + self.bound) => late,
        }
    }

    /// The sink will not have `event`. It is tried again for a while, since sinks err.
    async fn refused(&mut self, event: &Outgoing, reason: String) -> Result<(), Stopped> {
        let id = event.event.id;
        let before = self.progress.refused.take().filter(|it| it.0 == id).map_or(0, |it| it.1);
        let tries = before + 1;
        if tries < MAX_REFUSALS {
            self.progress.refused = Some((id, tries));
            return Err(SinkError::Poison { reason }.into());
        }
        self.buffer.dead_letter(event.buffer_seq, &reason, tries).await?;
        self.buffer.inner.drains.meters.dead_lettered();
        let sink = self.sink.name();
        tracing::error!(%id, reason, tries, sink, "an audit event is a dead letter");
        Ok(())
    }

    /// Deletes what the sink has for long enough; false if it has lost some of it meanwhile, which
    /// waits again.
    ///
    /// While nothing is sent nobody would notice that: so the sink is asked once more, as long as
    /// what it lost is still held.
    async fn let_go(&mut self) -> Result<bool, Stopped> {
        let (now, horizon) = (self.buffer.inner.clock.now(), self.sink.resend_horizon());
        let due = self.progress.horizon.due(now, horizon);
        if due <= self.progress.released {
            return Ok(true);
        }
        if !horizon.is_zero() {
            self.meet().await?;
            if !self.buffer.is_empty() {
                return Ok(false);
            }
        }
        while self.buffer.release(due).await? {}
        self.progress.released = due;
        Ok(true)
    }
}

fn too_long() -> SinkError {
    SinkError::retry("the sink takes too long")
}
