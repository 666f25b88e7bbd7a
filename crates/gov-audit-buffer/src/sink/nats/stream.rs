//! What the fence needs of a stream: one contract for the real server and for a model of it.

use std::{error, fmt};

use async_trait::async_trait;
use gov_core::EventId;

use crate::{BufferId, Outgoing};

/// A stream of messages that are numbered in the order they are stored.
///
/// A publish says which message it comes after. The stream stores it only if that is so *when it
/// is stored*: everything that [`Fence`](super::fence::Fence) promises rests on this.
#[async_trait]
pub trait JetStream: fmt::Debug + Send + Sync {
    /// What the stream offers; the first call connects.
    ///
    /// # Errors
    ///
    /// [`StreamError::Unavailable`].
    async fn offers(&self) -> Result<Offers, StreamError>;

    /// The last message of `subject`, as the stream's leader has it; `None` if it has none.
    ///
    /// # Errors
    ///
    /// [`StreamError::Unavailable`] and [`StreamError::Unknown`]: a read can always be repeated.
    async fn last_of(&self, subject: &str) -> Result<Option<LastMessage>, StreamError>;

    /// Stores all of `batch` in its order, or nothing of it: if the last message of `subject` has
    /// the number `after` (0: there is none). Gives the number of the batch's last message.
    ///
    /// # Errors
    ///
    /// [`StreamError`]; nothing was stored but, perhaps, with [`StreamError::Unknown`].
    async fn publish_atomic(
        &self,
        subject: &str,
        after: u64,
        batch: &[Outgoing],
    ) -> Result<u64, StreamError>;

    /// Stores each of `batch`, in its order, whose guards hold; the others are refused each for
    /// itself. Gives one answer for each.
    async fn publish_each(
        &self,
        subject: &str,
        batch: &[Guarded<'_>],
    ) -> Vec<Result<Stored, StreamError>>;

    /// Drops what is still under way: nothing that was handed over so far and has not left may
    /// leave later.
    fn abandon(&self);
}

/// What a stream offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offers {
    /// Batches of which all is stored or nothing.
    pub atomic_batches: bool,
}

/// The last message of a subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LastMessage {
    /// Its number in the stream.
    pub sequence: u64,
    /// What it says about itself; `None` when it is no event of a buffer.
    pub mark: Option<Mark>,
}

/// What a message says about itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// `Gov-Buffer`: whose numbers they are.
    pub buffer_id: BufferId,
    /// `Gov-Seq`: its place in that buffer.
    pub buffer_seq: u64,
    /// `ce-id`: which event.
    pub event_id: EventId,
}

impl From<&Outgoing> for Mark {
    fn from(it: &Outgoing) -> Self {
        Self { buffer_id: it.buffer_id, buffer_seq: it.buffer_seq, event_id: it.event.id }
    }
}

/// One event with what must hold for it to be stored.
#[derive(Clone, Copy, Debug)]
pub struct Guarded<'a> {
    /// The event.
    pub outgoing: &'a Outgoing,
    /// The last message of the subject must have this number; 0: there must be none.
    pub after: u64,
    /// The last message of the whole *stream* must have been published under this id.
    pub after_id: Option<EventId>,
    /// Publish it under its id, so that a stream which remembers the id does not store it again.
    pub under_id: bool,
}

/// A message was stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Its number in the stream.
    pub sequence: u64,
    /// It was *not* stored now: the stream remembers its id.
    pub duplicate: bool,
}

/// Why a stream did not do what it was asked for.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StreamError {
    /// Another message is last than the publish says: nothing of it was stored. Read the last one.
    #[error("the stream's last message is another one than expected")]
    Conflict,
    /// It may have been stored and may not, or may yet be. Abandon it, and read the last message.
    #[error("no answer from the stream")]
    Unknown(#[source] Box<dyn error::Error + Send + Sync>),
    /// Nothing was stored, and what stands in the way may pass.
    #[error("the stream is not available")]
    Unavailable(#[source] Box<dyn error::Error + Send + Sync>),
    /// Nothing was stored: the stream will never take this event.
    #[error("the stream refuses an event: {reason}")]
    Refused {
        /// Its place in the batch.
        index: usize,
        /// Why.
        reason: String,
    },
    /// Nothing was stored: the stream takes no atomic batches, or none any more.
    #[error("the stream takes no atomic batches")]
    NoBatches,
    /// The stream was closed by its owner.
    #[error("the connection is closed")]
    Closed,
}
