//! Where audit events go from here: into the event store at once, or into the buffer before a sink.

use std::{error, fmt};

use async_trait::async_trait;
use gov_core::{AuditEvent, EventId};
use gov_retention::event_store::{Appended, Durability};

mod buffer;
mod store;

pub use self::{buffer::BufferOutlet, store::StoreOutlet};

/// Takes the events of answers and those of the signed log.
#[async_trait]
pub trait EventOutlet: fmt::Debug + Send + Sync {
    /// What it is called where events are missing: `event_store` or `audit_buffer`.
    fn name(&self) -> &'static str;

    /// Keeps the events before it returns. After a failure some of them may be kept.
    ///
    /// # Errors
    ///
    /// [`OutletError`].
    async fn append(
        &self,
        events: Vec<AuditEvent>,
        durability: Durability,
    ) -> Result<(), OutletError>;

    /// Keeps the events of an ordered source, durably, and moves its cursor in the same
    /// transaction: a `seq` that is at or behind the cursor is skipped.
    ///
    /// `events` are in rising order of `seq`, and a source has one caller at a time.
    ///
    /// # Errors
    ///
    /// [`OutletError`]; the cursor says what is kept.
    async fn append_from(
        &self,
        source: &str,
        events: Vec<(u64, AuditEvent)>,
    ) -> Result<Appended, OutletError>;

    /// Up to which `seq` of the source everything is kept; 0 at first.
    ///
    /// # Errors
    ///
    /// [`OutletError::Unavailable`]; repeating is safe.
    async fn cursor(&self, source: &str) -> Result<u64, OutletError>;
}

/// Why an event is not known to be kept.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OutletError {
    /// It is this event, and it will never be taken: nothing of the call was kept.
    #[error("{reason}")]
    Never {
        /// Which event.
        id: EventId,
        /// What is wrong with it.
        reason: String,
    },
    /// There is no room. What was handed to [`EventOutlet::append`] is in an `audit.gap` of the
    /// outlet's own.
    #[error("the audit buffer is full; its sink must take events first")]
    Full,
    /// Not now; repeating is safe.
    #[error(transparent)]
    Unavailable(Box<dyn error::Error + Send + Sync>),
}
