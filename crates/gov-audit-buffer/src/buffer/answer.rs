//! What became of a job, told to everyone in it.

use std::sync::Arc;

use gov_store::sqlite::{Sync, WriteError};

use super::{
    GapReason, Inner,
    batch::{Batch, Report},
    error::{AppendError, JobError, Space},
    gap::Gap,
    intake::{Intake, Pending},
};

/// So often an event is tried whose commit failed half-way.
const MAX_TRIES: u8 = 3;

impl Pending {
    /// What `error` means to this one: after a commit that failed half-way nobody may say that
    /// nothing was kept.
    pub(super) fn told(&self, error: &AppendError) -> AppendError {
        match (error, self.unknown_since) {
            (AppendError::Unavailable(cause), Some(_)) => AppendError::Unknown(Arc::clone(cause)),
            (other @ (AppendError::Closed | AppendError::Busy { .. }), Some(_)) => {
                AppendError::Unknown(Arc::new(other.clone()))
            }
            _ => error.clone(),
        }
    }
}

impl Inner {
    /// Brings the books up to a commit that is over, on the writer's thread, and gives what everyone
    /// in `batch` is to be told.
    pub(super) fn settle(
        self: &Arc<Self>,
        batch: Batch,
        outcome: Result<Report, WriteError<JobError>>,
    ) -> Vec<(Pending, Result<u64, AppendError>)> {
        let Batch { items, gaps, touch, .. } = batch;
        if let Err(error) = &outcome {
            self.disk.note(error);
        }
        let mut intake = self.intake.lock();
        match outcome {
            Ok(Report { state, outcomes }) => {
                for it in &items {
                    intake.reserved = intake.reserved.minus(it.size());
                }
                self.state.send_replace(state);
                for (it, outcome) in items.iter().zip(&outcomes) {
                    if let Err(missing) = outcome {
                        self.counters.rejected(1);
                        intake.missed(Gap::of_one(it.class, (*missing).into(), it.event.at));
                    }
                }
                drop(intake);
                drop(touch);
                let told = |it: Result<u64, _>| it.map_err(|missing| AppendError::Full { missing });
                items.into_iter().zip(outcomes.into_iter().map(told)).collect()
            }
            Err(error) => {
                self.shed.lock().forget();
                for gap in gaps {
                    intake.missed(gap);
                }
                let lost = self.again_or_lost(&mut intake, items, error);
                drop(intake);
                drop(touch);
                lost.into_iter().map(|(it, error)| (it, Err(error))).collect()
            }
        }
    }

    /// What may be in the file is looked for by the next job, before it is written again.
    fn again_or_lost(
        self: &Arc<Self>,
        intake: &mut Intake,
        items: Vec<Pending>,
        error: WriteError<JobError>,
    ) -> Vec<(Pending, AppendError)> {
        // In a file that is exchanged nothing is found.
        let unknown = matches!(error, WriteError::Commit(_)) && !self.disk.is_damaged();
        let error = AppendError::from(error);
        let full = matches!(error, AppendError::Unavailable(_)) && self.disk.is_full();
        let known = self.state.borrow().last;
        let mut lost = Vec::new();
        for mut it in items.into_iter().rev() {
            if unknown && it.tries + 1 < MAX_TRIES {
                it.tries += 1;
                it.unknown_since.get_or_insert(known);
                intake.queued_full += usize::from(it.sync == Sync::Full);
                intake.queue.push_front(it);
            } else {
                intake.reserved = intake.reserved.minus(it.size());
                let known = it.told(&error);
                let error = match known {
                    AppendError::Unknown(_) => known,
                    _ if full => {
                        self.counters.rejected(1);
                        intake.missed(Gap::of_one(it.class, GapReason::DiskFull, it.event.at));
                        AppendError::Full { missing: Space::Disk }
                    }
                    _ => known,
                };
                lost.push((it, error));
            }
        }
        lost.extend(self.see_to(intake));
        lost
    }
}

/// Answers one caller.
pub(super) fn tell(pending: Pending, outcome: Result<u64, AppendError>) {
    // Who went away does not want to know; the event is kept all the same.
    let _ = pending.answer.send(outcome);
}
