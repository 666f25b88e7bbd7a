//! Events that come in: room is set aside for each, and one job of the writer takes all that wait.
//!
//! ```text
//! append ─▶ room set aside ─▶ queue ─▶ [job: up to 256, one statement each] ─▶ commit ─▶ answers
//! ```

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use gov_core::Timestamp;
use gov_store::sqlite::{Sync, WriteError};
use parking_lot::Mutex;
use tokio::sync::oneshot;

use super::{
    Inner,
    answer::tell,
    batch::Batch,
    config::Overflow,
    error::{AppendError, JobError, Space},
    gap::{Gap, GapReason},
    limits::{Class, Size},
};
use crate::EncodedEvent;

/// At most this many events share one job, and so one commit.
const BATCH: usize = 256;
/// At most this many events wait for a job.
const MAX_QUEUED: usize = 4096;

/// One event on its way into the file.
#[derive(Debug)]
pub(super) struct Pending {
    pub(super) event: EncodedEvent,
    pub(super) class: Class,
    pub(super) sync: Sync,
    /// The number that it was promised; 0 for none.
    pub(super) place: u64,
    /// Whether room was set aside; otherwise older events have to make it.
    pub(super) fits: bool,
    /// A commit failed half-way: it may be in the file, behind this number.
    pub(super) unknown_since: Option<u64>,
    pub(super) tries: u8,
    pub(super) answer: oneshot::Sender<Result<u64, AppendError>>,
}

/// What waits, and what is set aside for it.
#[derive(Debug, Default)]
pub(super) struct Intake {
    pub(super) queue: VecDeque<Pending>,
    /// Of them, those that ask for the disk.
    pub(super) queued_full: usize,
    /// Set aside for what is in the queue, or in a job.
    pub(super) reserved: Size,
    full_jobs: usize,
    spooled_jobs: usize,
    closed: bool,
    /// While the file is exchanged what comes in only waits.
    paused: bool,
    misses: BTreeMap<(Class, GapReason), Gap>,
}

/// Room for events that go another way than the queue; given back when dropped.
#[derive(Debug)]
pub(super) struct Reservation {
    inner: Arc<Inner>,
    size: Size,
    /// Whether it was there; otherwise older events have to make it.
    pub(super) fits: bool,
}

/// What did not go into the queue.
pub(super) enum Turned {
    /// There is no room now.
    NoRoom(Box<Pending>, Space),
    Away(AppendError),
}

impl Pending {
    pub(super) fn size(&self) -> Size {
        Size::one(self.event.json.len())
    }
}

impl Intake {
    /// Everything in flight, and what is in the file already, `waiting`.
    fn used(&self, waiting: Size) -> Size {
        waiting.plus(self.reserved)
    }

    pub(super) fn missed(&mut self, gap: Gap) {
        let Some(class) = gap.class else { return };
        self.misses.entry((class, gap.reason)).and_modify(|it| it.absorb(&gap)).or_insert(gap);
    }

    pub(super) fn has_misses(&self) -> bool {
        !self.misses.is_empty()
    }

    #[cfg(test)]
    pub(super) fn waiting(&self) -> usize {
        self.queue.len()
    }

    fn take_all(&mut self) -> Vec<Pending> {
        self.queued_full = 0;
        let all: Vec<_> = self.queue.drain(..).collect();
        for it in &all {
            self.reserved = self.reserved.minus(it.size());
        }
        all
    }
}

impl Inner {
    /// Puts `pending` into the queue, if there is room for it.
    pub(super) fn offer(self: &Arc<Self>, mut pending: Pending) -> Result<(), Turned> {
        let mut intake = self.intake.lock();
        if intake.closed {
            return Err(Turned::Away(AppendError::Closed));
        }
        if intake.queue.len() >= MAX_QUEUED {
            return Err(Turned::Away(AppendError::Busy { limit: MAX_QUEUED }));
        }
        if self.disk.is_full() {
            return Err(Turned::NoRoom(Box::new(pending), Space::Disk));
        }
        let size = pending.size();
        if let Some(missing) = self.missing(&intake, pending.class, size) {
            if self.config.overflow != Overflow::DropOldest {
                return Err(Turned::NoRoom(Box::new(pending), missing));
            }
            pending.fits = false;
        }
        intake.reserved = intake.reserved.plus(size);
        let lost = self.enqueue(&mut intake, pending);
        drop(intake);
        fail(lost);
        Ok(())
    }

    /// Sets room aside for `size` at once.
    pub(super) fn reserve(
        self: &Arc<Self>,
        class: Class,
        size: Size,
    ) -> Result<Reservation, Space> {
        if self.disk.is_full() {
            return Err(Space::Disk);
        }
        let mut intake = self.intake.lock();
        let missing = self.missing(&intake, class, size);
        if let Some(missing) = missing
            && self.config.overflow != Overflow::DropOldest
        {
            return Err(missing);
        }
        intake.reserved = intake.reserved.plus(size);
        Ok(Reservation { inner: Arc::clone(self), size, fits: missing.is_none() })
    }

    /// Counts an event that found no room, for an `audit.gap` to say so.
    pub(super) fn miss(&self, class: Class, reason: GapReason, at: Timestamp) {
        self.counters.rejected(1);
        self.intake.lock().missed(Gap::of_one(class, reason, at));
    }

    /// Has a job queued that takes what waits, gaps among it.
    pub(super) fn submit_batch(
        self: &Arc<Self>,
        intake: &mut Intake,
        sync: Sync,
    ) -> Result<(), WriteError<JobError>> {
        let slot = Arc::new(Mutex::new(None));
        let (runs, hears, kept) = (Arc::clone(self), Arc::clone(self), Arc::clone(&slot));
        self.file().writer.submit(
            sync,
            move |tx| slot.lock().insert(runs.take(sync)).write(&runs, tx),
            move |outcome| {
                // Where no transaction could begin the job never ran, and what it came for waits.
                let batch = kept.lock().take().unwrap_or_else(|| hears.take(sync));
                let answers = hears.settle(batch, outcome);
                // Before anybody hears of it: who drops the buffer then has given the file back.
                drop(hears);
                for (it, outcome) in answers {
                    tell(it, outcome);
                }
            },
        )?;
        match sync {
            Sync::Full => intake.full_jobs += 1,
            Sync::Spooled => intake.spooled_jobs += 1,
        }
        Ok(())
    }

    /// From here on what comes in waits for [`Inner::resume`].
    pub(super) fn pause(&self) {
        self.intake.lock().paused = true;
    }

    /// Goes on with another file, which nothing of what waits can be in.
    pub(super) fn resume(self: &Arc<Self>) {
        let mut intake = self.intake.lock();
        intake.paused = false;
        (intake.full_jobs, intake.spooled_jobs) = (0, 0);
        for it in &mut intake.queue {
            it.unknown_since = None;
        }
        let lost = self.see_to(&mut intake);
        drop(intake);
        fail(lost);
    }

    /// Takes no more events; those that wait are still written.
    pub(super) fn close_intake(&self) {
        self.intake.lock().closed = true;
    }

    /// Answers those that no job came for.
    pub(super) fn abandon(&self) {
        let left = self.intake.lock().take_all();
        for it in left {
            let error = it.told(&AppendError::Closed);
            tell(it, Err(error));
        }
    }

    /// What is missing before `size` more of `class` fit.
    fn missing(&self, intake: &Intake, class: Class, size: Size) -> Option<Space> {
        let state = *self.state.borrow();
        let waiting = Size { rows: state.waiting(), bytes: state.waiting_bytes() };
        self.limits.missing(class, intake.used(waiting).plus(size))
    }

    /// Adds to the queue and sees to it that a job comes for it. Gives those for whom none will.
    #[must_use]
    fn enqueue(
        self: &Arc<Self>,
        intake: &mut Intake,
        pending: Pending,
    ) -> Vec<(Pending, AppendError)> {
        if pending.sync == Sync::Full {
            intake.queued_full += 1;
        }
        intake.queue.push_back(pending);
        self.see_to(intake)
    }

    /// INVARIANT: while something waits, a job is queued that will take it; and one that goes to the
    /// disk while something waits that asks for it.
    pub(super) fn see_to(self: &Arc<Self>, intake: &mut Intake) -> Vec<(Pending, AppendError)> {
        if intake.paused {
            return Vec::new();
        }
        let submitted = if intake.queued_full > 0 && intake.full_jobs == 0 {
            self.submit_batch(intake, Sync::Full)
        } else if !intake.queue.is_empty() && intake.full_jobs + intake.spooled_jobs == 0 {
            self.submit_batch(intake, Sync::Spooled)
        } else {
            Ok(())
        };
        let error = match submitted {
            Ok(()) => return Vec::new(),
            // The file could not be exchanged.
            Err(error @ WriteError::Closed) if !intake.closed => {
                AppendError::Unavailable(Arc::new(error))
            }
            Err(error) => error.into(),
        };
        let told = |it: Pending| {
            let error = it.told(&error);
            (it, error)
        };
        intake.take_all().into_iter().map(told).collect()
    }

    /// What one job writes: all that waited, up to a limit. A job that does not go to the disk stops
    /// at who asks for that.
    fn take(self: &Arc<Self>, sync: Sync) -> Batch {
        let mut intake = self.intake.lock();
        match sync {
            Sync::Full => intake.full_jobs -= 1,
            Sync::Spooled => intake.spooled_jobs -= 1,
        }
        let limit = if intake.closed { MAX_QUEUED } else { BATCH };
        let mut items = Vec::with_capacity(intake.queue.len().min(limit));
        while items.len() < limit
            && let Some(next) = intake.queue.pop_front_if(|it| it.sync <= sync)
        {
            if next.sync == Sync::Full {
                intake.queued_full -= 1;
            }
            items.push(next);
        }
        let gaps = std::mem::take(&mut intake.misses).into_values().collect();
        let state = *self.state.borrow();
        let waiting = Size { rows: state.waiting(), bytes: state.waiting_bytes() };
        let used = intake.used(waiting);
        let lost = self.see_to(&mut intake);
        drop(intake);
        fail(lost);
        Batch { items, gaps, used, touch: None }
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        let mut intake = self.inner.intake.lock();
        intake.reserved = intake.reserved.minus(self.size);
    }
}

fn fail(lost: Vec<(Pending, AppendError)>) {
    for (it, error) in lost {
        tell(it, Err(error));
    }
}
