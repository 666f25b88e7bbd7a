//! What a buffer tells about itself.

use std::sync::atomic::{AtomicU64, Ordering};

use gov_core::Timestamp;

use super::{EventBuffer, error::BufferError};
use crate::{BufferId, store::sqlite};

/// How a buffer stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BufferStatus {
    /// The name of the file, as sinks know it.
    pub id: BufferId,
    /// The newest event; 0 for none yet.
    pub last: u64,
    /// Up to this one the sink has everything.
    pub acked: u64,
    /// How many events wait for the sink.
    pub waiting: u64,
    /// Their bytes.
    pub waiting_bytes: u64,
    /// How many events are in the file, those that are held to be sent again among them.
    pub rows: u64,
    /// Their bytes.
    pub bytes: u64,
    /// When the first one that waits happened.
    pub oldest_waiting_at: Option<Timestamp>,
    /// How many dead letters there are.
    pub dead_letters: u64,
    /// The size of the file.
    pub file_bytes: u64,
    /// What happened since the file was opened.
    pub counts: BufferCounts,
}

impl BufferStatus {
    pub(crate) fn read(
        connection: &rusqlite::Connection,
        counts: BufferCounts,
    ) -> rusqlite::Result<Self> {
        let state = sqlite::Books::open(connection)?.state;
        Ok(Self {
            id: state.buffer_id,
            last: state.last,
            acked: state.acked,
            waiting: state.waiting(),
            waiting_bytes: state.waiting_bytes(),
            rows: state.rows,
            bytes: state.bytes,
            oldest_waiting_at: sqlite::oldest_at(connection, state.acked)?,
            dead_letters: state.dead_letters,
            file_bytes: sqlite::page_bytes(connection)?,
            counts,
        })
    }
}

/// What happened since a buffer was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BufferCounts {
    /// Events that found no room.
    pub rejected: u64,
    /// Events that were dropped for newer ones.
    pub dropped: u64,
    /// Gaps that were written for them.
    pub gaps: u64,
    /// Events that were no longer held to be sent again, because room was needed.
    pub released_early: u64,
}

/// Counts up, by whoever sees it.
#[derive(Debug, Default)]
pub(super) struct Counters {
    rejected: AtomicU64,
    dropped: AtomicU64,
    gaps: AtomicU64,
    released_early: AtomicU64,
}

impl EventBuffer {
    /// How the buffer stands; at the same cost at any depth.
    ///
    /// # Errors
    ///
    /// [`BufferError`]; a read can always be tried again.
    pub async fn status(&self) -> Result<BufferStatus, BufferError> {
        let counts = self.counts();
        self.inner.read(move |it| BufferStatus::read(it, counts)).await
    }

    /// What happened since the buffer was opened.
    #[must_use]
    pub fn counts(&self) -> BufferCounts {
        let Counters { rejected, dropped, gaps, released_early } = &self.inner.counters;
        let [rejected, dropped, gaps, released_early] =
            [rejected, dropped, gaps, released_early].map(|it| it.load(Ordering::Relaxed));
        BufferCounts { rejected, dropped, gaps, released_early }
    }
}

impl Counters {
    pub(super) fn rejected(&self, count: u64) {
        self.rejected.fetch_add(count, Ordering::Relaxed);
    }

    pub(super) fn dropped(&self, count: u64) {
        self.dropped.fetch_add(count, Ordering::Relaxed);
    }

    pub(super) fn gap(&self) {
        self.gaps.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn released_early(&self, count: u64) {
        self.released_early.fetch_add(count, Ordering::Relaxed);
    }
}
