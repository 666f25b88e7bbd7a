//! The thread that owns the writing connection: it groups jobs, commits, and only then answers.

use std::{
    collections::VecDeque,
    path::PathBuf,
    sync::{
        Arc,
        atomic::Ordering,
        mpsc::{Receiver, SyncSender},
    },
    time::Duration,
};

use rusqlite::{Connection, ErrorCode, Transaction, TransactionBehavior, ffi};

use super::{
    checkpointer::Traffic,
    database::DatabaseOptions,
    job::{Fate, Job},
    open,
    span::Span,
    wal::{self, Mode},
    writer::{Message, Queued, Sync, WriterState},
};
use crate::crash;

/// The longest that a first job waits for company.
const LONGEST_LINGER: Duration = Duration::from_micros(100);

/// The writer's thread.
pub(super) struct CommitLoop {
    pub(super) path: PathBuf,
    pub(super) options: DatabaseOptions,
    pub(super) state: Arc<WriterState>,
    pub(super) traffic: Arc<Traffic>,
    pub(super) nudges: SyncSender<()>,
    /// `None` after an I/O error: the next batch opens the file anew.
    pub(super) connection: Option<Connection>,
    pub(super) pace: Pace,
}

/// What the last batches tell about the next one.
#[derive(Debug, Default)]
pub(super) struct Pace {
    last_jobs: usize,
    last_commit: Duration,
    /// The level in force on the connection; `None` while unknown.
    sync: Option<Sync>,
    log_frames: u64,
    nudged_at: u64,
}

impl CommitLoop {
    /// Commits batches until the database closes, and what is queued by then.
    pub(super) fn run(mut self, queue: &Receiver<Message>) {
        while let Some(batch) = self.next_batch(queue) {
            self.pace.last_jobs = batch.len();
            let mut waiting = VecDeque::from(batch);
            // A transaction that is lost half-way leaves jobs that have not run.
            while !waiting.is_empty() {
                self.transaction(&mut waiting);
            }
        }
        // Before the checkpointer hears of the end and closes its own: of two that close at the same
        // moment neither is the last, and the log would stay beside the file.
        self.connection = None;
    }

    /// Waits for a job and takes along what waits beside it; `None` once all is done.
    fn next_batch(&self, queue: &Receiver<Message>) -> Option<Vec<Queued>> {
        let first = loop {
            let closing = self.state.closing.load(Ordering::SeqCst);
            let message = if closing { queue.try_recv().ok()? } else { queue.recv().ok()? };
            if let Message::Job(job) = message {
                break job;
            }
        };
        let mut batch = vec![first];
        let linger = self.linger();
        let since = Span::start();
        while batch.len() < self.options.batch_limit {
            match queue.try_recv() {
                Ok(Message::Job(job)) => batch.push(job),
                // So short a span is below what a timed sleep can do.
                Err(_) if since.elapsed() < linger => std::thread::yield_now(),
                Ok(Message::Close) | Err(_) => break,
            }
        }
        Some(batch)
    }

    /// A lone caller is never held up; company is worth a tenth of what a commit costs.
    fn linger(&self) -> Duration {
        if self.pace.last_jobs > 1 {
            LONGEST_LINGER.min(self.pace.last_commit / 10)
        } else {
            Duration::ZERO
        }
    }

    /// Runs `waiting` as one transaction, and answers everyone who was part of it.
    fn transaction(&mut self, waiting: &mut VecDeque<Queued>) {
        let sync = waiting.iter().map(|it| it.sync).max().unwrap_or(Sync::Full);
        let span = Span::start();
        let mut ran = Vec::with_capacity(waiting.len());
        let fate = match self.ready(sync) {
            Err(error) => {
                ran.extend(waiting.drain(..).map(|it| it.job));
                self.give_up_on(&error, "no transaction could begin");
                Fate::NotBegun(Arc::new(error))
            }
            Ok(connection) => match attempt(connection, waiting, &mut ran) {
                Ok(()) => Fate::Committed,
                // Nobody ran: not even `begin` went through.
                Err(error) if ran.is_empty() => {
                    ran.extend(waiting.drain(..).map(|it| it.job));
                    self.give_up_on(&error, "no transaction could begin");
                    Fate::NotBegun(Arc::new(error))
                }
                Err(error) => {
                    self.state.meters.commit_failed();
                    self.give_up_on(&error, "commit failed");
                    Fate::Unknown(Arc::new(error))
                }
            },
        };
        if matches!(fate, Fate::Committed) {
            self.pace.last_commit = span.elapsed();
            let jobs = u32::try_from(ran.len()).unwrap_or(u32::MAX);
            self.state.meters.committed(sync, jobs, self.pace.last_commit);
            self.traffic.commits.fetch_add(1, Ordering::Release);
        }
        for job in ran {
            job.settle(&fate);
        }
        crash::point("store-after-acknowledge");
        self.tend_log();
    }

    /// A connection at the level `sync`, opened anew after an I/O error.
    fn ready(&mut self, sync: Sync) -> rusqlite::Result<&mut Connection> {
        let connection = match self.connection.take() {
            Some(it) => it,
            None => self.reopen()?,
        };
        let connection = self.connection.insert(connection);
        if self.pace.sync != Some(sync) {
            // Not inside a transaction: SQLite would ignore it there.
            let level = match sync {
                Sync::Full => "full",
                Sync::Spooled => "normal",
            };
            connection.pragma_update(None, "synchronous", level)?;
            self.pace.sync = Some(sync);
        }
        Ok(connection)
    }

    /// After a failed fsync the kernel may have dropped pages of the log that it still shows. New
    /// frames behind such a hole would be lost with it, so the log is emptied first, through new
    /// descriptors.
    fn reopen(&mut self) -> rusqlite::Result<Connection> {
        self.pace = Pace::default();
        let connection = open::writing(&self.path, &self.options).map_err(|error| match error {
            open::OpenError::Sqlite { source, .. } => source,
            other => rusqlite::Error::ToSqlConversionFailure(Box::new(other)),
        })?;
        let _turn = self.traffic.turn.lock();
        if wal::checkpoint(&connection, Mode::Truncate)? {
            tracing::info!(database = self.options.name, "opened anew after an I/O error");
            Ok(connection)
        } else {
            Err(rusqlite::Error::SqliteFailure(
                ffi::Error::new(ffi::SQLITE_BUSY),
                Some("a reader keeps the log from being emptied after an I/O error".to_owned()),
            ))
        }
    }

    fn give_up_on(&mut self, error: &rusqlite::Error, what: &'static str) {
        let trusted = matches!(
            error.sqlite_error_code(),
            Some(
                ErrorCode::DatabaseBusy
                    | ErrorCode::DatabaseLocked
                    | ErrorCode::DiskFull
                    | ErrorCode::ConstraintViolation
            )
        );
        let error = error as &dyn std::error::Error;
        tracing::error!(error, database = self.options.name, reopen = !trusted, "{what}");
        if !trusted && let Some(connection) = self.connection.take() {
            close_without_checkpoint(connection);
        }
    }

    /// Keeps the write-ahead log from growing without bound.
    fn tend_log(&mut self) {
        let Some(connection) = &self.connection else { return };
        let tended = tend(connection, &mut self.pace, &self.options, &self.nudges, &self.traffic);
        match tended {
            Ok(checkpointed) => {
                self.state.meters.wal_bytes(wal::bytes(self.pace.log_frames));
                if checkpointed {
                    self.state.meters.checkpointed(Mode::Passive);
                }
            }
            Err(error) => {
                self.state.meters.checkpoint_failed();
                self.give_up_on(&error, "checkpoint failed");
            }
        }
    }
}

/// Nudges the checkpointer at every quarter of the limit. At the limit itself it cannot keep up, so
/// the writer moves the rest, and says so by `true`.
fn tend(
    connection: &Connection,
    pace: &mut Pace,
    options: &DatabaseOptions,
    nudges: &SyncSender<()>,
    traffic: &Traffic,
) -> rusqlite::Result<bool> {
    let frames = wal::frames(connection)?;
    // After a restart the checkpointer must hear that there is something to empty again.
    let restarted = pace.log_frames == 0 || frames <= pace.log_frames;
    pace.log_frames = frames;
    let limit = wal::frames_in(options.wal_limit_bytes);
    if restarted || frames >= pace.nudged_at.saturating_add(limit / 4) {
        pace.nudged_at = frames;
        // A nudge that waits already is as good.
        let _ = nudges.try_send(());
    }
    if frames < limit {
        return Ok(false);
    }
    let _turn = traffic.turn.lock();
    wal::checkpoint(connection, Mode::Passive)?;
    Ok(true)
}

/// Runs the jobs, each in its savepoint, and commits. Jobs that ran move from `waiting` to `ran`.
fn attempt(
    connection: &mut Connection,
    waiting: &mut VecDeque<Queued>,
    ran: &mut Vec<Box<dyn Job>>,
) -> rusqlite::Result<()> {
    let tx = Transaction::new(connection, TransactionBehavior::Immediate)?;
    while let Some(Queued { mut job, .. }) = waiting.pop_front() {
        let result = in_savepoint(&tx, &mut *job);
        ran.push(job);
        result?;
    }
    crash::point("store-before-commit");
    tx.commit()?;
    crash::point("store-after-commit");
    Ok(())
}

fn in_savepoint(tx: &Transaction<'_>, job: &mut dyn Job) -> rusqlite::Result<()> {
    tx.prepare_cached("savepoint gov_job")?.execute([])?;
    let keep = job.run(tx);
    if tx.is_autocommit() {
        // The batch is lost, and everyone in it is told.
        return Err(rusqlite::Error::SqliteFailure(
            ffi::Error::new(ffi::SQLITE_ABORT_ROLLBACK),
            Some("the transaction was ended inside a job, by it or by a failing disk".to_owned()),
        ));
    }
    if !keep {
        tx.prepare_cached("rollback to gov_job")?.execute([])?;
    }
    tx.prepare_cached("release gov_job")?.execute([]).map(drop)
}

/// Closing the last connection to a file would check it point through this descriptor.
fn close_without_checkpoint(connection: Connection) {
    let config = rusqlite::config::DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE;
    if let Err(error) = connection.set_db_config(config, true) {
        tracing::warn!(error = &error as &dyn std::error::Error, "cannot forbid a last checkpoint");
    }
    if let Err((_, error)) = connection.close() {
        tracing::warn!(error = &error as &dyn std::error::Error, "cannot close the connection");
    }
}
