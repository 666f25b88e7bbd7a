//! The history of the gateway as the signed log follows it.

use async_trait::async_trait;
use gov_deferred_audit::{Feed, FeedError, FeedRow};
use gov_store::sqlite::{Readers, Sync, Writer};

use crate::store::sqlite;

/// The component's name in record ids, for ever the same.
const COMPONENT: &str = "gateway";

/// Reads `gateway_history`.
#[derive(Debug)]
pub struct GatewayFeed {
    readers: Readers,
    writer: Writer,
}

impl GatewayFeed {
    /// Follows the history behind these doors.
    #[must_use]
    pub fn new(readers: Readers, writer: Writer) -> Self {
        Self { readers, writer }
    }
}

#[async_trait]
impl Feed for GatewayFeed {
    fn component(&self) -> &'static str {
        COMPONENT
    }

    async fn cursor(&self) -> Result<u64, FeedError> {
        let cursor = self.readers.read(sqlite::feed_cursor).await.map_err(failed)?;
        Ok(u64::try_from(cursor).unwrap_or(0))
    }

    async fn rows_after(&self, cursor: u64, limit: u32) -> Result<Vec<FeedRow>, FeedError> {
        let after = position(cursor);
        let rows = self
            .readers
            .read(move |db| sqlite::changes_after(db, after, limit))
            .await
            .map_err(failed)?;
        Ok(rows
            .into_iter()
            .map(|row| FeedRow {
                position: u64::try_from(row.history_id).unwrap_or(0),
                history_key: row.history_id.to_string(),
                at: row.change.at,
                kind: row.change.kind,
                agent_id: row.change.agent_id,
                session_id: None,
                policy_version: row.change.policy_version,
                verdict: None,
                payload: row.change.payload,
            })
            .collect())
    }

    async fn set_cursor(&self, cursor: u64) -> Result<(), FeedError> {
        let cursor = position(cursor);
        self.writer
            .write(Sync::Full, move |tx| sqlite::set_feed_cursor(tx, cursor))
            .await
            .map_err(failed)
    }
}

fn position(cursor: u64) -> i64 {
    i64::try_from(cursor).unwrap_or(i64::MAX)
}

fn failed(source: impl std::error::Error + Send + std::marker::Sync + 'static) -> FeedError {
    FeedError { component: COMPONENT, source: Box::new(source) }
}
