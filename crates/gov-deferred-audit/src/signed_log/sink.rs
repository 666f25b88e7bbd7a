//! The sink over a signed log: tries until it works, or keeps the record as a dead letter.

use std::{error::Error, sync::Arc, time::Duration};

use async_trait::async_trait;
use gov_core::{Clock, Timestamp};

#[cfg(feature = "sqlite")]
use super::LogConfig;
#[cfg(feature = "postgres")]
use super::LogPlaces;
use super::{
    LogHead, OpenError, SignedLog,
    backend::{NotAppended, chain},
};
use crate::{
    metrics::DeferredAuditMetrics,
    record::LogRecord,
    sink::{AppendOutcome, DeferredAuditSink},
};

/// How often a race for the next sequence number is run again, each time with a fresh head.
pub const APPEND_UNIQUE_RACE_MAX_RETRIES: u32 = 5;

/// The waits between tries: doubled from the first to the longest.
const FIRST_WAIT: Duration = Duration::from_millis(5);
const LONGEST_WAIT: Duration = Duration::from_secs(1);

/// Appends to a [`SignedLog`]; opens it at the first append if nobody has.
#[derive(Debug)]
pub struct SignedEventsSink {
    log: Log,
    /// Where races are counted; without it only in the `metrics` facade.
    counted: Option<DeferredAuditMetrics>,
}

/// The sink by its older name: one sink serves both databases.
pub type SqliteSignedEventsSink = SignedEventsSink;

#[derive(Debug)]
enum Log {
    Open(SignedLog),
    Closed(Place, Arc<dyn Clock>),
}

/// Where a log is that is opened later.
#[derive(Debug)]
enum Place {
    #[cfg(feature = "sqlite")]
    Sqlite(LogConfig),
    #[cfg(feature = "postgres")]
    Postgres(sqlx::PgPool, LogPlaces),
}

impl Place {
    async fn open(&self, clock: Arc<dyn Clock>) -> Result<SignedLog, OpenError> {
        match self {
            #[cfg(feature = "sqlite")]
            Self::Sqlite(config) => SignedLog::open(config.clone(), clock).await,
            #[cfg(feature = "postgres")]
            Self::Postgres(pool, places) => {
                SignedLog::open_postgres(pool.clone(), places.clone(), clock).await
            }
        }
    }
}

impl SignedEventsSink {
    /// A sink that opens the log at `config` with its first append.
    #[cfg(feature = "sqlite")]
    #[must_use]
    pub fn lazy(config: LogConfig, clock: Arc<dyn Clock>) -> Self {
        Self { log: Log::Closed(Place::Sqlite(config), clock), counted: None }
    }

    /// A sink that opens the log in the database of `pool` with its first append.
    #[cfg(feature = "postgres")]
    #[must_use]
    pub fn lazy_postgres(pool: sqlx::PgPool, places: LogPlaces, clock: Arc<dyn Clock>) -> Self {
        Self { log: Log::Closed(Place::Postgres(pool, places), clock), counted: None }
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
                Log::Closed(place, clock) => match place.open(Arc::clone(clock)).await {
                    Ok(log) => self.log = Log::Open(log),
                    Err(error) => {
                        tracing::error!(
                            error = &error as &dyn Error,
                            "the signed log cannot be opened"
                        );
                        clock.sleep_until(clock.now() + wait).await;
                        wait = (wait * 2).min(LONGEST_WAIT);
                    }
                },
            }
        }
    }
}

#[async_trait]
impl DeferredAuditSink for SignedEventsSink {
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
                    _ => outcomes.extend(log.keep_dead(&part, why).await),
                },
            }
        }
        outcomes
    }

    async fn dead_letter(&mut self, record: &LogRecord, why: &str) -> Option<AppendOutcome> {
        let (log, part) = (self.log().await, Arc::from(std::slice::from_ref(record)));
        log.keep_dead(&part, why.to_owned()).await.pop()
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
            let inner = &self.inner;
            match inner.backend.append(&inner.writing, batch, inner.clock.now()).await {
                Ok((outcomes, head)) => {
                    self.settled(head);
                    if outcomes.contains(&AppendOutcome::DlqLanded) {
                        self.recount().await;
                    }
                    return Ok(outcomes);
                }
                Err(NotAppended::GiveUp(why)) => return Err(why),
                Err(NotAppended::Race(why)) if races == APPEND_UNIQUE_RACE_MAX_RETRIES => {
                    return Err(why);
                }
                Err(NotAppended::Race(_)) => {
                    races += 1;
                    match counted {
                        Some(counted) => counted.count_unique_race_retry(),
                        None => {
                            metrics::counter!("gov_deferred_audit_unique_race_retries_total")
                                .increment(1);
                        }
                    }
                }
                Err(NotAppended::Wait(why)) => {
                    self.wait_out(why, wait).await;
                    wait = (wait * 2).min(LONGEST_WAIT);
                }
            }
        }
    }

    /// Keeps what the log never takes; waits until even that works.
    async fn keep_dead(&self, part: &Arc<[LogRecord]>, why: String) -> Vec<AppendOutcome> {
        tracing::error!(why, records = part.len(), "a record cannot enter the signed log");
        let mut wait = FIRST_WAIT;
        loop {
            let kept = self.inner.backend.keep_dead(part, &why, self.inner.clock.now()).await;
            let error = match kept {
                Ok(outcomes) => {
                    self.recount().await;
                    return outcomes;
                }
                Err(error) => error,
            };
            self.wait_out(format!("a dead letter cannot be kept: {}", chain(&error)), wait).await;
            wait = (wait * 2).min(LONGEST_WAIT);
        }
    }

    /// Tells what is committed.
    pub(super) fn settled(&self, head: LogHead) {
        gov_store::crash::point("log-after-commit");
        self.works();
        self.announce(head);
    }

    async fn wait_out(&self, why: String, wait: Duration) {
        tracing::warn!(why, "the signed log cannot be written now; trying again");
        self.fails(why);
        let clock = &self.inner.clock;
        let until: Timestamp = clock.now() + wait;
        clock.sleep_until(until).await;
    }
}
