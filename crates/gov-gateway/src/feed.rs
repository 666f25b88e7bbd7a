//! The history of the gateway as the signed log follows it.

use std::sync::Arc;

use async_trait::async_trait;
use gov_core::RecordId;
use gov_deferred_audit::{Feed, FeedError, FeedRow};

use crate::store::{GatewayStore, HistoryRow, StoreError};

/// The component's name in record ids, for ever the same.
const COMPONENT: &str = "gateway";

/// Reads the history of a store.
#[derive(Debug)]
pub struct GatewayFeed {
    store: Arc<dyn GatewayStore>,
}

impl GatewayFeed {
    /// Follows the history of `store`.
    #[must_use]
    pub fn new(store: Arc<dyn GatewayStore>) -> Self {
        Self { store }
    }
}

/// The record that stands for the change at `position`.
#[must_use]
pub fn record_id(position: u64) -> RecordId {
    RecordId::derived(COMPONENT, &position.to_string())
}

#[async_trait]
impl Feed for GatewayFeed {
    fn component(&self) -> &'static str {
        COMPONENT
    }

    async fn cursor(&self) -> Result<u64, FeedError> {
        self.store.feed_cursor().await.map_err(failed)
    }

    async fn rows_after(&self, cursor: u64, limit: u32) -> Result<Vec<FeedRow>, FeedError> {
        let rows = self.store.history_after(cursor, limit).await.map_err(failed)?;
        Ok(rows.into_iter().map(feed_row).collect())
    }

    async fn set_cursor(&self, cursor: u64) -> Result<(), FeedError> {
        self.store.set_feed_cursor(cursor).await.map_err(failed)
    }
}

fn feed_row(row: HistoryRow) -> FeedRow {
    FeedRow {
        position: row.position,
        history_key: row.position.to_string(),
        at: row.change.at,
        kind: row.change.kind,
        agent_id: row.change.agent_id,
        session_id: None,
        policy_version: row.change.policy_version,
        verdict: None,
        payload: row.change.payload,
    }
}

fn failed(source: StoreError) -> FeedError {
    FeedError { component: COMPONENT, source: Box::new(source) }
}
