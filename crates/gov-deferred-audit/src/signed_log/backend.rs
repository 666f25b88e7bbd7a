//! The seam between the log and the database it lies in.

use std::{error::Error, sync::Arc};

use gov_core::{RecordId, Timestamp};

use super::{LogHead, OpenError, ReadLogError, pruning::Stating, succession::Succession};
use crate::{
    dead_letter::{DeadLetter, LetterPlace},
    record::LogRecord,
    signer::Signer,
    sink::AppendOutcome,
    store::{Head, LogRows, StoreError},
    tlog::{Hash, edge::Edge, key::VerifierKey},
};

/// The database of one log. Each call is one transaction, or reads one state.
#[derive(Debug)]
pub(super) enum Backend {
    /// One file, one writer.
    #[cfg(feature = "sqlite")]
    Sqlite(super::sqlite::SqliteLog),
    /// One database, many nodes.
    #[cfg(feature = "postgres")]
    Postgres(super::postgres::PgLog),
}

/// The log's end, as it is kept in memory between batches.
#[derive(Clone, Debug)]
pub(super) struct Tail {
    pub(super) edge: Edge,
    pub(super) root: Hash,
}

/// What a batch needs beside its records.
#[derive(Clone, Debug)]
pub(super) struct Writing {
    pub(super) epoch: u64,
    pub(super) key: VerifierKey,
    pub(super) signer: Arc<dyn Signer>,
}

/// Why a batch was not appended, by what to do next; nothing of it was, as far as is known.
#[derive(Debug)]
pub(super) enum NotAppended {
    /// The cause may pass: busy, locked, full, failing.
    Wait(String),
    /// Somebody else took the sequence number.
    Race(String),
    /// This batch will never be taken as it is.
    GiveUp(String),
}

/// Makes the first key and with it the first head. Blocks.
pub(super) type MakeFirst = Box<dyn FnOnce() -> Result<Head, OpenError> + Send>;

/// What became of a batch, and how far the log is then.
pub(super) type Appended = (Vec<AppendOutcome>, LogHead);

macro_rules! on {
    ($backend:expr, $log:ident => $call:expr) => {
        match $backend {
            #[cfg(feature = "sqlite")]
            Backend::Sqlite($log) => $call,
            #[cfg(feature = "postgres")]
            Backend::Postgres($log) => $call,
        }
    };
}

impl Backend {
    /// Whether other processes append to the same log.
    pub(super) fn is_shared(&self) -> bool {
        match self {
            #[cfg(feature = "sqlite")]
            Self::Sqlite(_) => false,
            #[cfg(feature = "postgres")]
            Self::Postgres(_) => true,
        }
    }

    /// Runs `job` on one state of the log, on a thread that may block.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut dyn LogRows) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, ReadLogError> {
        on!(self, log => log.read(job).await)
    }

    /// The latest epoch's head; `None` where no log was begun.
    pub(super) async fn head(&self) -> Result<Option<Head>, ReadLogError> {
        on!(self, log => log.head().await)
    }

    /// Begins the log with the head that `make` makes, and gives the head that is there then: of
    /// several nodes at once only one makes a key.
    pub(super) async fn begin(&self, make: MakeFirst) -> Result<Head, OpenError> {
        on!(self, log => log.begin(make).await)
    }

    /// Takes over the log's end, as it was found at the start.
    pub(super) fn set_tail(&self, tail: Tail) {
        on!(self, log => log.set_tail(tail));
    }

    /// The log's end as it is in memory; `None` where it has to be read again.
    pub(super) fn known_edge(&self) -> Option<Edge> {
        on!(self, log => log.tail.lock().as_ref().map(|tail| tail.edge.clone()))
    }

    /// Appends the batch and signs, in one transaction.
    pub(super) async fn append(
        &self,
        writing: &Writing,
        batch: &Arc<[LogRecord]>,
        now: Timestamp,
    ) -> Result<Appended, NotAppended> {
        on!(self, log => log.append(writing, batch, now).await)
    }

    /// Keeps in the dead letters what is not in the log already.
    pub(super) async fn keep_dead(
        &self,
        part: &Arc<[LogRecord]>,
        why: &str,
        now: Timestamp,
    ) -> Result<Vec<AppendOutcome>, ReadLogError> {
        on!(self, log => log.keep_dead(part, why, now).await)
    }

    /// Appends the batch like [`append`](Self::append), in the transaction in which the letters
    /// `ids` leave the dead letters; `None` if one of them is gone, and then nothing happened.
    pub(super) async fn release(
        &self,
        writing: &Writing,
        ids: &Arc<[RecordId]>,
        batch: &Arc<[LogRecord]>,
        now: Timestamp,
    ) -> Result<Option<Appended>, NotAppended> {
        on!(self, log => log.release(writing, ids, batch, now).await)
    }

    /// Writes the reason of now beside a letter that stays.
    pub(super) async fn set_why(&self, id: RecordId, why: &str) -> Result<(), ReadLogError> {
        on!(self, log => log.set_why(id, why).await)
    }

    /// At most `limit` dead letters behind `after`, in order of death; none is the end.
    pub(super) async fn dead_letters_after(
        &self,
        after: Option<LetterPlace>,
        limit: u64,
    ) -> Result<Vec<DeadLetter>, ReadLogError> {
        on!(self, log => log.dead_letters_after(after, limit).await)
    }

    /// One dead letter.
    pub(super) async fn dead_letter(
        &self,
        id: RecordId,
    ) -> Result<Option<DeadLetter>, ReadLogError> {
        on!(self, log => log.dead_letter(id).await)
    }

    /// Where a record lies, as `(epoch, seq)`.
    pub(super) async fn find(&self, id: RecordId) -> Result<Option<(u64, u64)>, ReadLogError> {
        on!(self, log => log.find(id).await)
    }

    /// How many records are in the dead-letter table.
    pub(super) async fn dead_letters(&self) -> Result<u64, ReadLogError> {
        on!(self, log => log.dead_letters().await)
    }

    /// Begins the epoch after `ending`, which is still the latest head; or changes nothing.
    pub(super) async fn succeed(
        &self,
        ending: Option<&Head>,
        succession: Succession,
    ) -> Result<(), OpenError> {
        on!(self, log => log.succeed(ending, succession).await)
    }

    /// Appends the entry of a statement and lets go what it names, in one transaction; `None`, and
    /// nothing happened, if something else is pruned by now than it goes on from.
    pub(super) async fn state(
        &self,
        writing: &Writing,
        stating: Stating,
    ) -> Result<Option<LogHead>, ReadLogError> {
        on!(self, log => log.state(writing, stating).await)
    }

    /// Deletes pruned entries after `seq` up to and with `last`; tells how many.
    pub(super) async fn delete_rows(
        &self,
        epoch: u64,
        (seq, last): (u64, u64),
    ) -> Result<u64, ReadLogError> {
        on!(self, log => log.delete_rows(epoch, (seq, last)).await)
    }

    /// Closes what belongs to this log alone.
    pub(super) async fn close(self) {
        match self {
            #[cfg(feature = "sqlite")]
            Self::Sqlite(log) => log.close().await,
            // The pool is its owner's.
            #[cfg(feature = "postgres")]
            Self::Postgres(_) => (),
        }
    }
}

/// An error and what caused it, in one line.
pub(super) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}
