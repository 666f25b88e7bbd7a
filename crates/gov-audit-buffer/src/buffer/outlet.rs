//! The door through which events leave: handed out, acknowledged, held, deleted.

use std::sync::Arc;

use gov_store::sqlite::Sync;

use super::{
    EventBuffer,
    error::BufferError,
    gap::{Gap, GapReason},
};
use crate::{
    BufferId, Outgoing,
    store::sqlite::{self, Books},
};

/// The most events that are handed to a sink at once.
pub const MAX_BATCH: u32 = 256;
/// The most bytes that are handed to a sink at once, but for one event that is larger.
pub const MAX_BATCH_BYTES: u64 = 4 << 20;

/// So many rows one job of the writer looks at or deletes: it holds up those who append.
const CHUNK: u32 = 1024;
/// So many free pages one job gives back.
const CHUNK_PAGES: u32 = 256;
/// So many free pages stay for the next events: 1 MiB.
const SPARE_PAGES: u64 = 256;

/// What [`EventBuffer::rewind`] did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rewound {
    /// So many events wait again.
    pub again: u64,
    /// The first and the last number of which nothing is held; an `audit.gap` says so in their
    /// place.
    pub lost: Option<(u64, u64)>,
}

impl EventBuffer {
    /// The next events that the sink has not got, in order: to look at.
    ///
    /// # Errors
    ///
    /// [`BufferError`]; a read can always be tried again.
    pub async fn peek(&self, limit: u32) -> Result<Vec<Outgoing>, BufferError> {
        self.inner.look_after().await;
        self.read(0, u64::MAX, limit, u64::MAX).await
    }

    /// The next events that the sink has not got, in order: to hand to it.
    ///
    /// At most [`MAX_BATCH`] and [`MAX_BATCH_BYTES`]; empty if nothing waits. From here on they are
    /// neither dropped nor changed, whether they are sent or not.
    ///
    /// # Errors
    ///
    /// [`BufferError`]; a read can always be tried again.
    pub async fn next_batch(&self) -> Result<Vec<Outgoing>, BufferError> {
        self.inner.look_after().await;
        self.batch_behind(0).await
    }

    /// Like [`EventBuffer::next_batch`], of those behind `after`.
    pub(crate) async fn batch_behind(&self, after: u64) -> Result<Vec<Outgoing>, BufferError> {
        let mut up_to = u64::MAX;
        loop {
            let quiet = self.inner.hand.quiet();
            let batch = self.read(after, up_to, MAX_BATCH, MAX_BATCH_BYTES).await?;
            let Some(last) = batch.last() else {
                if up_to == u64::MAX {
                    return Ok(batch);
                }
                // What waited there was dropped meanwhile.
                up_to = u64::MAX;
                continue;
            };
            let begun = self.inner.hand.mark(last.buffer_seq);
            if quiet == Some(begun) {
                return Ok(batch);
            }
            // Something was being changed while it was read, and perhaps just this.
            up_to = last.buffer_seq;
            self.inner.hand.settled(begun).await;
            let batch = self.read(after, up_to, MAX_BATCH, MAX_BATCH_BYTES).await?;
            if !batch.is_empty() {
                return Ok(batch);
            }
            up_to = u64::MAX;
        }
    }

    /// Marks everything up to `seq` as kept by the sink. It is still held until it is released.
    ///
    /// It survives a killed process and not the loss of power: then the sink is asked, or is sent it
    /// again.
    ///
    /// # Errors
    ///
    /// [`BufferError`]: unknown whether it happened; repeating is safe.
    pub async fn acknowledge(&self, seq: u64) -> Result<(), BufferError> {
        let job = move |books: &mut Books<'_>| Ok(sqlite::acknowledged(books, seq, CHUNK)?);
        while !self.inner.change(Sync::Spooled, job).await? {}
        Ok(())
    }

    /// Deletes events up to `seq` that the sink has, and gives free space back to the file system;
    /// a bounded part of it, and `true` if there is more to do.
    ///
    /// # Errors
    ///
    /// [`BufferError`]: unknown whether it happened; repeating is safe.
    pub async fn release(&self, seq: u64) -> Result<bool, BufferError> {
        let job = move |books: &mut Books<'_>| {
            let freed = sqlite::released(books, seq, CHUNK)?;
            let pages = sqlite::free_pages(books.connection, SPARE_PAGES, CHUNK_PAGES)?;
            Ok(freed.rows == u64::from(CHUNK) || pages)
        };
        Ok(self.inner.change(Sync::Spooled, job).await?)
    }

    /// Goes back: the sink has lost what came behind `seq`. What is still held waits again, but for
    /// what went under an earlier id of the file, and an `audit.gap` stands for what is not.
    ///
    /// # Errors
    ///
    /// [`BufferError`]: unknown whether it happened; repeating is safe.
    pub async fn rewind(&self, seq: u64) -> Result<Rewound, BufferError> {
        let mut done = Rewound::default();
        loop {
            let inner = Arc::clone(&self.inner);
            let job = move |books: &mut Books<'_>| {
                let to = seq.max(books.state.id_since);
                // It never had what it refused.
                let to = sqlite::behind_dead(books, to)?;
                if to >= books.state.acked {
                    return Ok((Rewound::default(), true));
                }
                let held = sqlite::count_backwards(books.connection, to, books.state.acked, CHUNK)?;
                books.state.held_rows = books.state.held_rows.saturating_sub(held.rows);
                books.state.held_bytes = books.state.held_bytes.saturating_sub(held.bytes);
                if held.rows == u64::from(CHUNK) {
                    books.state.acked = held.first - 1;
                    return Ok((Rewound { again: held.rows, lost: None }, false));
                }
                let next = if held.rows > 0 { held.first } else { books.state.acked + 1 };
                books.state.acked = to;
                let mut done = Rewound { again: held.rows, lost: None };
                if next > to + 1 {
                    done.lost = Some((to + 1, next - 1));
                    let now = inner.clock.now();
                    let gap = Gap {
                        class: None,
                        reason: GapReason::SinkLost,
                        count: next - 1 - to,
                        first: now,
                        last: now,
                        places: done.lost,
                    };
                    let node = &inner.config.node;
                    let event = gap.encode(books.state.buffer_id, next - 1, now, node)?;
                    if next > books.state.last {
                        books.append(next - 1, &event)?;
                    } else {
                        books.insert(next - 1, &event)?;
                    }
                    inner.counters.gap();
                }
                Ok((done, true))
            };
            let (step, all) = self.inner.change(Sync::Spooled, job).await?;
            done.again += step.again;
            done.lost = done.lost.or(step.lost);
            if all {
                self.inner.shed.lock().forget();
                return Ok(done);
            }
        }
    }

    /// Gives the file a new id for all that waits: its numbers no longer mean to the sink what they
    /// mean here. What is held is never sent again.
    ///
    /// # Errors
    ///
    /// [`BufferError`]: unknown whether it happened; repeating gives yet another id.
    pub async fn rename_unsent(&self) -> Result<BufferId, BufferError> {
        let fresh = BufferId::at(self.inner.clock.now());
        let job = move |books: &mut Books<'_>| {
            books.state.buffer_id = fresh;
            books.state.id_since = books.state.acked;
            Ok(fresh)
        };
        Ok(self.inner.change(Sync::Full, job).await?)
    }

    /// Writes down what found no room since the last append that did: an `audit.gap` a class.
    ///
    /// # Errors
    ///
    /// [`BufferError`]: it is kept in mind and written later.
    pub async fn write_gaps(&self) -> Result<(), BufferError> {
        {
            let mut intake = self.inner.intake.lock();
            if !intake.has_misses() {
                return Ok(());
            }
            self.inner.submit_batch(&mut intake, Sync::Full)?;
        }
        // Behind it, and so over when it is.
        Ok(self.inner.change(Sync::Spooled, |_: &mut Books<'_>| Ok(())).await?)
    }

    async fn read(
        &self,
        after: u64,
        up_to: u64,
        limit: u32,
        max_bytes: u64,
    ) -> Result<Vec<Outgoing>, BufferError> {
        let rows = self.inner.read(move |connection| {
            let state = Books::open(connection)?.state;
            let after = state.acked.max(after);
            let rows = sqlite::behind(connection, after, up_to, limit, max_bytes)?;
            let out =
                |(buffer_seq, event)| Outgoing { buffer_id: state.buffer_id, buffer_seq, event };
            Ok(rows.into_iter().map(out).collect())
        });
        rows.await
    }
}
