//! The log: opened once a process, signed at every commit.
//!
//! ```text
//! open ─▶ outside copy and database agree? ──no──▶ Rollback (accept_rollback opens a new epoch)
//!             │ yes
//!             ▼
//! append: rows, full tiles, root, signed checkpoint: one transaction ─▶ COMMIT ─▶ outside copy
//! ```
//!
//! Start reading at [`SignedLog::open`], then `signed_log/append.rs`.

use std::sync::Arc;

use gov_core::{Clock, Health, HealthState};
use gov_store::sqlite::{Database, ReadError};
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::{
    outside_copy::OutsideCopy,
    signer::Signer,
    store::sqlite::{self as store, StoreError},
    tlog::{key::VerifierKey, proof, receipt::Receipt},
};

mod append;
mod copying;
mod error;
mod open;
mod rollback;
mod sink;

use self::append::Tail;
pub use self::{
    error::{OpenError, Place, ReadLogError},
    open::LogConfig,
    rollback::{Accepted, accept_rollback},
    sink::{APPEND_UNIQUE_RACE_MAX_RETRIES, SqliteSignedEventsSink},
};

/// How far the log is, after a commit that is on the disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Committed {
    /// Which epoch.
    pub epoch: u64,
    /// How many records it has: the `seq` of the last.
    pub size: u64,
    /// The signed checkpoint.
    pub checkpoint: String,
}

/// One epoch of the log, the current or an earlier one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EpochExtent {
    /// Which epoch, from 1.
    pub epoch: u64,
    /// Its name, and the name of its key.
    pub origin: String,
    /// How many records the database has of it: the `seq` of the last.
    pub size: u64,
}

/// One record as it lies in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredRecord {
    /// Its sequence number.
    pub seq: u64,
    /// Its bytes: read them with [`Entry::from_bytes`](crate::entry::Entry::from_bytes).
    pub entry: Vec<u8>,
    /// Its payload; `None` once erased.
    pub payload: Option<gov_core::Payload>,
}

/// The signed log of one data directory. Clones share it.
#[derive(Clone, Debug)]
pub struct SignedLog {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    database: Database,
    clock: Arc<dyn Clock>,
    epoch: u64,
    key: VerifierKey,
    signer: Arc<dyn Signer>,
    // INVARIANT: what the head row said after the last job that ran; read again if it differs.
    tail: Arc<Mutex<Option<Tail>>>,
    committed: watch::Sender<Committed>,
    outside: Mutex<OutsideCopy>,
    trouble: Mutex<Trouble>,
}

/// What is wrong at the moment, by part.
#[derive(Debug, Default)]
struct Trouble {
    appending: Option<String>,
    copying: Option<String>,
}

impl SignedLog {
    /// Which epoch is being written.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.inner.epoch
    }

    /// The public key: its name is the log's origin.
    #[must_use]
    pub fn key(&self) -> &VerifierKey {
        &self.inner.key
    }

    /// What appends to this log.
    #[must_use]
    pub fn sink(&self) -> SqliteSignedEventsSink {
        SqliteSignedEventsSink::over(self.clone())
    }

    /// Tells how far the log is; changes after each commit, and never before it is on the disk.
    #[must_use]
    pub fn committed(&self) -> watch::Receiver<Committed> {
        self.inner.committed.subscribe()
    }

    /// At most `limit` records of this epoch after `seq`, in order.
    ///
    /// # Errors
    ///
    /// [`ReadLogError`]; reading can be tried again.
    pub async fn records_after(
        &self,
        seq: u64,
        limit: u64,
    ) -> Result<Vec<StoredRecord>, ReadLogError> {
        self.records_of(self.inner.epoch, seq, limit).await
    }

    /// Every epoch there is, the first first; what is written now is the last.
    ///
    /// # Errors
    ///
    /// [`ReadLogError`]; reading can be tried again.
    pub async fn epochs(&self) -> Result<Vec<EpochExtent>, ReadLogError> {
        let extent = |head: store::Head| {
            let corrupt = || StoreError::Corrupt(format!("the key of epoch {}", head.epoch));
            let key: VerifierKey = head.vkey.parse().map_err(|_| corrupt())?;
            let origin = key.name().to_owned();
            Ok(EpochExtent { epoch: head.epoch, origin, size: head.size })
        };
        self.read(move |connection| store::heads(connection)?.into_iter().map(extent).collect())
            .await
    }

    /// At most `limit` records of `epoch` after `seq`, in order.
    ///
    /// # Errors
    ///
    /// [`ReadLogError`]; reading can be tried again.
    pub async fn records_of(
        &self,
        epoch: u64,
        seq: u64,
        limit: u64,
    ) -> Result<Vec<StoredRecord>, ReadLogError> {
        self.read(move |connection| {
            let entries = store::entries_after(connection, (epoch, seq), limit)?;
            let last = entries.last().map_or(seq, |(seq, _)| *seq);
            let mut payloads =
                store::payloads(connection, epoch, seq, last)?.into_iter().peekable();
            let join = |(seq, entry)| {
                let payload = payloads
                    .next_if(|it| it.seq == seq)
                    .map(|it| gov_core::Payload::from_parts(it.payload, it.salt));
                StoredRecord { seq, entry, payload }
            };
            Ok(entries.into_iter().map(join).collect())
        })
        .await
    }

    /// The proof that record `seq` of this epoch is in the log, under the checkpoint of now; `None`
    /// if there is no such record.
    ///
    /// # Errors
    ///
    /// [`ReadLogError`]; reading can be tried again.
    pub async fn receipt(&self, seq: u64) -> Result<Option<Receipt>, ReadLogError> {
        let epoch = self.inner.epoch;
        self.read(move |connection| {
            let head = store::head(connection)?;
            let Some((head, index)) = head.zip(seq.checked_sub(1)) else { return Ok(None) };
            let Some(checkpoint) = head.note.filter(|_| index < head.size) else { return Ok(None) };
            let proof =
                proof::inclusion(&mut store::Nodes { connection, epoch }, index, head.size)?;
            Ok(Some(Receipt { index, proof, checkpoint }))
        })
        .await
    }

    /// How many records could not enter the log and lie in the dead-letter table.
    ///
    /// # Errors
    ///
    /// [`ReadLogError`]; reading can be tried again.
    pub async fn dlq_size(&self) -> Result<u64, ReadLogError> {
        self.read(store::dead_letters).await
    }

    /// Writes checkpoints to the outside copy, at most one a second, until `shutdown`; then the
    /// last one. The caller runs it beside the log and waits for it.
    pub async fn copy_outside(self, shutdown: CancellationToken) {
        copying::run(&self, shutdown).await;
    }

    /// Closes the database once nobody else holds the log.
    ///
    /// The caller has ended [`copy_outside`](Self::copy_outside) before, so the last checkpoint is
    /// outside.
    pub async fn close(self) {
        if let Some(inner) = Arc::into_inner(self.inner) {
            inner.database.close().await;
        }
    }

    async fn read<T: Send + 'static>(
        &self,
        job: impl FnOnce(&rusqlite::Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, ReadLogError> {
        let read = self.inner.database.readers.read(job).await;
        read.map_err(|error| match error {
            ReadError::Job(StoreError::Corrupt(what)) => ReadLogError::Corrupt(what),
            other => ReadLogError::Unavailable(Box::new(other)),
        })
    }
}

impl Health for SignedLog {
    fn name(&self) -> &'static str {
        "audit_log"
    }

    /// Dead while nothing can be appended, degraded while the outside copy cannot be written.
    fn health(&self) -> HealthState {
        let trouble = self.inner.trouble.lock();
        match (&trouble.appending, &trouble.copying) {
            (Some(reason), _) => HealthState::Dead(reason.clone()),
            (None, Some(reason)) => HealthState::Degraded(reason.clone()),
            (None, None) => HealthState::Healthy,
        }
    }
}
