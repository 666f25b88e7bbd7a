//! What submitters, drainer and flusher share: one lock over the line of waiting records.

use std::{collections::VecDeque, ops::Range, path::PathBuf, sync::Arc};

use gov_core::{Clock, HealthState};
use parking_lot::Mutex;
use tokio::sync::{Notify, oneshot};

use crate::{
    metrics::{Balance, DeferredAuditMetrics},
    queue::{QueueConfig, SubmitError},
    record::LogRecord,
    spool::{Position, Spool, frame::Mark},
};

/// What [`submit_durable`](crate::DeferredAuditQueue::submit_durable) is told.
pub(crate) type Verdict = Result<u64, SubmitError>;

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) config: QueueConfig,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) metrics: DeferredAuditMetrics,
    pub(crate) mark: Mark,
    pub(crate) wake_drainer: Notify,
    pub(crate) wake_flusher: Notify,
    // Held for bookkeeping and for the one write of the spool, never across an await.
    pub(crate) line: Mutex<Line>,
}

/// Everything that waits, in the order in which it was submitted.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) entries: VecDeque<Entry>,
    pub(crate) spool: Spool,
    pub(crate) open: bool,
    pub(crate) dead: Option<String>,
    /// What the drainer cannot do at the moment.
    pub(crate) trouble: Option<String>,
    /// Records without a frame that wait in memory.
    pub(crate) memory: Usage,
    /// Spooled records that are held in memory too.
    pub(crate) cache: Usage,
    /// Spooled records that are only in the spool.
    pub(crate) on_disk: u64,
    /// Records that the drainer has taken and not settled.
    pub(crate) in_flight: u64,
    /// Keys of damages whose record is not in the log yet.
    pub(crate) gaps: Vec<(gov_core::RecordId, PathBuf)>,
}

#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "most entries are held; a box each would cost more")]
pub(crate) enum Entry {
    Held(Held),
    /// Frames that follow each other in one segment and are only there.
    OnDisk(Run),
}

/// A record in memory.
#[derive(Debug)]
pub(crate) struct Held {
    pub(crate) record: LogRecord,
    pub(crate) ticket: Ticket,
}

/// What settling a record needs beside the record.
#[derive(Debug)]
pub(crate) struct Ticket {
    pub(crate) bytes: u64,
    /// Where its frame ends; `None` without a frame.
    pub(crate) frame_end: Option<Position>,
    /// Who waits for the commit.
    pub(crate) waiter: Option<oneshot::Sender<Verdict>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Run {
    pub(crate) segment: u64,
    pub(crate) bytes: Range<u64>,
    pub(crate) frames: u64,
}

#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Usage {
    pub(crate) records: u64,
    pub(crate) bytes: u64,
}

impl Usage {
    pub(crate) fn add(&mut self, bytes: u64) {
        self.records += 1;
        self.bytes += bytes;
    }

    pub(crate) fn remove(&mut self, bytes: u64) {
        self.records = self.records.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(bytes);
    }
}

impl Line {
    pub(crate) fn usage(&mut self, ticket: &Ticket) -> &mut Usage {
        if ticket.frame_end.is_some() { &mut self.cache } else { &mut self.memory }
    }

    pub(crate) fn push_held(&mut self, held: Held) {
        let bytes = held.ticket.bytes;
        self.usage(&held.ticket).add(bytes);
        self.entries.push_back(Entry::Held(held));
    }

    /// Appends a frame that is only on disk to the run at the end, if it continues it.
    pub(crate) fn push_on_disk(&mut self, segment: u64, bytes: Range<u64>) {
        self.on_disk += 1;
        match self.entries.back_mut() {
            Some(Entry::OnDisk(run)) if run.segment == segment && run.bytes.end == bytes.start => {
                run.bytes.end = bytes.end;
                run.frames += 1;
            }
            _ => self.entries.push_back(Entry::OnDisk(Run { segment, bytes, frames: 1 })),
        }
    }

    /// Counts one by one what is really there.
    fn count(&self) -> u64 {
        let waiting = self.entries.iter().map(|entry| match entry {
            Entry::OnDisk(run) => run.frames,
            Entry::Held(_) => 1,
        });
        waiting.sum::<u64>() + self.in_flight
    }

    /// What [`Line::count`] would find, without looking at every entry.
    pub(crate) fn pending(&self) -> u64 {
        self.on_disk + self.memory.records + self.cache.records + self.in_flight
    }
}

impl Shared {
    /// The law, read under the lock, so that no record is between two places.
    pub(crate) fn balance(&self) -> Balance {
        let line = self.line.lock();
        self.balance_of(&line, line.count())
    }

    pub(crate) fn publish(&self, line: &Line) {
        self.metrics.publish(self.balance_of(line, line.pending()), line.spool.bytes());
    }

    fn balance_of(&self, line: &Line, pending: u64) -> Balance {
        Balance {
            submitted: self.metrics.submitted(),
            appended: self.metrics.appended(),
            dead_lettered: self.metrics.dlq_landed(),
            rejected: self.metrics.send_failures(),
            pending,
            gaps: u64::try_from(line.gaps.len()).unwrap_or(u64::MAX),
        }
    }

    pub(crate) fn close(&self) {
        self.line.lock().open = false;
        self.wake_drainer.notify_one();
    }

    pub(crate) fn health(&self) -> HealthState {
        let line = self.line.lock();
        if let Some(why) = &line.dead {
            return HealthState::Dead(why.clone());
        }
        if let Some(why) = line.spool.trouble().or(line.trouble.as_deref()) {
            return HealthState::Degraded(why.to_owned());
        }
        if let Some((_, file)) = line.gaps.first() {
            let file = file.display();
            return HealthState::Degraded(format!("damaged frames of the spool are in `{file}`"));
        }
        let limit = self.config.limits.max_bytes;
        if line.spool.bytes() > limit / 5 * 4 {
            return HealthState::Degraded(format!("the spool is over 80 % of {limit} bytes"));
        }
        HealthState::Healthy
    }
}
