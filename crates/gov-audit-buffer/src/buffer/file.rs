//! One open file, with the doors to it.

use std::{
    path::Path,
    sync::{Arc, mpsc},
};

use gov_core::Timestamp;
use gov_store::sqlite::{Database, DatabaseOptions, Readers, Sync, WriteError, Writer};
use parking_lot::Mutex;

use super::{
    error::{Cause, OpenBufferError},
    outlet::MAX_BATCH,
};
use crate::{
    BufferId,
    store::sqlite::{self, Books, State},
};

/// A buffer's file.
#[derive(Debug)]
pub(super) struct OpenFile {
    pub(super) writer: Writer,
    pub(super) readers: Readers,
    /// `None` once it was closed.
    database: Mutex<Option<Database>>,
}

/// A file that was just opened, and what it says about itself.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) file: OpenFile,
    pub(super) state: State,
    /// Whoever had the file before may have handed out events up to this one.
    pub(super) attempted: u64,
}

impl OpenFile {
    /// Opens `path`, made if it is missing. After an error nothing has it open. Does blocking I/O.
    pub(super) fn open(path: &Path, now: Timestamp) -> Result<Opened, OpenBufferError> {
        let mut options = DatabaseOptions::new("audit_buffer");
        options.incremental_vacuum = true;
        let database = Database::open(path, &options, &[&sqlite::COMPONENT], now)?;
        let (writer, readers) = (database.writer.clone(), database.readers.clone());
        match first_state(&writer, BufferId::at(now)) {
            Ok((state, attempted)) => {
                let database = Mutex::new(Some(database));
                let file = Self { writer, readers, database };
                Ok(Opened { file, state, attempted })
            }
            Err(source) => {
                database.close_blocking();
                Err(OpenBufferError::State { path: path.to_owned(), source })
            }
        }
    }

    /// Takes no more work, waits for what is under way, and closes the file. Once more is nothing.
    pub(super) async fn close(&self) {
        let database = self.database.lock().take();
        if let Some(database) = database {
            database.close().await;
        }
    }
}

/// Reads the state before the doors open.
fn first_state(writer: &Writer, fresh: BufferId) -> Result<(State, u64), Cause> {
    let (tell, told) = mpsc::sync_channel(1);
    let job = move |tx: &rusqlite::Transaction<'_>| {
        sqlite::name(tx, fresh)?;
        let state = Books::open(tx)?.state;
        let attempted = sqlite::window(tx, state.acked, MAX_BATCH)?;
        Ok::<_, rusqlite::Error>((state, attempted.unwrap_or(state.acked)))
    };
    let failed = |error: WriteError<rusqlite::Error>| -> Cause { Arc::new(error) };
    writer.submit(Sync::Full, job, move |outcome| drop(tell.send(outcome))).map_err(failed)?;
    told.recv().unwrap_or(Err(WriteError::Closed)).map_err(failed)
}
