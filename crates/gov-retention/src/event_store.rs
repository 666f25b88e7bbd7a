//! Where audit events live and how they are found: one contract, and a backend for each database.
//!
//! [`AuditEventStore`] is the contract; `sqlite` and `postgres` keep it, and `conformance` is the
//! contract as tests. A backend is done when it passes.

#[cfg(any(feature = "postgres", feature = "sqlite"))]
mod check;
#[cfg(feature = "test-util")]
pub mod conformance;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
mod day;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
mod meters;
mod page;
#[cfg(feature = "postgres")]
pub mod postgres;
#[cfg(feature = "sqlite")]
pub mod sqlite;

use std::{error, fmt};

use async_trait::async_trait;
use gov_core::{AgentId, AuditEvent, AuditEventKind, EventId, SessionId, TeamId, Timestamp};

pub use self::page::ParsePageCursorError;

/// The most events one page may hold.
pub const MAX_PAGE: u32 = 1000;

/// What an append's acknowledgement promises.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// Survives a killed process.
    Spooled,
    /// Survives power loss.
    Durable,
}

/// Keeps audit events and finds them.
///
/// An event is known by its id, and its time never changes: the pair names the row.
#[async_trait]
pub trait AuditEventStore: fmt::Debug + Send + Sync {
    /// Keeps the events that are not there yet; concurrent calls share a commit.
    ///
    /// Idempotent: an id that is there stays as it was first. All of them are kept, or none is
    /// acknowledged.
    ///
    /// # Errors
    ///
    /// [`StoreError::TooLarge`] and [`StoreError::NotText`]: correct the event; nothing of the
    /// call was kept. Else the store; repeating is safe.
    async fn append(
        &self,
        events: Vec<AuditEvent>,
        durability: Durability,
    ) -> Result<Appended, StoreError>;

    /// Keeps the events of an ordered source, durably, and moves its cursor in the same
    /// transaction: a `seq` that is at or behind the cursor is skipped.
    ///
    /// `events` are in rising order of `seq`; what is skipped counts as known. If this fails
    /// half-way, a prefix is kept and the cursor says which. A source has one caller at a time:
    /// of two, the one with the higher `seq` would hide what the other still has to bring.
    ///
    /// # Errors
    ///
    /// As from [`append`](Self::append), and [`StoreError::OutOfOrder`], which kept nothing.
    async fn append_from(
        &self,
        source: &str,
        events: Vec<(u64, AuditEvent)>,
    ) -> Result<Appended, StoreError>;

    /// Up to which `seq` of the source everything is kept; 0 at first.
    ///
    /// # Errors
    ///
    /// The store; repeating is safe.
    async fn cursor(&self, source: &str) -> Result<u64, StoreError>;

    /// One page of the events that fit, in `(at, id)` order or its reverse.
    ///
    /// # Errors
    ///
    /// [`StoreError::PageLimit`]: ask for another. [`StoreError::Day`]: one day cannot be read,
    /// a filter that leaves it out is still answered. Else the store; repeating is safe.
    async fn query(&self, filter: &EventFilter, page: &PageRequest) -> Result<Page, StoreError>;

    /// How many events fit.
    ///
    /// # Errors
    ///
    /// As from [`query`](Self::query).
    async fn count(&self, filter: &EventFilter) -> Result<u64, StoreError>;
}

/// What an append did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Appended {
    /// Events that are kept now and were not before.
    pub new: u64,
    /// Events that were kept already.
    pub known: u64,
}

/// Which events are wanted; an empty filter wants all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EventFilter {
    /// At this time or later.
    pub from: Option<Timestamp>,
    /// Before this time.
    pub to: Option<Timestamp>,
    /// Of one of these kinds; empty: of any.
    pub kinds: Vec<AuditEventKind>,
    /// Of this agent.
    pub agent_id: Option<AgentId>,
    /// Of this session.
    pub session_id: Option<SessionId>,
    /// Of this team.
    pub team_id: Option<TeamId>,
}

/// Which way a query reads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// The newest first.
    #[default]
    NewestFirst,
    /// The oldest first.
    OldestFirst,
}

/// Which page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageRequest {
    /// Which way.
    pub order: Order,
    /// Where the page before ended; `None` for the first.
    pub after: Option<PageCursor>,
    /// At most this many, 1 to [`MAX_PAGE`].
    pub limit: u32,
}

/// Where a page ended: stable while events are added and moved.
///
/// Its text is `<microseconds>_<event id>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PageCursor {
    /// The last event's time.
    pub at: Timestamp,
    /// The last event.
    pub id: EventId,
}

/// One page.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Page {
    /// The events, in order.
    pub events: Vec<AuditEvent>,
    /// Where the next page begins; `None` if this was the last. That next page may be empty.
    pub next: Option<PageCursor>,
}

/// Why the store could not do it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The payload is too large to be an event's: shorten it.
    #[error("event `{id}`: payload must be at most {limit} bytes; received {got}")]
    TooLarge {
        /// Which event.
        id: EventId,
        /// The limit, in bytes.
        limit: usize,
        /// The payload's size, in bytes.
        got: usize,
    },
    /// A text of the event holds U+0000, which not every database can keep: take it out.
    #[error("event `{id}`: `{field}` must not contain U+0000")]
    NotText {
        /// Which event.
        id: EventId,
        /// Which field.
        field: &'static str,
    },
    /// The events of a source are not in rising order, or a number is too large: a mistake of the
    /// program that brings them.
    #[error(
        "source `{name}`: seq must rise from 1 and stay below 2^63; received `{seq}` after `{after}`"
    )]
    OutOfOrder {
        /// Which source.
        name: String,
        /// The number that does not fit.
        seq: u64,
        /// The one before it.
        after: u64,
    },
    /// No page can be of that size: ask for another.
    #[error("limit must be 1 to {MAX_PAGE}; received {got}")]
    PageLimit {
        /// The limit received.
        got: u32,
    },
    /// A stored row cannot be read: the database was changed by other hands.
    #[error("stored event `{id}` has an invalid `{column}`")]
    Corrupt {
        /// Which row.
        id: EventId,
        /// Which column.
        column: &'static str,
    },
    /// The place of one day's events cannot be opened: repair it or move it away. Other days are
    /// not concerned.
    #[error("the events of one day, in `{place}`, cannot be reached")]
    Day {
        /// Where they lie.
        place: String,
        /// Why not.
        source: Box<dyn error::Error + Send + Sync>,
    },
    /// The store was closed, and nothing was done.
    #[error("the event store is closed")]
    Closed,
    /// The backend failed; repeating is safe.
    #[error("the event store is unavailable")]
    Unavailable(#[source] Box<dyn error::Error + Send + Sync>),
}
