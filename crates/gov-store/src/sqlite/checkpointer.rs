//! The thread that moves the write-ahead log into the database file.

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc::{Receiver, RecvTimeoutError},
    },
};

use parking_lot::Mutex;
use rusqlite::Connection;

use super::{
    database::DatabaseOptions,
    meters::Meters,
    open,
    wal::{self, Mode},
};

/// What the writer and the checkpointer share.
#[derive(Debug, Default)]
pub(super) struct Traffic {
    /// Held by whoever runs a checkpoint: SQLite turns a second one away.
    pub(super) turn: Mutex<()>,
    /// Commits so far, to see whether the writer rests.
    pub(super) commits: AtomicU64,
}

/// Moves the log when the writer nudges, and cuts it to nothing when the writer rests.
pub(super) struct Checkpointer {
    pub(super) path: PathBuf,
    pub(super) options: DatabaseOptions,
    pub(super) meters: Meters,
    pub(super) traffic: Arc<Traffic>,
    /// `None` after an error: an I/O error makes the descriptor untrustworthy.
    pub(super) connection: Option<Connection>,
}

impl Checkpointer {
    /// Runs until the writer has dropped its end, and then empties the log.
    pub(super) fn run(mut self, nudges: &Receiver<()>) {
        // The file may have a log from before.
        let mut log_is_empty = false;
        loop {
            let seen = self.traffic.commits.load(Ordering::Acquire);
            let nudge = if log_is_empty {
                nudges.recv().map_err(|_| RecvTimeoutError::Disconnected)
            } else {
                nudges.recv_timeout(self.options.idle_after)
            };
            match nudge {
                Ok(()) => {
                    log_is_empty = false;
                    if self.log_is_long() {
                        self.checkpoint(Mode::Passive);
                    }
                }
                Err(RecvTimeoutError::Timeout) => {
                    if self.traffic.commits.load(Ordering::Acquire) == seen {
                        log_is_empty = self.checkpoint(Mode::Truncate);
                    }
                }
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        self.checkpoint(Mode::Truncate);
    }

    /// A nudge may also say only that the log is no longer empty.
    fn log_is_long(&self) -> bool {
        let long = wal::frames_in(self.options.wal_limit_bytes) / 4;
        // Without a connection, or with one that fails, the checkpoint itself finds out why.
        self.connection.as_ref().and_then(|it| wal::frames(it).ok()).is_none_or(|it| it >= long)
    }

    /// `true` if all of the log was moved.
    fn checkpoint(&mut self, mode: Mode) -> bool {
        let traffic = Arc::clone(&self.traffic);
        let _turn = traffic.turn.lock();
        match self.try_checkpoint(mode) {
            Ok(done) => {
                self.meters.checkpointed(mode);
                if done && mode == Mode::Truncate {
                    self.meters.wal_bytes(0);
                }
                done
            }
            Err(error) => {
                self.meters.checkpoint_failed();
                let error = &error as &dyn std::error::Error;
                tracing::error!(error, database = self.options.name, "checkpoint failed");
                self.connection = None;
                false
            }
        }
    }

    fn try_checkpoint(&mut self, mode: Mode) -> Result<bool, open::OpenError> {
        let connection = match self.connection.take() {
            Some(it) => it,
            None => open::checkpointing(&self.path, &self.options)?,
        };
        let done = wal::checkpoint(&connection, mode)
            .map_err(|source| open::OpenError::Sqlite { path: self.path.clone(), source })?;
        self.connection = Some(connection);
        Ok(done)
    }
}
