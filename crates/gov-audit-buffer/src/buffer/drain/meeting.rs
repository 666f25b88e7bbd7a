//! Asking a sink what it has, and going on from there.

use std::sync::atomic::Ordering;

use gov_core::EventId;

use super::{Drain, Stopped, too_long};
use crate::{
    sink::{LastKept, SinkError},
    store::sqlite,
};

impl Drain<'_> {
    /// Finds out what the sink has, and moves there: forwards over what it has although its answer
    /// was lost, back to what it lost although it had answered.
    pub(super) async fn meet(&mut self) -> Result<(), Stopped> {
        let buffer = self.buffer;
        if buffer.inner.state.borrow().acked < self.progress.past {
            // What went past the buffer counts as sent, so that its loss is seen.
            buffer.acknowledge(self.progress.past).await?;
        }
        let kept = self.ask().await?;
        let state = *buffer.inner.state.borrow();
        match kept {
            LastKept::Unknown => {}
            LastKept::Nothing => self.go_back(0).await?,
            LastKept::At { seq, event_id } => {
                let given = buffer.inner.handed_out.load(Ordering::Acquire);
                let unheard_of = seq > state.last.max(state.acked).max(given);
                if unheard_of || self.is_another(seq, event_id).await? {
                    self.rename().await?;
                } else if seq < state.acked {
                    self.go_back(seq).await?;
                } else {
                    self.go_on(seq).await?;
                }
            }
        }
        self.progress.in_touch = true;
        Ok(())
    }

    async fn ask(&self) -> Result<LastKept, SinkError> {
        let clock = &self.buffer.inner.clock;
        tokio::select! {
            biased;
            kept = self.sink.last_kept(self.buffer.id()) => kept,
            () = clock.sleep_until(clock.now() + self.bound) => Err(too_long()),
        }
    }

    /// Whether our number `seq` names another event than `theirs`, or was never sent: what was
    /// handed out stays until the sink has it, so where nothing is, another life has sent theirs.
    async fn is_another(&self, seq: u64, theirs: Option<EventId>) -> Result<bool, Stopped> {
        let Some(theirs) = theirs else { return Ok(false) };
        let read = move |it: &rusqlite::Connection| {
            sqlite::behind(it, seq.saturating_sub(1), seq, 1, u64::MAX)
        };
        let ours = self.buffer.inner.read(read).await?;
        let acked = self.buffer.inner.state.borrow().acked;
        Ok(ours.first().map_or(acked < seq, |(_, event)| event.id != theirs))
    }

    /// The file is not the one that the sink knows by its name: a copy was restored, or power loss
    /// took its end.
    async fn rename(&mut self) -> Result<(), Stopped> {
        let before = self.buffer.id();
        let id = self.buffer.rename_unsent().await?;
        self.progress.past = 0;
        self.buffer.inner.drains.meters.renamed();
        tracing::warn!(%before, %id, "the sink knows another file under this id: a new id is used");
        Ok(())
    }

    /// It has everything up to `seq`.
    async fn go_on(&mut self, seq: u64) -> Result<(), Stopped> {
        let before = self.buffer.len();
        if seq > self.buffer.inner.state.borrow().acked {
            self.buffer.acknowledge(seq).await?;
            self.progress.horizon.took(seq, self.buffer.inner.clock.now());
        }
        let found = before.saturating_sub(self.buffer.len());
        if found > 0 {
            self.sent += usize::try_from(found).unwrap_or(usize::MAX);
            self.buffer.inner.drains.meters.found(found);
            tracing::info!(found, sink = self.sink.name(), "the sink had events already");
        }
        Ok(())
    }

    /// It has nothing behind `seq`.
    async fn go_back(&mut self, seq: u64) -> Result<(), Stopped> {
        let done = self.buffer.rewind(seq).await?;
        self.progress.past = 0;
        self.progress.horizon.rewind(seq);
        self.progress.released = self.progress.released.min(seq);
        if done.again > 0 || done.lost.is_some() {
            self.buffer.inner.drains.meters.resent(done.again);
            let (again, lost, sink) = (done.again, done.lost, self.sink.name());
            tracing::warn!(again, ?lost, sink, "the sink lost events that it had");
        }
        Ok(())
    }
}
