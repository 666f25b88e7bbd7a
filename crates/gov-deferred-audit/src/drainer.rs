//! The loop that hands batches to the sink and survives the sink's panics.
//!
//! ```text
//! batch ──append──▶ settled
//!   │ panic: fresh sink, back-off, once more
//!   └ panic again ──▶ halves … ──▶ one record ──panics three times alone──▶ dead letters
//! ```

mod search;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::task::JoinError;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use self::search::{Open, Task, narrow};
use crate::{
    queue::receiver::{Batch, DeferredAuditReceiver},
    record::LogRecord,
    sink::{AppendOutcome, DeferredAuditSink},
    spool::{body, recover},
};

/// Makes a sink; called again after each panic of one.
pub(crate) type MakeSink = Arc<dyn Fn() -> Box<dyn DeferredAuditSink> + Send + Sync>;

const FIRST_BACK_OFF: Duration = Duration::from_millis(10);
const LONGEST_BACK_OFF: Duration = Duration::from_secs(1);

/// The longest wait for those who were just answered; it is never over a tenth of their commit.
const LONGEST_LINGER: Duration = Duration::from_millis(1);

/// How often a range must panic before it is halved.
const TRIES: u32 = 2;

/// How often a record must panic alone before it is a dead letter.
const TRIES_ALONE: u32 = 3;

/// How the drainer ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum DrainEnd {
    /// The queue is closed and everything is settled.
    Drained,
    /// It was stopped; what was not settled is back in the line.
    Stopped,
    /// The sink panicked too often; what was not settled is back in the line.
    Exhausted(String),
}

#[derive(Debug)]
pub(crate) struct Drainer {
    receiver: DeferredAuditReceiver,
    sinks: Sinks,
    stop: CancellationToken,
    max_restarts: u32,
    /// Panics since the last success, without those that narrowed a search.
    failures: u32,
    /// Dead letters since the last append that worked: many in a row are the sink's fault.
    convicted: u32,
}

/// Where the next sink comes from.
pub(crate) struct Sinks {
    /// The one that is not at work, if it has not panicked.
    pub(crate) idle: Option<Box<dyn DeferredAuditSink>>,
    pub(crate) make: Option<MakeSink>,
}

/// What one try gave.
enum Tried {
    Appended(Vec<AppendOutcome>),
    /// `None`: this sink keeps no dead letters.
    DeadLettered(Option<AppendOutcome>),
    Panicked(String),
    Stopped,
}

/// Why a batch was not settled to its end.
enum Interrupted {
    Stopped,
    Exhausted(String),
}

impl Drainer {
    pub(crate) fn new(
        receiver: DeferredAuditReceiver,
        sinks: Sinks,
        max_restarts: u32,
        stop: CancellationToken,
    ) -> Self {
        Self { receiver, sinks, stop, max_restarts, failures: 0, convicted: 0 }
    }

    /// Drains until the queue is closed and empty, `stop`, or too many panics.
    pub(crate) async fn run(mut self) -> DrainEnd {
        loop {
            let stop = self.stop.clone();
            let next = tokio::select! {
                biased;
                () = stop.cancelled() => return DrainEnd::Stopped,
                next = self.receiver.next_batch() => next,
            };
            match next {
                Ok(None) => return DrainEnd::Drained,
                Ok(Some(batch)) => match self.settle_and_linger(batch).await {
                    Ok(()) => (),
                    Err(Interrupted::Stopped) => return DrainEnd::Stopped,
                    Err(Interrupted::Exhausted(why)) => return DrainEnd::Exhausted(why),
                },
                Err(source) => {
                    // The frames are still there; nothing behind them may overtake them.
                    error!(error = &source as &dyn std::error::Error, "cannot read the spool");
                    self.note(Some(format!("the spool cannot be read: {source}")));
                    self.back_off(1).await;
                }
            }
        }
    }

    /// Settles a batch, and lets those who were answered hand in what they have next, so that they
    /// share the next commit too. One who is alone never waits.
    #[expect(clippy::disallowed_methods, reason = "a span of microseconds, on the monotonic clock")]
    async fn settle_and_linger(&mut self, batch: Batch) -> Result<(), Interrupted> {
        let answered = batch.tickets.iter().filter(|ticket| ticket.waiter.is_some()).count();
        let started = Instant::now();
        self.settle(batch).await?;
        let until = Instant::now() + (started.elapsed() / 10).min(LONGEST_LINGER);
        while answered > 1 && self.receiver.waiting() < answered && Instant::now() < until {
            tokio::task::yield_now().await;
        }
        Ok(())
    }

    async fn settle(&mut self, batch: Batch) -> Result<(), Interrupted> {
        let Batch { records, tickets } = batch;
        let records = Arc::new(records);
        let mut open = Open { tickets: tickets.into(), from: 0 };
        let mut todo = vec![Task::Append(0..records.len())];
        let mut tries = 0;
        while let Some(task) = todo.last().cloned() {
            let why = match self.attempt(&records, &task).await {
                Tried::Appended(outcomes) => {
                    todo.pop();
                    (tries, self.failures, self.convicted) = (0, 0, 0);
                    self.note(None);
                    self.close(&records, &mut open, outcomes);
                    continue;
                }
                Tried::DeadLettered(kept) => {
                    let kept = match kept {
                        None => self.keep_aside(&records, &task).await,
                        kept => kept,
                    };
                    if let Some(outcome) = kept {
                        todo.pop();
                        (tries, self.failures) = (0, 0);
                        self.convicted += 1;
                        self.close(&records, &mut open, vec![outcome]);
                        continue;
                    }
                    "a dead letter cannot be kept".to_owned()
                }
                Tried::Panicked(why) => why,
                Tried::Stopped => {
                    self.receiver.put_back(open.rest(&records), open.tickets.into());
                    return Err(Interrupted::Stopped);
                }
            };
            tries += 1;
            let enough = if task.is_single() { TRIES_ALONE } else { TRIES };
            if tries >= enough && narrow(&mut todo) {
                // A half is halved again at its first panic; a record alone begins anew.
                tries = u32::from(!todo.last().is_some_and(Task::is_single));
            } else {
                self.failures += 1;
            }
            let convicts = matches!(todo.last(), Some(Task::DeadLetter(_)));
            if self.failures > self.max_restarts
                || (convicts && self.convicted >= self.max_restarts)
            {
                self.receiver.put_back(open.rest(&records), open.tickets.into());
                return Err(Interrupted::Exhausted(why));
            }
            self.note(Some(format!("the sink fails: {why}")));
            self.back_off(self.failures).await;
        }
        Ok(())
    }

    /// Runs one try in a task of its own, so that a panic takes nothing but the sink with it.
    async fn attempt(&mut self, records: &Arc<Vec<LogRecord>>, task: &Task) -> Tried {
        let (records, task) = (records.clone(), task.clone());
        let (make, idle) = (self.sinks.make.clone(), self.sinks.idle.take());
        let mut running = tokio::spawn(async move {
            // A sink that panics while it is made is one that panics.
            let Some(mut sink) = idle.or_else(|| make.map(|make| make())) else {
                return (None, Tried::Panicked("there is no further sink".to_owned()));
            };
            let tried = match task {
                Task::Append(range) => {
                    let batch = records.get(range).unwrap_or_default();
                    let outcomes = sink.append(batch).await;
                    if outcomes.len() == batch.len() {
                        Tried::Appended(outcomes)
                    } else {
                        let (got, wanted) = (outcomes.len(), batch.len());
                        Tried::Panicked(format!("{got} outcomes for {wanted} records"))
                    }
                }
                Task::DeadLetter(at) => match records.get(at) {
                    None => Tried::DeadLettered(None),
                    Some(record) => {
                        let why = "the sink panics on this record";
                        Tried::DeadLettered(sink.dead_letter(record, why).await)
                    }
                },
            };
            (Some(sink), tried)
        });
        let ended = tokio::select! {
            ended = &mut running => ended,
            () = self.stop.cancelled() => {
                running.abort();
                // A batch that was kept just before the abort is settled, not handed in again.
                running.await
            }
        };
        match ended {
            Ok((_, Tried::Panicked(why))) => self.panicked(why),
            Ok((sink, tried)) => {
                self.sinks.idle = sink;
                tried
            }
            Err(error) if error.is_panic() => self.panicked(panic_text(error)),
            Err(_) => Tried::Stopped,
        }
    }

    fn panicked(&self, why: String) -> Tried {
        error!(why, failures = self.failures, "the audit sink panicked");
        self.receiver.shared().metrics.add_drainer_panics(1);
        Tried::Panicked(why)
    }

    /// Settles the first records that are still open.
    fn close(&mut self, records: &[LogRecord], open: &mut Open, outcomes: Vec<AppendOutcome>) {
        let range = open.from..open.from + outcomes.len();
        open.from = range.end;
        let settled = open.tickets.drain(..outcomes.len().min(open.tickets.len())).zip(outcomes);
        self.receiver.settle(records.get(range).unwrap_or_default(), settled.collect());
    }

    /// Writes a record that no sink takes into the quarantine directory.
    async fn keep_aside(
        &mut self,
        records: &Arc<Vec<LogRecord>>,
        task: &Task,
    ) -> Option<AppendOutcome> {
        let Task::DeadLetter(at) = *task else { return None };
        let record = records.get(at)?;
        let dir = &self.receiver.shared().config.quarantine;
        let (file, bytes) = (dir.join(format!("record-{}.bin", record.id)), body::encode(record));
        let path = file.clone();
        match tokio::task::spawn_blocking(move || recover::keep(&path, &bytes)).await {
            Ok(Ok(())) => {
                warn!(id = %record.id, file = %file.display(), "record kept in the quarantine");
                Some(AppendOutcome::DlqLanded)
            }
            Ok(Err(source)) => {
                error!(error = &source as &dyn std::error::Error, "cannot keep a dead letter");
                None
            }
            Err(_) => None,
        }
    }

    fn note(&self, trouble: Option<String>) {
        let mut line = self.receiver.shared().line.lock();
        if line.trouble.is_some() && trouble.is_none() {
            info!("the audit sink works again");
        }
        line.trouble = trouble;
    }

    async fn back_off(&mut self, failures: u32) {
        let clock = &self.receiver.shared().clock;
        let span = FIRST_BACK_OFF.saturating_mul(1 << failures.min(10)).min(LONGEST_BACK_OFF);
        let until = clock.now() + span.mul_f64(jitter());
        tokio::select! {
            () = self.stop.cancelled() => (),
            () = clock.sleep_until(until) => (),
        }
    }
}

/// From 0.5 to 1.5; 1 when the operating system gives no randomness.
fn jitter() -> f64 {
    getrandom::u32().map_or(1.0, |it| 0.5 + f64::from(it) / f64::from(u32::MAX))
}

fn panic_text(error: JoinError) -> String {
    match error.try_into_panic() {
        Ok(panic) => match panic.downcast::<String>() {
            Ok(text) => *text,
            Err(panic) => match panic.downcast::<&'static str>() {
                Ok(text) => (*text).to_owned(),
                Err(_) => "a panic without a text".to_owned(),
            },
        },
        Err(_) => "cancelled".to_owned(),
    }
}

impl std::fmt::Debug for Sinks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sinks").field("idle", &self.idle).finish_non_exhaustive()
    }
}
