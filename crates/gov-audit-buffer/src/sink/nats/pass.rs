//! One batch on its way: where its subject ends, and how much of it stands there already.

use super::stream::{Guarded, LastMessage, Mark};
use crate::{BufferId, Outgoing};

/// The last message of a subject.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tail {
    /// Its number in the stream; 0: there is none.
    pub(super) sequence: u64,
    /// `None` also when it is no event of a buffer.
    pub(super) mark: Option<Mark>,
}

impl From<LastMessage> for Tail {
    fn from(last: LastMessage) -> Self {
        Self { sequence: last.sequence, mark: last.mark }
    }
}

impl Tail {
    /// The place of the last event in its buffer; 0: there is none.
    pub(super) fn place(&self) -> u64 {
        self.mark.map_or(0, |mark| mark.buffer_seq)
    }

    /// The tail once `last` was stored behind it under the number `sequence`.
    pub(super) fn moved(self, sequence: u64, last: Option<&Outgoing>) -> Self {
        last.map_or(self, |last| Self { sequence, mark: Some(last.into()) })
    }

    /// `window` with a guard for each: it comes behind the one before it.
    pub(super) fn guard<'a>(&self, window: &'a [Outgoing], under_id: bool) -> Vec<Guarded<'a>> {
        let before = window.iter().map(|it| Some(it.event.id));
        let after_ids = std::iter::once(None).chain(before);
        let numbers = self.sequence..;
        let parts = window.iter().zip(numbers).zip(after_ids);
        parts
            .map(|((outgoing, after), after_id)| Guarded { outgoing, after, after_id, under_id })
            .collect()
    }
}

/// A run of events of one buffer, and how far it is.
#[derive(Debug)]
pub(super) struct Pass<'a> {
    buffer: BufferId,
    pub(super) run: &'a [Outgoing],
    told: u64,
    pub(super) tail: Option<Tail>,
    /// So many from the front are in the stream.
    pub(super) accepted: usize,
}

/// Why the run cannot go behind the last message.
#[derive(Debug, thiserror::Error)]
pub(super) enum Misfit {
    #[error("the stream lost events of `{buffer}`: it had up to {told}, and ends at {has}")]
    Lost { buffer: BufferId, has: u64, told: u64 },
    #[error("the stream has another event at place {place} of `{buffer}`")]
    Foreign { buffer: BufferId, place: u64 },
    #[error("message {sequence} of the stream is not an event of `{buffer}`")]
    Stranger { buffer: BufferId, sequence: u64 },
}

impl<'a> Pass<'a> {
    /// A run of `buffer`, up to whose place `told` the caller holds everything for kept.
    pub(super) fn new(
        buffer: BufferId,
        run: &'a [Outgoing],
        told: u64,
        tail: Option<Tail>,
    ) -> Self {
        Self { buffer, run, told, tail, accepted: 0 }
    }

    /// What stands at or before `tail` is accepted, and the rest may be put behind it.
    ///
    /// # Errors
    ///
    /// [`Misfit`]: it may not, and nothing more is accepted.
    pub(super) fn stand_at(&mut self, tail: Tail) -> Result<(), Misfit> {
        let buffer = self.buffer;
        self.tail = Some(tail);
        match tail.mark {
            None if tail.sequence == 0 => (),
            Some(mark) if mark.buffer_id == buffer => self.accept(mark)?,
            _ => return Err(Misfit::Stranger { buffer, sequence: tail.sequence }),
        }
        // The stream may have lost what the caller holds for kept: what comes after that must wait
        // until the caller was told and has gone back.
        let (has, told) = (tail.place(), self.told.max(self.last_accepted()));
        match self.run.get(self.accepted) {
            Some(next) if has < told && next.buffer_seq > told => {
                Err(Misfit::Lost { buffer, has, told })
            }
            _ => Ok(()),
        }
    }

    fn accept(&mut self, mark: Mark) -> Result<(), Misfit> {
        let kept = self.run.partition_point(|it| it.buffer_seq <= mark.buffer_seq);
        let last = kept.checked_sub(1).and_then(|last| self.run.get(last));
        if last.is_some_and(|it| it.buffer_seq == mark.buffer_seq && it.event.id != mark.event_id) {
            return Err(Misfit::Foreign { buffer: self.buffer, place: mark.buffer_seq });
        }
        self.accepted = self.accepted.max(kept);
        Ok(())
    }

    /// The place of the last accepted event; 0: none is.
    pub(super) fn last_accepted(&self) -> u64 {
        let last = self.accepted.checked_sub(1).and_then(|last| self.run.get(last));
        last.map_or(0, |it| it.buffer_seq)
    }
}
