//! A bounded set of connections that cannot write.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use parking_lot::Mutex;
use rusqlite::Connection;
use tokio::{sync::Semaphore, task};

use super::{
    database::DatabaseOptions,
    open::{self, OpenError},
};

/// Why a read gave nothing.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError<E> {
    /// The job's own error.
    #[error("the read was refused")]
    Job(#[source] E),
    /// The job panicked; its connection was thrown away.
    #[error("the read panicked")]
    Panicked,
    /// No connection could be opened; trying again may help.
    #[error(transparent)]
    Open(OpenError),
    /// The read transaction could not begin; trying again may help.
    #[error("the database cannot be read now")]
    Unavailable(#[source] rusqlite::Error),
    /// The database was closed, or the runtime is ending.
    #[error("the database is closed")]
    Closed,
}

/// Runs reads off the async threads, a few at a time. Clones share the connections.
#[derive(Clone, Debug)]
pub struct Readers {
    pool: Arc<Pool>,
}

#[derive(Debug)]
struct Pool {
    path: PathBuf,
    options: DatabaseOptions,
    permits: Arc<Semaphore>,
    // INVARIANT: never more connections than permits.
    idle: Mutex<Vec<Connection>>,
}

impl Readers {
    pub(super) fn new(path: &Path, options: &DatabaseOptions) -> Self {
        let permits = Arc::new(Semaphore::new(options.readers.max(1)));
        let idle = Mutex::default();
        let pool = Pool { path: path.to_owned(), options: options.clone(), permits, idle };
        Self { pool: Arc::new(pool) }
    }

    /// Runs `job` on a read-only connection. All of its statements see one state of the file.
    ///
    /// More callers than connections wait for their turn. Dropping the future before the turn
    /// takes the job back; after it the job ends on its own, and its answer is dropped.
    /// `job` is inside a transaction already and must not begin one.
    ///
    /// # Errors
    ///
    /// [`ReadError`]; a read can always be tried again.
    pub async fn read<T, E>(
        &self,
        job: impl FnOnce(&Connection) -> Result<T, E> + Send + 'static,
    ) -> Result<T, ReadError<E>>
    where
        T: Send + 'static,
        E: Send + 'static,
    {
        let permits = Arc::clone(&self.pool.permits);
        let permit = permits.acquire_owned().await.map_err(|_| ReadError::Closed)?;
        let pool = Arc::clone(&self.pool);
        let work = task::spawn_blocking(move || {
            let answer = pool.run(job);
            drop(permit);
            answer
        });
        work.await.unwrap_or_else(|error| {
            Err(if error.is_panic() { ReadError::Panicked } else { ReadError::Closed })
        })
    }

    /// Takes no more reads, waits for those that run, and closes the connections.
    pub(super) async fn close(&self) {
        let all = u32::try_from(self.pool.options.readers.max(1)).unwrap_or(u32::MAX);
        // An error says that it is closed already.
        let running = self.pool.permits.acquire_many(all).await;
        self.pool.permits.close();
        drop(running);
        let idle = std::mem::take(&mut *self.pool.idle.lock());
        // Closing a connection does I/O.
        if let Err(error) = task::spawn_blocking(move || drop(idle)).await {
            let error = &error as &dyn std::error::Error;
            tracing::error!(error, "could not close the readers");
        }
    }

    /// Takes no more reads, and closes the connections that are idle.
    pub(super) fn close_idle(&self) {
        self.pool.permits.close();
        self.pool.idle.lock().clear();
    }
}

impl Pool {
    fn run<T, E>(&self, job: impl FnOnce(&Connection) -> Result<T, E>) -> Result<T, ReadError<E>> {
        let idle = self.idle.lock().pop();
        let connection = match idle {
            Some(it) => it,
            None => open::reading(&self.path, &self.options).map_err(ReadError::Open)?,
        };
        let tx = connection.unchecked_transaction().map_err(ReadError::Unavailable)?;
        let answer = job(&tx).map_err(ReadError::Job);
        // There is nothing to keep: if this fails, the connection is not used again.
        let ended = tx.rollback();
        if ended.is_ok() && connection.is_autocommit() {
            self.idle.lock().push(connection);
        }
        answer
    }
}
