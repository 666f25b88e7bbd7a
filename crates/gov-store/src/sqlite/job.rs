//! One caller's work inside a shared transaction.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use rusqlite::Transaction;

use super::writer::WriteError;

/// A job without its types: it runs once, and is settled once the commit's fate is known.
pub(super) trait Job: Send {
    /// Runs the work and keeps its result; `false` if its changes must be undone.
    fn run(&mut self, tx: &Transaction<'_>) -> bool;

    /// Answers the caller. Not having run, or the fate of the commit, go before the result.
    fn settle(self: Box<Self>, fate: &Fate);
}

/// What became of the transaction.
#[derive(Clone, Debug)]
pub(super) enum Fate {
    Committed,
    /// It could not begin.
    NotBegun(Arc<rusqlite::Error>),
    /// It may or may not be in the file.
    Unknown(Arc<rusqlite::Error>),
}

/// A closure with the one that hears its outcome.
pub(super) struct Closure<F, T, E, D> {
    state: State<F, T, E>,
    done: D,
}

enum State<F, T, E> {
    Waiting(F),
    Ran(Result<T, WriteError<E>>),
    /// Only while the work runs.
    Running,
}

impl<F, T, E, D> Closure<F, T, E, D> {
    pub(super) fn new(work: F, done: D) -> Self {
        Self { state: State::Waiting(work), done }
    }
}

impl<F, T, E, D> Job for Closure<F, T, E, D>
where
    F: FnOnce(&Transaction<'_>) -> Result<T, E> + Send,
    T: Send,
    E: Send,
    D: FnOnce(Result<T, WriteError<E>>) + Send,
{
    fn run(&mut self, tx: &Transaction<'_>) -> bool {
        let State::Waiting(work) = std::mem::replace(&mut self.state, State::Running) else {
            return false;
        };
        // The savepoint undoes what a panicking job has written, and nothing else of it is shared.
        let result = match catch_unwind(AssertUnwindSafe(|| work(tx))) {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(error)) => Err(WriteError::Job(error)),
            Err(_) => {
                tracing::error!("a job panicked inside a transaction, and is undone");
                Err(WriteError::Panicked)
            }
        };
        let keep = result.is_ok();
        self.state = State::Ran(result);
        keep
    }

    fn settle(self: Box<Self>, fate: &Fate) {
        let Self { state, done } = *self;
        let answer = match (fate, state) {
            (Fate::Committed, State::Ran(result)) => result,
            // A job's own error waits too: it may rest on what another job of the batch wrote.
            (Fate::Unknown(source), _) => Err(WriteError::Commit(Arc::clone(source))),
            (Fate::NotBegun(source), _) => Err(WriteError::Unavailable(Arc::clone(source))),
            (Fate::Committed, _) => Err(WriteError::Closed),
        };
        // Code that is not ours hears the answer, or drops it: a panic in it must not end the thread.
        if catch_unwind(AssertUnwindSafe(|| done(answer))).is_err() {
            tracing::error!("who heard the outcome of a job panicked");
        }
    }
}
