//! What the answer to a change waits for: its row of the history in the signed log.
//!
//! The change itself is durable before. If the log does not have its row in time, the answer is
//! still yes, and says that the record is pending: it comes as soon as the log takes it.

use std::{sync::Arc, time::Duration};

use gov_core::{Clock, RecordId};
use gov_deferred_audit::FollowerHandle;
use serde::{Deserialize, Serialize};

use crate::feed;

/// A change that is made, and where it is on record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Changed<T> {
    /// What is there now.
    #[serde(flatten)]
    pub view: T,
    /// The record of the change.
    pub record: ChangeRecord,
}

/// Where a change is on record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangeRecord {
    /// The record, now or later.
    pub id: RecordId,
    /// Whether the signed log has it.
    pub durability: Durability,
}

/// Whether the signed log has a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Durability {
    /// It has, fsynced.
    Durable,
    /// The change is fsynced in its own database, and its record on the way.
    Pending,
}

/// Tells the follower of the history that there is something to read, and waits for it.
#[derive(Clone, Debug)]
pub struct LoggedWithin {
    /// Follows the history.
    pub follower: FollowerHandle,
    /// Bounds the wait.
    pub clock: Arc<dyn Clock>,
    /// How long to wait: less than a request may take, or nobody hears the answer.
    pub patience: Duration,
}

impl LoggedWithin {
    /// The record of the change at `position`. Without a follower it is pending: the next server
    /// logs it.
    pub(crate) async fn record(wait: Option<&Self>, position: u64) -> ChangeRecord {
        let durability = match wait {
            Some(wait) => wait.logged(position).await,
            None => Durability::Pending,
        };
        ChangeRecord { id: feed::record_id(position), durability }
    }

    async fn logged(&self, position: u64) -> Durability {
        let until = self.clock.now() + self.patience;
        self.follower.nudge();
        tokio::select! {
            () = self.follower.logged(position) => Durability::Durable,
            () = self.clock.sleep_until(until) => {
                tracing::warn!(position, "a change is made, and not yet in the signed log");
                Durability::Pending
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use async_trait::async_trait;
    use gov_core::clock::ManualClock;
    use gov_deferred_audit::{
        DeferredAuditQueue, Feed, FeedError, FeedFollower, FeedRow, FollowerConfig, QueueConfig,
    };

    use super::*;

    /// A history whose rows are in the log up to the second.
    #[derive(Debug)]
    struct Followed;

    #[async_trait]
    impl Feed for Followed {
        fn component(&self) -> &'static str {
            "gateway"
        }

        async fn cursor(&self) -> Result<u64, FeedError> {
            Ok(2)
        }

        async fn rows_after(&self, _: u64, _: u32) -> Result<Vec<FeedRow>, FeedError> {
            Ok(Vec::new())
        }

        async fn set_cursor(&self, _: u64) -> Result<(), FeedError> {
            Ok(())
        }
    }

    #[tokio::test]
    async fn an_answer_waits_for_the_log_and_says_where_that_is_late() {
        let (dir, clock) = (tempfile::tempdir().unwrap(), ManualClock::default());
        let shared: Arc<dyn Clock> = Arc::new(clock.clone());
        let (queue, _receiver) =
            DeferredAuditQueue::open(QueueConfig::in_dir(dir.path()), Arc::clone(&shared)).unwrap();
        let config = FollowerConfig::default();
        let task = FeedFollower::new(Arc::new(Followed), queue, Arc::clone(&shared), config);
        task.run_once().await.unwrap();
        let patience = Duration::from_secs(5);
        let wait = LoggedWithin { follower: task.handle(), clock: shared, patience };

        let record = LoggedWithin::record(Some(&wait), 2).await;
        assert_eq!((record.id, record.durability), (feed::record_id(2), Durability::Durable));
        let mut late = Box::pin(LoggedWithin::record(Some(&wait), 3));
        let mut poll = async || {
            std::future::poll_fn(|cx| std::task::Poll::Ready(late.as_mut().poll(cx))).await
        };
        assert!(poll().await.is_pending());
        clock.advance(Duration::from_millis(4_999));
        assert!(poll().await.is_pending());
        clock.advance(Duration::from_millis(1));
        let std::task::Poll::Ready(record) = poll().await else { panic!("it waits for ever") };
        assert_eq!((record.id, record.durability), (feed::record_id(3), Durability::Pending));
    }
}
