//! A file that only grows: one event a line, on disk before it is acknowledged.
//!
//! ```text
//! {"specversion":"1.0",…,"data":{…},"govbuffer":"buf_…","govseq":"7"}
//! ```
//!
//! The place in each line is how the file knows what it has. A last line that was torn by a crash,
//! and what else of the last batch the disk did not get, is taken out when the file is opened, into
//! a file beside it.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use async_trait::async_trait;
use parking_lot::Mutex;
use tokio::task::spawn_blocking;

use super::{AuditSink, Emitted, LastKept, Outgoing, SinkError};
use crate::BufferId;

mod lines;
mod tail;

use self::lines::Lines;

/// Keeps events in a file of lines. Clones share it.
#[derive(Clone, Debug)]
pub struct JsonLinesSink {
    path: Arc<Path>,
    // `None` once it is closed. Only held on threads that may block.
    lines: Arc<Mutex<Option<Lines>>>,
}

/// The file cannot be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenLinesError {
    /// Another process writes it: end that one, or name another file.
    #[error("`{}` is written by another process", path.display())]
    Held {
        /// The file.
        path: PathBuf,
    },
    /// The file system failed.
    #[error("cannot open `{}`", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What failed.
        source: io::Error,
    },
}

impl JsonLinesSink {
    /// Opens the file at `path`, made with mode 0600 if it is missing, and heals its end.
    ///
    /// Does blocking I/O. The file is locked (`flock`) while it is open.
    ///
    /// # Errors
    ///
    /// [`OpenLinesError`]: nothing is open.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, OpenLinesError> {
        let path = path.into();
        let lines = Lines::open(path.clone()).map_err(|source| {
            let path = path.clone();
            if source.kind() == io::ErrorKind::WouldBlock {
                OpenLinesError::Held { path }
            } else {
                OpenLinesError::Io { path, source }
            }
        })?;
        Ok(Self { path: path.into(), lines: Arc::new(Mutex::new(Some(lines))) })
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Takes nothing any more, waits for what is being written, and lets go of the file.
    pub async fn close(&self) {
        let lines = Arc::clone(&self.lines);
        // Dropping a file cannot fail; a panic in here would have closed it too.
        let _ = spawn_blocking(move || drop(lines.lock().take())).await;
    }

    /// Does one thing to the file, where it may block; goes on even if the caller goes away.
    async fn with_lines<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut Lines) -> io::Result<T> + Send + 'static,
    ) -> Result<T, SinkError> {
        let lines = Arc::clone(&self.lines);
        let done = spawn_blocking(move || lines.lock().as_mut().map(job)).await;
        match done {
            Ok(Some(result)) => result.map_err(SinkError::retry),
            Ok(None) => Err(SinkError::Closed),
            Err(panicked) => Err(SinkError::retry(panicked)),
        }
    }
}

/// A batch is kept whole or not at all, and what the file has is not written again.
#[async_trait]
impl AuditSink for JsonLinesSink {
    fn name(&self) -> &'static str {
        "json-lines"
    }

    async fn emit_batch(&self, batch: &[Outgoing]) -> Emitted {
        let owned = batch.to_vec();
        match self.with_lines(move |lines| lines.append(&owned)).await {
            Ok(()) => Emitted { accepted: batch.len(), stopped: None },
            Err(error) => Emitted { accepted: 0, stopped: Some(error) },
        }
    }

    async fn last_kept(&self, buffer: BufferId) -> Result<LastKept, SinkError> {
        let last = self.with_lines(move |lines| lines.last_of(buffer)).await?;
        Ok(match last {
            Some(it) => LastKept::At { seq: it.seq, event_id: Some(it.event_id) },
            None => LastKept::Nothing,
        })
    }
}
