//! The sink over a signed log: tries until it works, or keeps the record as a dead letter.

use std::{error::Error, sync::Arc, time::Duration};

use async_trait::async_trait;
use gov_core::{Clock, Timestamp};
use gov_store::sqlite::{Sync, WriteError};
use rusqlite::{Error as SqliteError, ErrorCode, Transaction};
use tokio::runtime::Handle;

use super::{
    Committed, LogConfig, SignedLog,
    append::{AppendError, Appender},
};
use crate::{
    metrics::DeferredAuditMetrics,
    record::LogRecord,
    sink::{AppendOutcome, DeferredAuditSink},
    store::sqlite::{self as store, StoreError, is_unique_constraint_race},
};

/// How often a race for the next sequence number is run again, each time with a fresh head.
pub const APPEND_UNIQUE_RACE_MAX_RETRIES: u32 = 5;

/// The waits between tries: doubled from the first to the longest.
const FIRST_WAIT: Duration = Duration::from_millis(5);
const LONGEST_WAIT: Duration = Duration::from_secs(1);

/// Appends to a [`SignedLog`]; opens it at the first append if nobody has.
#[derive(Debug)]
pub struct SqliteSignedEventsSink {
    log: Log,
    /// Where races are counted; without it only in the `metrics` facade.
    counted: Option<DeferredAuditMetrics>,
}

#[derive(Debug)]
enum Log {
    Open(SignedLog),
    Closed(LogConfig, Arc<dyn Clock>),
}

/// What to do about a batch that was not appended.
enum Next {
    /// The cause may pass: busy, locked, full, failing.
    Wait(String),
    /// Somebody else took the sequence number.
    Race(String),
    /// This batch will never be taken as it is.
    GiveUp(String),
}

impl SqliteSignedEventsSink {
    /// A sink that opens the log at `config` with its first append.
    #[must_use]
    pub fn lazy(config: LogConfig, clock: Arc<dyn Clock>) -> Self {
        Self { log: Log::Closed(config, clock), counted: None }
    }

    pub(super) fn over(log: SignedLog) -> Self {
        Self { log: Log::Open(log), counted: None }
    }

    /// Counts repeated appends in the metrics of the queue that it drains.
    #[must_use]
    pub fn counting(mut self, metrics: DeferredAuditMetrics) -> Self {
        self.counted = Some(metrics);
        self
    }

    /// The log, opened if need be; tries for ever, since the records are safe in the spool.
    async fn log(&mut self) -> SignedLog {
        let mut wait = FIRST_WAIT;
        loop {
            match &self.log {
                Log::Open(log) => return log.clone(),
                Log::Closed(config, clock) => {
                    match SignedLog::open(config.clone(), Arc::clone(clock)).await {
                        Ok(log) => self.log = Log::Open(log),
                        Err(error) => {
                            tracing::error!(
                                error = &error as &dyn Error,
                                "the signed log cannot be opened"
                            );
                            clock.sleep_until(clock.now() + wait).await;
                            wait = (wait * 2).min(LONGEST_WAIT);
                        }
                    }
                }
            }
        }
    }
}

#[async_trait]
impl DeferredAuditSink for SqliteSignedEventsSink {
    async fn append(&mut self, batch: &[LogRecord]) -> Vec<AppendOutcome> {
        let log = self.log().await;
        let mut outcomes = Vec::with_capacity(batch.len());
        // A part that is given up is halved, so that one record's fault costs only that record.
        let mut parts: Vec<Arc<[LogRecord]>> = vec![batch.into()];
        while let Some(part) = parts.pop() {
            match log.append_until_settled(&part, self.counted.as_ref()).await {
                Ok(appended) => outcomes.extend(appended),
                Err(why) => match part.split_at_checked(part.len() / 2) {
                    Some((left @ [_, ..], right)) => parts.extend([right.into(), left.into()]),
                    _ => outcomes.extend(log.dead_letter(&part, why).await),
                },
            }
        }
        outcomes
    }

    async fn dead_letter(&mut self, record: &LogRecord, why: &str) -> Option<AppendOutcome> {
        let (log, part) = (self.log().await, Arc::from(std::slice::from_ref(record)));
        log.dead_letter(&part, why.to_owned()).await.pop()
    }
}

impl SignedLog {
    /// Appends, waiting out what may pass; the error says why this batch is never taken.
    async fn append_until_settled(
        &self,
        batch: &Arc<[LogRecord]>,
        counted: Option<&DeferredAuditMetrics>,
    ) -> Result<Vec<AppendOutcome>, String> {
        let (mut wait, mut races) = (FIRST_WAIT, 0);
        loop {
            let next = match self.append_once(batch).await {
                Ok((outcomes, committed)) => {
                    self.settled(committed);
                    return Ok(outcomes);
                }
                Err(error) => next(&error),
            };
            // Whatever happened: the head row decides what memory is still worth.
            *self.inner.tail.lock() = None;
            match next {
                Next::GiveUp(why) => return Err(why),
                Next::Race(why) if races == APPEND_UNIQUE_RACE_MAX_RETRIES => return Err(why),
                Next::Race(_) => {
                    races += 1;
                    match counted {
                        Some(counted) => counted.count_unique_race_retry(),
                        None => {
                            metrics::counter!("gov_deferred_audit_unique_race_retries_total")
                                .increment(1);
                        }
                    }
                }
                Next::Wait(why) => {
                    self.wait_out(why, wait).await;
                    wait = (wait * 2).min(LONGEST_WAIT);
                }
            }
        }
    }

    async fn append_once(
        &self,
        batch: &Arc<[LogRecord]>,
    ) -> Result<(Vec<AppendOutcome>, Committed), WriteError<AppendError>> {
        let inner = &self.inner;
        let (tail, signer) = (Arc::clone(&inner.tail), Arc::clone(&inner.signer));
        let (epoch, key, now) = (inner.epoch, inner.key.clone(), inner.clock.now());
        let (batch, runtime) = (Arc::clone(batch), Handle::current());
        let job = move |tx: &Transaction<'_>| {
            let sign = |message: &[u8]| runtime.block_on(signer.sign(message));
            Appender { epoch, key: &key, sign: &sign, tail: &tail, now }.append(tx, &batch)
        };
        inner.database.writer.write(Sync::Full, job).await
    }

    /// Keeps what the log never takes; waits until even that works.
    async fn dead_letter(&self, part: &Arc<[LogRecord]>, why: String) -> Vec<AppendOutcome> {
        tracing::error!(why, records = part.len(), "a record cannot enter the signed log");
        let mut wait = FIRST_WAIT;
        loop {
            let (rows, now, reason) = (Arc::clone(part), self.inner.clock.now(), why.clone());
            let kept = self.inner.database.writer.write(Sync::Full, move |tx| {
                let keep = |it: &LogRecord| {
                    if let Some((_, seq)) = store::find(tx, it.id)? {
                        // An append whose answer was lost: it is where it belongs.
                        return Ok(AppendOutcome::Appended { seq });
                    }
                    store::insert_dead_letter(tx, it, &reason, now)?;
                    Ok(AppendOutcome::DlqLanded)
                };
                rows.iter().map(keep).collect::<Result<Vec<_>, StoreError>>()
            });
            let error = match kept.await {
                Ok(outcomes) => return outcomes,
                Err(error) => error,
            };
            self.wait_out(format!("a dead letter cannot be kept: {error}"), wait).await;
            wait = (wait * 2).min(LONGEST_WAIT);
        }
    }

    fn settled(&self, committed: Committed) {
        gov_store::crash::point("log-after-commit");
        self.inner.trouble.lock().appending = None;
        // Batches of two sinks may come back in either order.
        self.inner.committed.send_if_modified(|known| {
            let newer = known.size < committed.size;
            if newer {
                *known = committed;
            }
            newer
        });
    }

    async fn wait_out(&self, why: String, wait: Duration) {
        tracing::warn!(why, "the signed log cannot be written now; trying again");
        self.inner.trouble.lock().appending = Some(why);
        let clock = &self.inner.clock;
        let until: Timestamp = clock.now() + wait;
        clock.sleep_until(until).await;
    }
}

fn next(error: &WriteError<AppendError>) -> Next {
    let why = chain(error);
    match error {
        WriteError::Job(AppendError::Store(StoreError::Sqlite(error))) => {
            if is_unique_constraint_race(error) {
                Next::Race(why)
            } else if may_pass(error) {
                Next::Wait(why)
            } else {
                Next::GiveUp(why)
            }
        }
        WriteError::Panicked => Next::GiveUp(why),
        // A broken log takes no record at all: that is no fault of this one.
        _ => Next::Wait(why),
    }
}

/// Whether SQLite may take the same statement later: everything but a fault of the values.
fn may_pass(error: &SqliteError) -> bool {
    let at_fault = [ErrorCode::ConstraintViolation, ErrorCode::TooBig, ErrorCode::TypeMismatch];
    error.sqlite_error_code().is_some_and(|code| !at_fault.contains(&code))
}

fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}
