//! Events that the sink refused for good: set aside, told of, and sent again when asked.

use std::{collections::BTreeMap, sync::Arc, sync::atomic::Ordering};

use gov_core::{AuditEventKind, EventId, RecordId, Timestamp};
use gov_store::sqlite::Sync;
use serde_json::json;

use super::{
    EventBuffer,
    error::{AppendError, BufferError, JobError, Space},
    gap,
    limits::{Class, Size},
};
use crate::{
    BufferId, EncodedEvent,
    store::sqlite::{self, Books, Wanted},
};

/// So many dead letters one transaction moves.
const CHUNK: u32 = 256;

/// An event that the sink refused for good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetter {
    /// Its place among dead letters.
    pub number: u64,
    /// The buffer's id at that time.
    pub buffer_id: BufferId,
    /// The number under which it was refused.
    pub seq: u64,
    /// What the sink said.
    pub reason: String,
    /// How often it was tried.
    pub tries: u32,
    /// When it was given up.
    pub dead_at: Timestamp,
    /// The event.
    pub event: EncodedEvent,
}

/// Which dead letters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Letters {
    /// All of them.
    All,
    /// Those of these events.
    Of(Vec<EventId>),
}

impl EventBuffer {
    /// Sets the next event that waits aside, with what the sink said, in the transaction that goes
    /// on behind it. An `audit.dead_lettered` event says so, unless it is one itself.
    ///
    /// # Errors
    ///
    /// [`BufferError::NotNext`]: `seq` is not the next one. Else unknown whether it happened;
    /// repeating is safe, and says `NotNext` if it did.
    pub async fn dead_letter(&self, seq: u64, reason: &str, tries: u32) -> Result<(), BufferError> {
        let reason = reason.to_owned();
        let inner = Arc::clone(&self.inner);
        let job = move |books: &mut Books<'_>| {
            let waiting = sqlite::behind(books.connection, books.state.acked, u64::MAX, 1, 0)?;
            let Some((_, event)) = waiting.into_iter().next().filter(|it| it.0 == seq) else {
                return Err(JobError::NotNext(seq));
            };
            let buffer_id = books.state.buffer_id;
            let now = inner.clock.now();
            let bytes = event.json.len() as u64;
            let letter =
                DeadLetter { number: 0, buffer_id, seq, reason, tries, dead_at: now, event };
            sqlite::insert_letter(books.connection, &letter)?;
            books.state.dead_letters += 1;
            if letter.event.kind != AuditEventKind::AuditDeadLettered {
                let told = announcement(&letter, &inner.config.node)?;
                books.append(inner.handed_out.load(Ordering::Acquire) + 1, &told)?;
            }
            books.state.acked = seq;
            if books.state.last == seq {
                // The newest row stays: its number must not be given out again.
                books.state.held_rows += 1;
                books.state.held_bytes += bytes;
            } else {
                sqlite::remove(books.connection, seq)?;
                books.gone(1, bytes);
            }
            Ok(())
        };
        Ok(self.inner.change(Sync::Full, job).await?)
    }

    /// Dead letters behind the number `after`, the oldest first.
    ///
    /// # Errors
    ///
    /// [`BufferError`]; a read can always be tried again.
    pub async fn dead_letters(
        &self,
        after: u64,
        limit: u32,
    ) -> Result<Vec<DeadLetter>, BufferError> {
        let read =
            move |it: &rusqlite::Connection| sqlite::letters(it, Wanted::After(after), limit);
        self.inner.read(read).await
    }

    /// Puts dead letters behind all that waits, under their own event ids, and gives how many.
    ///
    /// An id that names none is passed over.
    ///
    /// # Errors
    ///
    /// [`AppendError::Full`]: some may be back already; go on when there is room. Else unknown
    /// whether it happened; repeating is safe.
    pub async fn replay_dead_letters(&self, which: Letters) -> Result<u64, AppendError> {
        let mut done = 0;
        for wanted in wanted(which) {
            loop {
                let inner = Arc::clone(&self.inner);
                let job = move |books: &mut Books<'_>| {
                    if inner.disk.is_full() {
                        return Err(JobError::Full(Space::Disk));
                    }
                    let letters = sqlite::letters(books.connection, wanted, CHUNK)?;
                    let floor = inner.handed_out.load(Ordering::Acquire) + 1;
                    for letter in &letters {
                        let waiting = Size {
                            rows: books.state.waiting(),
                            bytes: books.state.waiting_bytes(),
                        };
                        let used = waiting.plus(Size::one(letter.event.json.len()));
                        if let Some(missing) = inner.limits.missing(Class::High, used) {
                            return Err(JobError::Full(missing));
                        }
                        books.append(floor, &letter.event)?;
                    }
                    forget(books, &letters)?;
                    Ok(letters.len() as u64)
                };
                let moved = self.inner.change(Sync::Full, job).await?;
                done += moved;
                if moved < u64::from(CHUNK) {
                    break;
                }
            }
        }
        Ok(done)
    }

    /// Gives dead letters up for good, and gives how many. An `audit.dead_letter_discarded` event
    /// says which.
    ///
    /// # Errors
    ///
    /// [`BufferError`]: some may be gone already; repeating is safe.
    pub async fn discard_dead_letters(&self, which: Letters) -> Result<u64, BufferError> {
        let mut done = 0;
        for wanted in wanted(which) {
            loop {
                let inner = Arc::clone(&self.inner);
                let job = move |books: &mut Books<'_>| {
                    let letters = sqlite::letters(books.connection, wanted, CHUNK)?;
                    if !letters.is_empty() {
                        let now = inner.clock.now();
                        let told = farewell(&letters, now, &inner.config.node)?;
                        books.append(inner.handed_out.load(Ordering::Acquire) + 1, &told)?;
                        forget(books, &letters)?;
                    }
                    Ok(letters.len() as u64)
                };
                let gone = self.inner.change(Sync::Full, job).await?;
                done += gone;
                if gone < u64::from(CHUNK) {
                    break;
                }
            }
        }
        Ok(done)
    }
}

fn wanted(which: Letters) -> Vec<Wanted> {
    match which {
        Letters::All => vec![Wanted::After(0)],
        Letters::Of(events) => events.into_iter().map(Wanted::Of).collect(),
    }
}

fn forget(books: &mut Books<'_>, letters: &[DeadLetter]) -> Result<(), JobError> {
    sqlite::delete_letters(books.connection, letters)?;
    books.state.dead_letters = books.state.dead_letters.saturating_sub(letters.len() as u64);
    Ok(())
}

/// The event that tells of a dead letter; the same however often it is made.
fn announcement(letter: &DeadLetter, node: &str) -> Result<EncodedEvent, JobError> {
    let DeadLetter { buffer_id, seq, event, .. } = letter;
    let key = format!("{buffer_id}/{seq}");
    let id = EventId::of_record(RecordId::derived("audit_buffer_dead_letter", &key));
    let body = json!({
        "cause": "audit_buffer", "event_id": event.id, "kind": event.kind,
        "reason": letter.reason.chars().take(1024).collect::<String>(),
        "seq": seq, "tries": letter.tries,
    });
    let subjects = BTreeMap::from([("event_id".to_owned(), event.id.to_string())]);
    let kind = AuditEventKind::AuditDeadLettered;
    Ok(gap::record(id, kind, letter.dead_at, subjects, &body, node)?)
}

/// The event that says which dead letters an operator gave up.
fn farewell(letters: &[DeadLetter], now: Timestamp, node: &str) -> Result<EncodedEvent, JobError> {
    let events: Vec<_> = letters.iter().map(|it| it.event.id).collect();
    let body = json!({"cause": "audit_buffer", "count": letters.len(), "events": events});
    let kind = AuditEventKind::AuditDeadLetterDiscarded;
    Ok(gap::record(EventId::at(now), kind, now, BTreeMap::new(), &body, node)?)
}
