//! The door for everything that changes a file.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
    mpsc::{SyncSender, TrySendError},
};

use rusqlite::Transaction;
use tokio::sync::oneshot;

use super::{
    job::{Closure, Job},
    meters::Meters,
};

/// What a job's acknowledgement promises.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Sync {
    /// The kernel has it: it survives the death of the process, not the loss of power. Nothing is
    /// synced, but the header of a log that begins anew.
    Spooled,
    /// The disk has it: it survives the loss of power.
    Full,
}

impl Sync {
    pub(super) fn label(self) -> &'static str {
        match self {
            Self::Spooled => "spooled",
            Self::Full => "full",
        }
    }
}

/// Why a job is not known to be in the file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WriteError<E> {
    /// The job refused. Its changes are undone, and only its own.
    #[error("the write was refused")]
    Job(#[source] E),
    /// The job panicked. Its changes are undone, and only its own.
    #[error("the write panicked and was undone")]
    Panicked,
    /// The commit failed half-way: the job may or may not be in the file.
    ///
    /// Repeat it under the same key.
    #[error("the commit failed; whether it happened is unknown")]
    Commit(#[source] Arc<rusqlite::Error>),
    /// No transaction could begin: the file is locked by another process, or its disk fails.
    /// The job did not run; it can be tried again.
    #[error("the database cannot be written now")]
    Unavailable(#[source] Arc<rusqlite::Error>),
    /// So many jobs wait already. The job did not run; try again later, or refuse.
    #[error("{limit} writes wait already; try again later")]
    Full {
        /// The length of the queue.
        limit: usize,
    },
    /// The database was closed. The job did not run.
    #[error("the database is closed")]
    Closed,
}

/// Hands jobs to the one thread that writes a file. Clones share it.
///
/// Jobs that wait together share one commit, each in a savepoint of its own.
#[derive(Clone, Debug)]
pub struct Writer {
    queue: SyncSender<Message>,
    state: Arc<WriterState>,
}

/// What writers share beside the queue.
#[derive(Debug)]
pub(super) struct WriterState {
    pub(super) closing: AtomicBool,
    pub(super) limit: usize,
    pub(super) meters: Meters,
}

/// What travels to the writer thread.
pub(super) enum Message {
    Job(Queued),
    /// Wakes the thread, so that it sees that it is closing.
    Close,
}

/// A job on its way.
pub(super) struct Queued {
    pub(super) sync: Sync,
    pub(super) job: Box<dyn Job>,
}

impl Writer {
    pub(super) fn new(queue: SyncSender<Message>, state: Arc<WriterState>) -> Self {
        Self { queue, state }
    }

    /// Runs `job` in the next transaction and returns once that is committed as `sync` promises.
    ///
    /// `job` runs on the writer's thread and holds everyone up: no waiting, no network, no file in
    /// it. It must not end the transaction (a savepoint of its own is fine), and sees what earlier jobs of the same batch wrote; a
    /// batch is durable if any of its jobs asks for [`Sync::Full`]. Jobs of one caller that waits
    /// for each answer run in that order.
    ///
    /// Dropping the returned future does not take the job back: once it is queued, it runs.
    ///
    /// # Errors
    ///
    /// [`WriteError`]: after `Job`, `Panicked`, `Unavailable`, `Full` and `Closed` nothing of the
    /// job is in the file; after `Commit` that is unknown.
    pub async fn write<T, E>(
        &self,
        sync: Sync,
        job: impl FnOnce(&Transaction<'_>) -> Result<T, E> + Send + 'static,
    ) -> Result<T, WriteError<E>>
    where
        T: Send + 'static,
        E: Send + 'static,
    {
        let (caller, answer) = oneshot::channel();
        // A caller who has gone away does not want to know.
        self.submit(sync, job, |outcome| drop(caller.send(outcome)))?;
        // The thread drops what it has not begun when it ends.
        answer.await.unwrap_or(Err(WriteError::Closed))
    }

    /// Queues `job` as [`Writer::write`] does, and has `done` called with its outcome on the
    /// writer's thread: once the commit is over, whoever has gone away, and in the order in which
    /// the jobs ran. Like the job, it holds everyone up.
    ///
    /// `done` is dropped uncalled if the job was not queued, or not begun when the thread ended.
    ///
    /// # Errors
    ///
    /// [`WriteError::Full`] and [`WriteError::Closed`]: the job was not queued.
    pub fn submit<T, E>(
        &self,
        sync: Sync,
        job: impl FnOnce(&Transaction<'_>) -> Result<T, E> + Send + 'static,
        done: impl FnOnce(Result<T, WriteError<E>>) + Send + 'static,
    ) -> Result<(), WriteError<E>>
    where
        T: Send + 'static,
        E: Send + 'static,
    {
        self.enqueue(Queued { sync, job: Box::new(Closure::new(job, done)) })
    }

    /// Takes no more jobs, and lets the thread end once it has done those it has.
    pub(super) fn begin_close(&self) {
        self.state.closing.store(true, Ordering::SeqCst);
        // If the queue is full the thread is busy, and sees the flag without being woken.
        let _ = self.queue.try_send(Message::Close);
    }

    fn enqueue<E>(&self, job: Queued) -> Result<(), WriteError<E>> {
        if self.state.closing.load(Ordering::SeqCst) {
            return Err(WriteError::Closed);
        }
        self.queue.try_send(Message::Job(job)).map_err(|error| match error {
            TrySendError::Full(_) => {
                self.state.meters.refused();
                WriteError::Full { limit: self.state.limit }
            }
            TrySendError::Disconnected(_) => WriteError::Closed,
        })
    }
}
