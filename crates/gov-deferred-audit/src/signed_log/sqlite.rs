//! The log in one SQLite file: each batch is one job of the file's writer.

use std::{path::Path, sync::Arc, time::Duration};

use gov_core::{RecordId, Timestamp};
use gov_store::{
    crash,
    sqlite::{Database, DatabaseOptions, ReadError, Sync, WriteError},
};
use parking_lot::Mutex;
use rusqlite::{Error as SqliteError, ErrorCode, Transaction};
use tokio::runtime::Handle;

use super::{
    OpenError, ReadLogError,
    append::{AppendError, Appender},
    backend::{Appended, MakeFirst, NotAppended, Tail, Writing, chain},
    open::blocking,
    succession::Succession,
};
use crate::{
    dead_letter::{DeadLetter, LetterPlace},
    record::LogRecord,
    sink::AppendOutcome,
    store::{
        Head, LogRows, StoreError,
        sqlite::{self as store, is_unique_constraint_race},
    },
};

mod pruning;

/// An open file.
#[derive(Debug)]
pub(super) struct SqliteLog {
    database: Database,
    // INVARIANT: what the head row said after the last job that ran; read again if it differs.
    pub(super) tail: Arc<Mutex<Option<Tail>>>,
}

impl SqliteLog {
    /// Opens the file, or makes it; blocks.
    pub(super) fn open(path: &Path, now: Timestamp) -> Result<Self, OpenError> {
        // Short: the sink tries again by itself, and says meanwhile that it waits.
        let busy_timeout = Duration::from_millis(500);
        let options = DatabaseOptions { busy_timeout, ..DatabaseOptions::new("log") };
        let database = Database::open(path, &options, &[&store::COMPONENT], now)?;
        Ok(Self { database, tail: Arc::default() })
    }

    pub(super) async fn read<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut dyn LogRows) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, ReadLogError> {
        let read = self.database.readers.read(|mut connection| job(&mut connection)).await;
        read.map_err(read_error)
    }

    pub(super) async fn head(&self) -> Result<Option<Head>, ReadLogError> {
        self.database.readers.read(store::head).await.map_err(read_error)
    }

    /// The caller holds the data directory's lock: nobody else begins this log.
    pub(super) async fn begin(&self, make: MakeFirst) -> Result<Head, OpenError> {
        let head = blocking(make).await?;
        let row = head.clone();
        self.write(move |tx| store::insert_head(tx, &row)).await?;
        Ok(head)
    }

    pub(super) fn set_tail(&self, tail: Tail) {
        *self.tail.lock() = Some(tail);
    }

    pub(super) async fn append(
        &self,
        writing: &Writing,
        batch: &Arc<[LogRecord]>,
        now: Timestamp,
    ) -> Result<Appended, NotAppended> {
        let append = self.appending(writing, batch, now);
        self.settle(append).await
    }

    pub(super) async fn release(
        &self,
        writing: &Writing,
        ids: &Arc<[RecordId]>,
        batch: &Arc<[LogRecord]>,
        now: Timestamp,
    ) -> Result<Option<Appended>, NotAppended> {
        let (append, ids) = (self.appending(writing, batch, now), Arc::clone(ids));
        let job = move |tx: &Transaction<'_>| {
            for id in ids.iter() {
                if !store::is_dead_letter(tx, *id)? {
                    return Ok(None);
                }
            }
            for id in ids.iter() {
                store::delete_dead_letter(tx, *id)?;
            }
            let (outcomes, head) = append(tx)?;
            if outcomes.contains(&AppendOutcome::DlqLanded) {
                return Err(StoreError::landed_again().into());
            }
            crash::point("dlq-before-commit");
            Ok(Some((outcomes, head)))
        };
        self.settle(job).await
    }

    /// The job that appends the batch.
    fn appending(
        &self,
        writing: &Writing,
        batch: &Arc<[LogRecord]>,
        now: Timestamp,
    ) -> impl FnOnce(&Transaction<'_>) -> Result<Appended, AppendError> + Send + use<> {
        let (tail, batch, writing) =
            (Arc::clone(&self.tail), Arc::clone(batch), Writing::clone(writing));
        let runtime = Handle::current();
        move |tx| {
            let Writing { epoch, key, signer } = &writing;
            let sign = |message: &[u8]| runtime.block_on(signer.sign(message));
            Appender { epoch: *epoch, key, sign: &sign, tail: &tail, now }.append(tx, &batch)
        }
    }

    async fn settle<T: Send + 'static>(
        &self,
        job: impl FnOnce(&Transaction<'_>) -> Result<T, AppendError> + Send + 'static,
    ) -> Result<T, NotAppended> {
        self.database.writer.write(Sync::Full, job).await.map_err(|error| {
            // Whatever happened: the head row decides what memory is still worth.
            *self.tail.lock() = None;
            next(&error)
        })
    }

    pub(super) async fn set_why(&self, id: RecordId, why: &str) -> Result<(), ReadLogError> {
        let why = why.to_owned();
        self.write(move |tx| store::set_why(tx, id, &why)).await
    }

    pub(super) async fn dead_letters_after(
        &self,
        after: Option<LetterPlace>,
        limit: u64,
    ) -> Result<Vec<DeadLetter>, ReadLogError> {
        let read = move |connection: &_| store::dead_letters_after(connection, after, limit);
        self.database.readers.read(read).await.map_err(read_error)
    }

    pub(super) async fn dead_letter(
        &self,
        id: RecordId,
    ) -> Result<Option<DeadLetter>, ReadLogError> {
        let read = move |connection: &_| store::dead_letter(connection, id);
        self.database.readers.read(read).await.map_err(read_error)
    }

    pub(super) async fn keep_dead(
        &self,
        part: &Arc<[LogRecord]>,
        why: &str,
        now: Timestamp,
    ) -> Result<Vec<AppendOutcome>, ReadLogError> {
        let (rows, why) = (Arc::clone(part), why.to_owned());
        self.write(move |tx| {
            let keep = |it: &LogRecord| {
                if let Some((_, seq)) = store::find(tx, it.id)? {
                    // An append whose answer was lost: it is where it belongs.
                    return Ok(AppendOutcome::Appended { seq });
                }
                store::insert_dead_letter(tx, it, &why, now)?;
                Ok(AppendOutcome::DlqLanded)
            };
            rows.iter().map(keep).collect()
        })
        .await
    }

    pub(super) async fn find(&self, id: RecordId) -> Result<Option<(u64, u64)>, ReadLogError> {
        let found = self.database.readers.read(move |connection| store::find(connection, id));
        found.await.map_err(read_error)
    }

    pub(super) async fn dead_letters(&self) -> Result<u64, ReadLogError> {
        self.database.readers.read(store::dead_letters).await.map_err(read_error)
    }

    pub(super) async fn succeed(
        &self,
        ending: Option<&Head>,
        it: Succession,
    ) -> Result<(), OpenError> {
        let ending = ending.cloned();
        let written = self.write(move |tx| {
            // The data directory's lock keeps others away; this is for who went round it.
            if store::head(tx)? != ending {
                return Ok(false);
            }
            if let Some(lost) = &it.lost_head {
                store::insert_head(tx, lost)?;
            }
            let mut rows = store::Rows::of(tx, it.head.epoch)?;
            rows.insert_entry(1, it.record, &it.entry)?;
            rows.insert_payload(1, &it.payload)?;
            store::insert_head(tx, &it.head)?;
            Ok(true)
        });
        if written.await? { Ok(()) } else { Err(OpenError::Moved) }
    }

    /// Runs a job that decides by itself what its errors are.
    pub(super) async fn transact<T: Send + 'static, E: Send + 'static>(
        &self,
        job: impl FnOnce(&Transaction<'_>) -> Result<T, E> + Send + 'static,
    ) -> Result<T, WriteError<E>> {
        self.database.writer.write(Sync::Full, job).await
    }

    pub(super) async fn close(self) {
        self.database.close().await;
    }

    async fn write<T: Send + 'static>(
        &self,
        job: impl FnOnce(&Transaction<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, ReadLogError> {
        self.database.writer.write(Sync::Full, job).await.map_err(|error| match error {
            WriteError::Job(StoreError::Corrupt(what)) => ReadLogError::Corrupt(what),
            other => ReadLogError::Unavailable(Box::new(other)),
        })
    }
}

fn read_error(error: ReadError<StoreError>) -> ReadLogError {
    match error {
        ReadError::Job(StoreError::Corrupt(what)) => ReadLogError::Corrupt(what),
        other => ReadLogError::Unavailable(Box::new(other)),
    }
}

fn next(error: &WriteError<AppendError>) -> NotAppended {
    let why = chain(error);
    match error {
        WriteError::Job(AppendError::Store(StoreError::Sqlite(error))) => {
            if is_unique_constraint_race(error) {
                NotAppended::Race(why)
            } else if may_pass(error) {
                NotAppended::Wait(why)
            } else {
                NotAppended::GiveUp(why)
            }
        }
        WriteError::Panicked => NotAppended::GiveUp(why),
        // A broken log takes no record at all: that is no fault of this one.
        _ => NotAppended::Wait(why),
    }
}

/// Whether SQLite may take the same statement later: everything but a fault of the values.
fn may_pass(error: &SqliteError) -> bool {
    let at_fault = [ErrorCode::ConstraintViolation, ErrorCode::TooBig, ErrorCode::TypeMismatch];
    error.sqlite_error_code().is_some_and(|code| !at_fault.contains(&code))
}
