//! Straight into the event store.

use std::sync::Arc;

use async_trait::async_trait;
use gov_core::AuditEvent;
use gov_retention::event_store::{Appended, AuditEventStore, Durability, StoreError};

use super::{EventOutlet, OutletError};

/// The event store, without a buffer.
#[derive(Clone, Debug)]
pub struct StoreOutlet(Arc<dyn AuditEventStore>);

impl StoreOutlet {
    /// Writes to `store`.
    #[must_use]
    pub fn new(store: Arc<dyn AuditEventStore>) -> Self {
        Self(store)
    }
}

#[async_trait]
impl EventOutlet for StoreOutlet {
    fn name(&self) -> &'static str {
        "event_store"
    }

    async fn append(
        &self,
        events: Vec<AuditEvent>,
        durability: Durability,
    ) -> Result<(), OutletError> {
        Ok(self.0.append(events, durability).await.map(drop)?)
    }

    async fn append_from(
        &self,
        source: &str,
        events: Vec<(u64, AuditEvent)>,
    ) -> Result<Appended, OutletError> {
        Ok(self.0.append_from(source, events).await?)
    }

    async fn cursor(&self, source: &str) -> Result<u64, OutletError> {
        Ok(self.0.cursor(source).await?)
    }
}

impl From<StoreError> for OutletError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::TooLarge { id, .. } | StoreError::NotText { id, .. } => {
                Self::Never { id, reason: error.to_string() }
            }
            other => Self::Unavailable(Box::new(other)),
        }
    }
}
