//! The doors through which events come in.

use std::sync::{Arc, atomic::Ordering};

use gov_core::{AuditEvent, Timestamp, event::PayloadTooLarge};
use gov_store::sqlite::{Sync, WriteError};
use tokio::sync::oneshot;

use super::{
    Durability, EventBuffer, GapReason, Inner,
    config::Overflow,
    error::{AppendError, BufferError, JobError, Space},
    hand::Touch,
    intake::{Pending, Reservation, Turned},
    limits::{Class, Size},
};
use crate::{
    EncodedEvent,
    store::sqlite::{self, Books},
};

/// The most bytes that an event may have as it is sent: 8 KiB are left of NATS's default of 1 MiB
/// for headers.
pub const MAX_EVENT_BYTES: usize = (1 << 20) - (8 << 10);

/// So often events of a source are tried whose commit failed half-way.
const MAX_TRIES: u8 = 3;

/// What [`EventBuffer::append_from`] did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Appended {
    /// Events that are kept now and were not before.
    pub new: u64,
    /// Events that were at or behind the cursor.
    pub known: u64,
}

impl EventBuffer {
    /// Keeps one event, durably, and gives its number.
    ///
    /// # Errors
    ///
    /// As from [`EventBuffer::append`].
    pub async fn enqueue(&self, event: &AuditEvent) -> Result<u64, AppendError> {
        self.append(event, Durability::Durable).await
    }

    /// Keeps one event behind all others, as durably as asked for, and gives its number.
    ///
    /// Appends that wait together share one commit. Of one caller who waits for each answer they
    /// are in that order. Dropping the future does not take the event back: it is kept once it is
    /// queued.
    ///
    /// # Errors
    ///
    /// [`AppendError`]; after [`AppendError::Unknown`] the event may be kept.
    pub async fn append(
        &self,
        event: &AuditEvent,
        durability: Durability,
    ) -> Result<u64, AppendError> {
        let event = self.encode(event)?;
        self.append_encoded(event, 0, durability).await
    }

    /// Keeps one event under the number `seq` that [`EventBuffer::hand_out`] gave, also before what
    /// was kept meanwhile, or under a higher one if the sink is further, and gives its number.
    ///
    /// # Errors
    ///
    /// As from [`EventBuffer::append`].
    pub async fn append_at(
        &self,
        seq: u64,
        event: EncodedEvent,
        durability: Durability,
    ) -> Result<u64, AppendError> {
        self.append_encoded(event, seq, durability).await
    }

    /// Keeps the events of an ordered source and moves its cursor, in one transaction: what is at or
    /// behind the cursor is skipped.
    ///
    /// `events` are in rising order of their numbers in the source, which begin above 0. All are
    /// kept or none. What finds no room is in no gap: the source will bring it again.
    ///
    /// # Errors
    ///
    /// [`AppendError`]; repeating is safe.
    pub async fn append_from(
        &self,
        source: &str,
        events: Vec<(u64, AuditEvent)>,
        durability: Durability,
    ) -> Result<Appended, AppendError> {
        let known = self.cursor(source).await.map_err(|error| match error {
            BufferError::Closed => AppendError::Closed,
            other => AppendError::Unavailable(Arc::new(other)),
        })?;
        let mut after = 0;
        let mut encoded = Vec::with_capacity(events.len());
        let mut class = Class::Normal;
        let mut size = Size::default();
        for (seq, event) in &events {
            if *seq <= after || i64::try_from(*seq).is_err() {
                let source_name = source.to_owned();
                return Err(AppendError::OutOfOrder { source_name, seq: *seq, after });
            }
            after = *seq;
            // It needs no room, and never moves back.
            if *seq <= known {
                continue;
            }
            let event = self.encode(event)?;
            class = class.max(Class::of(&event.kind));
            size = size.plus(Size::one(event.json.len()));
            encoded.push((*seq, event));
        }
        let known = (events.len() - encoded.len()) as u64;
        if encoded.is_empty() {
            return Ok(Appended { new: 0, known });
        }
        self.inner.look_after().await;
        let room = Arc::new(self.inner.room(class, size).await?);
        let batch = Arc::new(Sourced { source: source.to_owned(), class, size, events: encoded });
        let mut tries = 0;
        loop {
            tries += 1;
            let (batch, room) = (Arc::clone(&batch), Arc::clone(&room));
            let inner = Arc::clone(&self.inner);
            let job = move |books: &mut Books<'_>| batch.write(&inner, books, &room);
            match self.inner.change(sync(durability), job).await {
                // The cursor says whether it is in the file.
                Err(WriteError::Commit(_)) if tries < MAX_TRIES => {}
                outcome => {
                    let (mut done, _touch) = outcome?;
                    done.known += known;
                    return Ok(done);
                }
            }
        }
    }

    /// Up to where the events of an ordered source are kept; 0 at first.
    ///
    /// # Errors
    ///
    /// [`BufferError`]; a read can always be tried again.
    pub async fn cursor(&self, source: &str) -> Result<u64, BufferError> {
        let source = source.to_owned();
        self.inner.read(move |it| sqlite::cursor(it, &source)).await
    }

    /// Gives the next number to an event that is to be sent past the buffer: what is kept later
    /// comes behind it.
    ///
    /// Numbers are in the order in which they were given out only if one caller at a time takes one
    /// and sends, and keeps the event by [`EventBuffer::append_at`] if it cannot.
    #[must_use]
    pub fn hand_out(&self) -> u64 {
        let state = *self.inner.state.borrow();
        let known = state.last.max(state.acked);
        let given = self.inner.handed_out.fetch_max(known, Ordering::AcqRel).max(known);
        self.inner.handed_out.fetch_max(given + 1, Ordering::AcqRel);
        given + 1
    }

    /// Encodes an event of this node, if it is small enough for any sink.
    ///
    /// # Errors
    ///
    /// [`AppendError::TooLarge`] and [`AppendError::Unencodable`].
    pub fn encode(&self, event: &AuditEvent) -> Result<EncodedEvent, AppendError> {
        event
            .check_size()
            .map_err(|PayloadTooLarge { limit, got }| AppendError::TooLarge { limit, got })?;
        let event = EncodedEvent::of(event, &self.inner.config.node)?;
        let got = event.json.len();
        if got > MAX_EVENT_BYTES {
            return Err(AppendError::TooLarge { limit: MAX_EVENT_BYTES, got });
        }
        Ok(event)
    }

    async fn append_encoded(
        &self,
        event: EncodedEvent,
        place: u64,
        durability: Durability,
    ) -> Result<u64, AppendError> {
        self.inner.look_after().await;
        let (answer, answered) = oneshot::channel();
        let (class, at) = (Class::of(&event.kind), event.at);
        let pending = Pending {
            event,
            class,
            sync: sync(durability),
            place,
            fits: true,
            unknown_since: None,
            tries: 0,
            answer,
        };
        match self.inner.offer(pending) {
            Ok(()) => {}
            Err(Turned::Away(error)) => return Err(self.turned_away(error, class, at)),
            Err(Turned::NoRoom(pending, missing)) => {
                let waited = self.inner.wait_for_room(*pending, missing).await;
                waited.map_err(|error| self.turned_away(error, class, at))?;
            }
        }
        answered.await.unwrap_or(Err(AppendError::Closed))
    }

    /// What a caller is told to come back with is accounted for, in case that they do not.
    fn turned_away(&self, error: AppendError, class: Class, at: Timestamp) -> AppendError {
        match error {
            AppendError::Full { missing } => self.inner.miss(class, missing.into(), at),
            AppendError::Busy { .. } => self.inner.miss(class, GapReason::Rejected, at),
            _ => {}
        }
        error
    }
}

/// Events of an ordered source.
#[derive(Debug)]
struct Sourced {
    source: String,
    class: Class,
    size: Size,
    events: Vec<(u64, EncodedEvent)>,
}

impl Sourced {
    fn write(
        &self,
        inner: &Inner,
        books: &mut Books<'_>,
        room: &Reservation,
    ) -> Result<(Appended, Option<Touch>), JobError> {
        let mut touch = None;
        let seen = sqlite::cursor(books.connection, &self.source)?;
        let new = || self.events.iter().filter(|it| it.0 > seen);
        let mut done = Appended::default();
        let Some(last) = new().next_back().map(|it| it.0) else {
            done.known = self.events.len() as u64;
            return Ok((done, touch));
        };
        if inner.disk.is_full() {
            return Err(JobError::Full(Space::Disk));
        }
        if !room.fits {
            let waiting = Size { rows: books.state.waiting(), bytes: books.state.waiting_bytes() };
            let mut used = waiting.plus(self.size);
            if let Some(missing) = inner.make_room(books, self.class, &mut used, &mut touch)? {
                return Err(JobError::Full(missing));
            }
        }
        inner.release_early(books, self.size)?;
        let floor = inner.handed_out.load(Ordering::Acquire) + 1;
        for (_, event) in new() {
            books.append(floor, event)?;
            done.new += 1;
        }
        done.known = self.events.len() as u64 - done.new;
        sqlite::move_cursor(books.connection, &self.source, last)?;
        // The caller drops it, or nobody does before the commit.
        Ok((done, touch))
    }
}

impl Inner {
    /// Sets room aside, waiting for it where the configuration says so.
    pub(super) async fn room(
        self: &Arc<Self>,
        class: Class,
        size: Size,
    ) -> Result<Reservation, AppendError> {
        let mut changes = self.state.subscribe();
        let mut missing = match self.reserve(class, size) {
            Ok(room) => return Ok(room),
            Err(missing) => missing,
        };
        let full = |missing: Space| AppendError::Full { missing };
        let Overflow::Block { timeout } = self.config.overflow else { return Err(full(missing)) };
        let deadline = self.clock.now() + timeout;
        loop {
            tokio::select! {
                some = changes.changed() => some.map_err(|_| AppendError::Closed)?,
                () = self.clock.sleep_until(deadline) => return Err(full(missing)),
            }
            self.look_after().await;
            missing = match self.reserve(class, size) {
                Ok(room) => return Ok(room),
                Err(missing) => missing,
            };
        }
    }

    /// Offers `pending` again whenever something changed, until the configured time is over.
    async fn wait_for_room(
        self: &Arc<Self>,
        mut pending: Pending,
        mut missing: Space,
    ) -> Result<(), AppendError> {
        let Overflow::Block { timeout } = self.config.overflow else {
            return Err(AppendError::Full { missing });
        };
        let mut changes = self.state.subscribe();
        let deadline = self.clock.now() + timeout;
        loop {
            self.look_after().await;
            // Once more at first: room may have come before anybody listened.
            match self.offer(pending) {
                Ok(()) => return Ok(()),
                Err(Turned::Away(error)) => return Err(error),
                Err(Turned::NoRoom(again, still)) => (pending, missing) = (*again, still),
            }
            tokio::select! {
                some = changes.changed() => some.map_err(|_| AppendError::Closed)?,
                () = self.clock.sleep_until(deadline) => {
                    return Err(AppendError::Full { missing });
                }
            }
        }
    }
}

fn sync(durability: Durability) -> Sync {
    match durability {
        Durability::Spooled => Sync::Spooled,
        Durability::Durable => Sync::Full,
    }
}
