//! The log: opened once a process, signed at every commit.
//!
//! It lies in one SQLite file, or in a PostgreSQL database that many processes share.
//!
//! ```text
//! open ─▶ outside copy and database agree? ──no──▶ Rollback (accept_rollback opens a new epoch)
//!             │ yes
//!             ▼
//! append: rows, full tiles, root, signed checkpoint: one transaction ─▶ COMMIT ─▶ outside copy
//! ```
//!
//! Start reading at `signed_log/open.rs`, then `signed_log/append.rs` for SQLite or
//! `signed_log/postgres.rs`; `signed_log/backend.rs` is the seam between the two and the rest.

use std::sync::Arc;

use gov_core::{Clock, Health, HealthState, RecordId};
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::{
    outside_copy::OutsideCopy,
    store::{
        Head, StoreError,
        tree::{self, UpperTiles},
    },
    tlog::key::VerifierKey,
};

mod agreement;
#[cfg(feature = "sqlite")]
mod append;
mod backend;
pub(crate) mod batch;
mod checkpoint;
#[cfg(feature = "test-util")]
pub mod conformance;
mod copying;
mod dead_letters;
mod error;
mod failing;
mod open;
mod places;
#[cfg(feature = "postgres")]
mod postgres;
mod pruning;
mod reading;
#[cfg(feature = "sqlite")]
mod restoring;
mod rollback;
mod rotation;
mod scrub;
mod sink;
#[cfg(feature = "sqlite")]
mod sqlite;
mod succession;
mod tally;

#[cfg(feature = "sqlite")]
pub use self::places::LogConfig;
use self::{
    backend::{Backend, Writing},
    tally::Tally,
};
pub use self::{
    error::{OpenError, Place, ReadLogError},
    places::LogPlaces,
    pruning::{PruneError, Pruned},
    rollback::Accepted,
    rotation::Rotated,
    scrub::ScrubConfig,
    sink::{APPEND_UNIQUE_RACE_MAX_RETRIES, SignedEventsSink, SqliteSignedEventsSink},
};
#[cfg(feature = "sqlite")]
pub use self::{
    restoring::{RestoreError, Restored, restore_tail},
    rollback::accept_rollback,
    rotation::rotate_key,
};
#[cfg(feature = "postgres")]
pub use self::{rollback::accept_rollback_postgres, rotation::rotate_key_postgres};

/// How far the log is, after a commit that is on the disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogHead {
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

/// The signed log of one data directory, or of one deployment on PostgreSQL. Clones share it.
#[derive(Clone, Debug)]
pub struct SignedLog {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    backend: Backend,
    clock: Arc<dyn Clock>,
    writing: Writing,
    committed: watch::Sender<LogHead>,
    outside: Mutex<OutsideCopy>,
    failing: failing::State,
    trouble: Mutex<Trouble>,
    letters: Tally,
    upper: Arc<UpperTiles>,
}

/// What is wrong at the moment beside that, by part.
#[derive(Clone, Debug, Default)]
struct Trouble {
    copying: Option<String>,
    scrubbing: Option<String>,
}

impl SignedLog {
    /// Which epoch is being written.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.inner.writing.epoch
    }

    /// The public key: its name is the log's origin.
    #[must_use]
    pub fn key(&self) -> &VerifierKey {
        &self.inner.writing.key
    }

    pub(crate) fn clock(&self) -> &dyn Clock {
        self.inner.clock.as_ref()
    }

    /// What appends to this log.
    #[must_use]
    pub fn sink(&self) -> SignedEventsSink {
        SignedEventsSink::over(self.clone())
    }

    /// Tells how far the log is; changes after each commit, and never before it is on the disk.
    ///
    /// What another node appended shows with the next append here or the next
    /// [`refresh`](Self::refresh).
    #[must_use]
    pub fn committed(&self) -> watch::Receiver<LogHead> {
        self.inner.committed.subscribe()
    }

    /// At most `limit` records of this epoch after `seq`, in order, as from
    /// [`records_of`](Self::records_of).
    ///
    /// # Errors
    ///
    /// [`ReadLogError`]; reading can be tried again.
    pub async fn records_after(
        &self,
        seq: u64,
        limit: u64,
    ) -> Result<Vec<StoredRecord>, ReadLogError> {
        self.records_of(self.epoch(), seq, limit).await
    }

    /// Every epoch there is, the first first; what is written now is the last.
    ///
    /// # Errors
    ///
    /// [`ReadLogError`]; reading can be tried again.
    pub async fn epochs(&self) -> Result<Vec<EpochExtent>, ReadLogError> {
        let extent = |head: Head| {
            let corrupt = || StoreError::Corrupt(format!("the key of epoch {}", head.epoch));
            let key: VerifierKey = head.vkey.parse().map_err(|_| corrupt())?;
            let origin = key.name().to_owned();
            Ok(EpochExtent { epoch: head.epoch, origin, size: head.size })
        };
        self.inner.backend.read(move |rows| rows.heads()?.into_iter().map(extent).collect()).await
    }

    /// At most `limit` records of `epoch` after `seq`, in order.
    ///
    /// Each `seq` is one more than the one before, and the first one more than what was asked,
    /// except behind pruned records: whoever must read all of them compares, or asks
    /// [`pruned`](Self::pruned) beforehand.
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
        let read = self.inner.backend.read(move |rows| {
            let entries = rows.entries_after((epoch, seq), limit)?;
            let last = entries.last().map_or(seq, |(seq, _)| *seq);
            let mut payloads = rows.payloads(epoch, seq, last)?.into_iter().peekable();
            let join = |(seq, entry)| {
                let payload = payloads
                    .next_if(|it| it.seq == seq)
                    .map(|it| gov_core::Payload::from_parts(it.payload, it.salt));
                StoredRecord { seq, entry, payload }
            };
            Ok(entries.into_iter().map(join).collect())
        });
        read.await
    }

    /// Where the record lies, or lay before it was pruned, as `(epoch, seq)`; `None` if it was never
    /// in the log.
    ///
    /// # Errors
    ///
    /// [`ReadLogError`]; reading can be tried again.
    pub async fn find(&self, id: RecordId) -> Result<Option<(u64, u64)>, ReadLogError> {
        self.inner.backend.find(id).await
    }

    /// Looks how far the log is by now, for what other nodes appended, and tells it to
    /// [`committed`](Self::committed). Whoever follows the log calls it as often as it polls.
    ///
    /// # Errors
    ///
    /// [`ReadLogError::OtherEpoch`] and [`ReadLogError::RolledBack`]: this node appends nothing any
    /// more, and says so in its health. Otherwise reading can be tried again.
    pub async fn refresh(&self) -> Result<LogHead, ReadLogError> {
        let refreshed = self.look().await;
        match &refreshed {
            Ok(head) => self.announce(head.clone()),
            Err(ReadLogError::Unavailable(_)) => (),
            Err(error) => self.fails(error.to_string()),
        }
        refreshed
    }

    async fn look(&self) -> Result<LogHead, ReadLogError> {
        let gone = || ReadLogError::Corrupt("it has no head".to_owned());
        // Asked first: what is told meanwhile may be ahead of the head that comes back.
        let (wanted, known) = (self.epoch(), self.inner.committed.borrow().size);
        let head = self.inner.backend.head().await?.ok_or_else(gone)?;
        if head.epoch != wanted {
            return Err(ReadLogError::OtherEpoch { wanted, found: head.epoch });
        }
        if head.size < known {
            return Err(ReadLogError::RolledBack { known, found: head.size });
        }
        // Who holds no key cannot move this node's readers.
        tree::check_signed(&head).map_err(ReadLogError::from)?;
        Ok(LogHead {
            epoch: head.epoch,
            size: head.size,
            checkpoint: head.note.unwrap_or_default(),
        })
    }

    /// Tells a state that is on the disk, unless a later one is told already: two batches may come
    /// back in either order.
    fn announce(&self, head: LogHead) {
        self.inner.committed.send_if_modified(|known| {
            let newer = known.size < head.size;
            if newer {
                *known = head;
            }
            newer
        });
    }

    /// Writes checkpoints to the outside copy, at most one a second, until `shutdown`; then the
    /// last one. The caller runs it beside the log and waits for it.
    pub async fn copy_outside(self, shutdown: CancellationToken) {
        copying::run(&self, shutdown).await;
    }

    /// Closes the file once nobody else holds the log; a pool of connections stays its owner's.
    ///
    /// The caller has ended [`copy_outside`](Self::copy_outside) before, so the last checkpoint is
    /// outside.
    pub async fn close(self) {
        if let Some(inner) = Arc::into_inner(self.inner) {
            inner.backend.close().await;
        }
    }
}

impl Health for SignedLog {
    fn name(&self) -> &'static str {
        "audit_log"
    }

    /// Dead while nothing can be appended; degraded while scrubbing finds what was not signed so,
    /// while the outside copy cannot be written, and while dead letters lie there, as far as this
    /// process knows: it counts them when it opens the log, when one lands or leaves by its hand,
    /// and when [`dlq_size`](Self::dlq_size) is asked.
    fn health(&self) -> HealthState {
        if let Some(failing) = self.inner.failing.borrow().clone() {
            return HealthState::Dead(failing.why);
        }
        let Trouble { copying, scrubbing } = self.inner.trouble.lock().clone();
        let lying = self.inner.letters.lying();
        let letters = (lying > 0)
            .then(|| format!("{lying} records lie in the dead letters: see `gov audit dlq list`"));
        let reasons: Vec<_> = [scrubbing, copying, letters].into_iter().flatten().collect();
        if reasons.is_empty() {
            HealthState::Healthy
        } else {
            HealthState::Degraded(reasons.join("; "))
        }
    }
}
