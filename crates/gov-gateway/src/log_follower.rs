//! Carries the records of the signed log to the outlet: each once in effect, in its order.
//!
//! ```text
//! signed log ─ records behind the cursor ─▶ event of each ─▶ outlet: events and cursor
//!     ▲                                                      in one transaction
//!     └── again after a failure or a crash: from the cursor, with the same ids
//! ```
//!
//! Each epoch is a source of its own, named by its origin. An epoch that ended is carried to its
//! end before the next one begins.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use gov_core::{AuditEvent, Clock, EventId, Timestamp};
use gov_deferred_audit::signed_log::{EpochExtent, LogHead, ReadLogError};
use gov_store::crash;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::outlet::{EventOutlet, OutletError};

mod convert;
mod progress;
mod source;

pub use self::{
    convert::{Undeliverable, dead_letter, event_of, pruned},
    progress::Progress,
    source::RecordSource,
};

/// Records read at once: with payloads of a mebibyte each they still fit.
const READ: u64 = 16;

/// How a follower paces itself.
#[derive(Clone, Copy, Debug)]
pub struct LogFollowerConfig {
    /// How long it waits for a commit of the log before it looks all the same.
    pub poll_interval: Duration,
    /// At most this many events share a transaction.
    pub batch: usize,
    /// About how many bytes of payload share a transaction.
    pub batch_bytes: usize,
    /// How long after a first failure it tries again; doubled for each further one.
    pub first_pause: Duration,
    /// The longest pause.
    pub longest_pause: Duration,
}

impl Default for LogFollowerConfig {
    fn default() -> Self {
        Self {
            poll_interval: Duration::from_secs(1),
            batch: 256,
            batch_bytes: 4 * 1024 * 1024,
            first_pause: Duration::from_millis(100),
            longest_pause: Duration::from_secs(30),
        }
    }
}

/// Hands the records of one log to one outlet.
#[derive(Debug)]
pub struct LogFollower {
    source: Arc<dyn RecordSource>,
    outlet: Arc<dyn EventOutlet>,
    clock: Arc<dyn Clock>,
    config: LogFollowerConfig,
    progress: Arc<Progress>,
    /// The last epoch that is carried to its end and can grow no more.
    finished: AtomicU64,
}

/// What one pass did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CarryReport {
    /// Events that are kept now and were not before.
    pub new: u64,
    /// Events that were kept already.
    pub known: u64,
    /// Of both, those that only say that a record cannot be read.
    pub dead_lettered: u64,
}

/// A pass ended early; what is carried stays carried.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CarryError {
    /// The signed log cannot be read.
    #[error("the signed log cannot be read")]
    Log(#[from] ReadLogError),
    /// The next records cannot be handed on.
    #[error("the next records cannot be handed on")]
    Outlet(#[from] OutletError),
}

impl LogFollower {
    /// Wires the task; [`LogFollower::run`] starts it.
    #[must_use]
    pub fn new(
        source: Arc<dyn RecordSource>,
        outlet: Arc<dyn EventOutlet>,
        clock: Arc<dyn Clock>,
        config: LogFollowerConfig,
    ) -> Self {
        let progress = Arc::new(Progress::new());
        Self { source, outlet, clock, config, progress, finished: AtomicU64::new(0) }
    }

    /// How far it is: a part of `/readyz`.
    #[must_use]
    pub fn progress(&self) -> Arc<Progress> {
        Arc::clone(&self.progress)
    }

    /// Follows until `shutdown`, woken by commits of the log and by time; gives itself back for
    /// [`LogFollower::finish`]. An outlet that fails is tried again for ever.
    pub async fn run(
        self,
        mut committed: watch::Receiver<LogHead>,
        shutdown: CancellationToken,
    ) -> Self {
        let mut pause = self.config.first_pause;
        let mut look = false;
        loop {
            let passed = tokio::select! {
                () = shutdown.cancelled() => return self,
                passed = self.pass(look) => passed,
            };
            let works = passed.is_ok();
            let wait = if works { self.config.poll_interval } else { pause };
            pause = if works {
                self.config.first_pause
            } else {
                (pause * 2).min(self.config.longest_pause)
            };
            let next_pass = self.clock.now() + wait;
            look = tokio::select! {
                () = shutdown.cancelled() => return self,
                () = self.clock.sleep_until(next_pass) => true,
                // An outlet that fails is not asked again by every commit.
                Ok(()) = committed.changed(), if works => false,
            };
        }
    }

    /// Follows to the end of the log; false when `until` comes first.
    pub async fn finish(&self, until: Timestamp) -> bool {
        let follow = async {
            while self.run_once().await.is_err() {
                self.clock.sleep_until(self.clock.now() + self.config.first_pause).await;
            }
        };
        tokio::select! {
            biased;
            () = follow => true,
            () = self.clock.sleep_until(until) => false,
        }
    }

    /// Carries until there is nothing behind the cursor.
    ///
    /// Cancel safe.
    ///
    /// # Errors
    ///
    /// [`CarryError`]: the next pass begins where the outlet's cursor is.
    pub async fn run_once(&self) -> Result<CarryReport, CarryError> {
        self.pass(true).await
    }

    /// One pass, with a `look` at other processes' records or without.
    async fn pass(&self, look: bool) -> Result<CarryReport, CarryError> {
        let passed = async {
            if look {
                self.source.refresh().await?;
            }
            self.carry_all().await
        };
        let passed = passed.await;
        match &passed {
            Ok(_) => self.progress.works(),
            Err(error) => self.progress.failed(error),
        }
        passed
    }

    async fn carry_all(&self) -> Result<CarryReport, CarryError> {
        let mut report = CarryReport::default();
        let epochs = self.source.epochs().await?;
        self.progress.log_has(&epochs);
        let last = epochs.last().map_or(0, |it| it.epoch);
        for epoch in epochs.iter().filter(|it| it.epoch > self.finished.load(Ordering::Relaxed)) {
            self.carry(epoch, &mut report).await?;
            if epoch.epoch < last {
                self.finished.store(epoch.epoch, Ordering::Relaxed);
            }
        }
        Ok(report)
    }

    async fn carry(&self, epoch: &EpochExtent, report: &mut CarryReport) -> Result<(), CarryError> {
        let mut cursor = self.outlet.cursor(&epoch.origin).await?;
        let mut refused = Refused::new();
        loop {
            self.progress.reached(epoch.epoch, cursor);
            let batch = self.batch_after(epoch, cursor, &refused).await?;
            let Some(&(last, _)) = batch.events.last() else { return Ok(()) };
            crash::point("log-follower-before-append");
            let appended = match self.outlet.append_from(&epoch.origin, batch.events).await {
                Ok(appended) => appended,
                // It will never take this one; a dead letter goes in its place.
                Err(OutletError::Never { id, reason }) if !refused.contains_key(&id) => {
                    refused.insert(id, reason);
                    continue;
                }
                Err(error) => return Err(error.into()),
            };
            crash::point("log-follower-after-append");
            cursor = last;
            refused.clear();
            report.new += appended.new;
            report.known += appended.known;
            report.dead_lettered += batch.dead_lettered;
            self.progress.dead_lettered(batch.dead_lettered);
        }
    }

    /// The events of the next records, as many as one transaction takes.
    async fn batch_after(
        &self,
        epoch: &EpochExtent,
        cursor: u64,
        refused: &Refused,
    ) -> Result<Batch, CarryError> {
        let (mut batch, mut cursor, mut bytes) = (Batch::default(), cursor, 0);
        while batch.events.len() < self.config.batch && bytes < self.config.batch_bytes {
            let room = u64::try_from(self.config.batch - batch.events.len()).unwrap_or(READ);
            let records = self.source.records_of(epoch.epoch, cursor, room.min(READ)).await?;
            if records.is_empty() {
                break;
            }
            for record in records {
                let last = record.seq - 1;
                if last > cursor {
                    tracing::warn!(
                        epoch = epoch.epoch,
                        after = cursor,
                        last,
                        "records were pruned"
                    );
                    let gap = pruned(epoch, cursor + 1, last, self.clock.now());
                    batch.events.push((last, gap));
                }
                cursor = record.seq;
                let event = event_of(epoch, record).and_then(|event| taken(cursor, event, refused));
                let event = event.unwrap_or_else(|it| {
                    tracing::error!(epoch = epoch.epoch, letter = ?it, "a record is a dead letter");
                    batch.dead_lettered += 1;
                    dead_letter(epoch, &it, self.clock.now())
                });
                bytes += event.payload.as_bytes().len();
                batch.events.push((cursor, event));
            }
        }
        Ok(batch)
    }
}

/// What will never be taken, and why.
type Refused = BTreeMap<EventId, String>;

fn taken(seq: u64, event: AuditEvent, refused: &Refused) -> Result<AuditEvent, Undeliverable> {
    let Some(reason) = refused.get(&event.id) else { return Ok(event) };
    let record = event.subjects.get("record_id").and_then(|it| it.parse().ok());
    Err(Undeliverable { seq, reason: reason.clone(), record, at: Some(event.at) })
}

#[derive(Debug, Default)]
struct Batch {
    events: Vec<(u64, AuditEvent)>,
    dead_lettered: u64,
}
