//! Opens a file with its threads, and ends them.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::AtomicBool,
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use gov_core::Timestamp;
use rusqlite::Connection;
use tokio::task;

use super::{
    checkpointer::{Checkpointer, Traffic},
    commit_loop::{CommitLoop, Pace},
    meters::Meters,
    migrate::migrate,
    open::{self, OpenError},
    readers::Readers,
    writer::{Message, Writer, WriterState},
};
use crate::migrations::Component;

/// How a [`Database`] works. [`DatabaseOptions::new`] gives what servers use.
#[derive(Clone, Debug)]
pub struct DatabaseOptions {
    /// Names the threads (`<name>-writer`) and the metrics' label `database`. At most 8 letters
    /// show in a thread's name; a file a day shares one name, so that labels stay few.
    pub name: &'static str,
    /// At most this many jobs wait for the writer; more are refused with `WriteError::Full`.
    pub queue_limit: usize,
    /// At most this many jobs share one commit.
    pub batch_limit: usize,
    /// At most this many reads run at once, each on a connection of its own.
    pub readers: usize,
    /// How long to wait for another process's lock.
    pub busy_timeout: Duration,
    /// The write-ahead log is kept to this size plus one batch, unless a read transaction of
    /// longer standing needs more.
    pub wal_limit_bytes: u64,
    /// Without a commit for this long, the log is emptied and cut to nothing.
    pub idle_after: Duration,
    /// Whether a file that is made now can give its free pages back: `pragma incremental_vacuum`
    /// then moves them out. A file that exists keeps what it was made with, and is refused if that
    /// differs.
    pub incremental_vacuum: bool,
    /// Rows without an `order by` come in reverse, so that tests notice one that is missing.
    pub reverse_unordered_selects: bool,
}

impl DatabaseOptions {
    /// 4,096 waiting jobs, 256 a commit, 4 readers, 5 s for locks, 16 MiB of log, 1 s to idle.
    #[must_use]
    pub fn new(name: &'static str) -> Self {
        Self {
            name,
            queue_limit: 4096,
            batch_limit: 256,
            readers: 4,
            busy_timeout: Duration::from_secs(5),
            wal_limit_bytes: 16 << 20,
            idle_after: Duration::from_secs(1),
            incremental_vacuum: false,
            reverse_unordered_selects: false,
        }
    }
}

/// One open SQLite file.
///
/// Its owner ends it with [`Database::close`]. Dropping it only tells the threads to end: they
/// finish what is queued, and nobody waits for them.
#[derive(Debug)]
pub struct Database {
    /// The door for changes.
    pub writer: Writer,
    /// The door for reads.
    pub readers: Readers,
    // In the order in which they end. Empty once closed.
    threads: Vec<JoinHandle<()>>,
}

impl Database {
    /// Opens `path` (made with mode 0600 if it is missing), checks the settings, brings
    /// `components` up to this build's schema, and starts the writer and the checkpointer.
    ///
    /// Does blocking I/O. Install the metrics recorder before.
    ///
    /// # Errors
    ///
    /// [`OpenError`]; no thread is left behind. After [`OpenError::Migrate`] read its own error.
    pub fn open(
        path: &Path,
        options: &DatabaseOptions,
        components: &[&Component],
        now: Timestamp,
    ) -> Result<Self, OpenError> {
        // Absolute, so that a path such as `file:x` is never taken for a URI.
        let path = std::path::absolute(path)
            .map_err(|source| OpenError::Io { path: path.to_owned(), source })?;
        let mut connection = open::writing(&path, options)?;
        for component in components {
            migrate(&mut connection, component, now)?;
        }
        let checkpoints = open::checkpointing(&path, options)?;
        start(&path, options, connection, checkpoints)
    }

    /// Takes no more work, waits for what is queued or running, empties the log into the file, and
    /// closes it.
    ///
    /// If the returned future is dropped the database closes all the same, unwatched.
    pub async fn close(mut self) {
        self.writer.begin_close();
        self.readers.close().await;
        let threads = std::mem::take(&mut self.threads);
        let joined = task::spawn_blocking(move || join(threads));
        if let Err(error) = joined.await {
            let error = &error as &dyn std::error::Error;
            tracing::error!(error, "could not wait for the database to close");
        }
    }

    /// Closes it like [`Database::close`], where nobody can wait otherwise: reads that still run
    /// are not waited for, so there must be none.
    pub fn close_blocking(mut self) {
        self.writer.begin_close();
        self.readers.close_idle();
        join(std::mem::take(&mut self.threads));
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        self.writer.begin_close();
    }
}

fn join(threads: Vec<JoinHandle<()>>) {
    for thread in threads {
        if thread.join().is_err() {
            tracing::error!("a database thread panicked");
        }
    }
}

fn start(
    path: &Path,
    options: &DatabaseOptions,
    connection: Connection,
    checkpoints: Connection,
) -> Result<Database, OpenError> {
    let meters = Meters::new(options.name);
    let traffic = Arc::new(Traffic::default());
    let limit = options.queue_limit.max(1);
    let closing = AtomicBool::new(false);
    let state = Arc::new(WriterState { closing, limit, meters: meters.clone() });
    let (queue, jobs): (SyncSender<Message>, Receiver<Message>) = sync_channel(limit);
    // One nudge that waits stands for all that come after it.
    let (nudges, wakeups) = sync_channel(1);

    let writer = CommitLoop {
        path: path.to_owned(),
        options: options.clone(),
        state: Arc::clone(&state),
        traffic: Arc::clone(&traffic),
        nudges,
        connection: Some(connection),
        pace: Pace::default(),
    };
    let checkpointer = Checkpointer {
        path: path.to_owned(),
        options: options.clone(),
        meters,
        traffic,
        connection: Some(checkpoints),
    };
    let writer = spawn(format!("{}-writer", options.name), move || writer.run(&jobs))?;
    let checkpointer = spawn(format!("{}-wal", options.name), move || checkpointer.run(&wakeups))?;
    Ok(Database {
        writer: Writer::new(queue, state),
        readers: Readers::new(path, options),
        threads: vec![writer, checkpointer],
    })
}

fn spawn(name: String, run: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, OpenError> {
    thread::Builder::new()
        .name(name.clone())
        .spawn(run)
        .map_err(|source| OpenError::Thread { name, source })
}
