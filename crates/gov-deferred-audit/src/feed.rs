//! How the state changes of a component reach the log: its history rows are an outbox.
//!
//! A component writes each change and its history row in one transaction of its own. The follower
//! reads the rows behind its cursor, submits each as a durable record whose id is derived from the
//! row, and moves the cursor once the log has them. A crash between any two of these steps repeats
//! a row, and the log knows it by its id.

use std::{error::Error, sync::Arc, time::Duration};

use async_trait::async_trait;
use gov_core::{AgentId, AuditEventKind, Clock, Payload, RecordId, SessionId, Timestamp};
use gov_store::crash;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;
use tracing::{error, warn};

use crate::{
    queue::{DeferredAuditQueue, SubmitError},
    record::{LogRecord, Verdict},
};

/// One history row of a component.
#[derive(Clone, Debug)]
pub struct FeedRow {
    /// Its place in the component's history: later rows are greater, from 1.
    pub position: u64,
    /// Names the row for ever: the record's id is derived from it and the component's name.
    pub history_key: String,
    /// When the change happened.
    pub at: Timestamp,
    /// What changed.
    pub kind: AuditEventKind,
    /// The agent concerned.
    pub agent_id: Option<AgentId>,
    /// The agent's session.
    pub session_id: Option<SessionId>,
    /// The policy version that decided.
    pub policy_version: Option<u64>,
    /// What was decided, where the change is a decision.
    pub verdict: Option<Verdict>,
    /// Everything else, erasable.
    pub payload: Payload,
}

/// The component's store does not answer: the follower tries again.
#[derive(Debug, thiserror::Error)]
#[error("the history of `{component}` does not answer")]
pub struct FeedError {
    /// Whose history.
    pub component: &'static str,
    /// What its store says.
    pub source: Box<dyn Error + Send + Sync>,
}

/// The history of one component.
#[async_trait]
pub trait Feed: std::fmt::Debug + Send + Sync {
    /// The component's name, for ever the same.
    fn component(&self) -> &'static str;

    /// The position up to which the log has the rows; 0 at first.
    async fn cursor(&self) -> Result<u64, FeedError>;

    /// At most `limit` rows behind `cursor`, by position.
    ///
    /// A position must never become visible after a greater one was: rows are numbered by the one
    /// writer of the file.
    async fn rows_after(&self, cursor: u64, limit: u32) -> Result<Vec<FeedRow>, FeedError>;

    /// Stores the cursor.
    async fn set_cursor(&self, cursor: u64) -> Result<(), FeedError>;
}

/// How a follower paces itself.
#[derive(Clone, Copy, Debug)]
pub struct FollowerConfig {
    /// How long it waits for a nudge before it looks all the same.
    pub poll_interval: Duration,
    /// At most this many rows are read at once.
    pub batch: u32,
}

impl Default for FollowerConfig {
    fn default() -> Self {
        Self { poll_interval: Duration::from_secs(1), batch: 256 }
    }
}

/// Hands the history of one component to the log.
#[derive(Debug)]
pub struct FeedFollower {
    feed: Arc<dyn Feed>,
    queue: DeferredAuditQueue,
    clock: Arc<dyn Clock>,
    config: FollowerConfig,
    handle: FollowerHandle,
}

/// What one pass did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FollowReport {
    /// Rows that the log has now.
    pub logged: u32,
    /// Rows that lie in the dead letters.
    pub dead_lettered: u32,
}

/// Tells a follower that there is something to read, and waits until the log has it.
#[derive(Clone, Debug)]
pub struct FollowerHandle {
    nudge: Arc<Notify>,
    logged: Arc<watch::Sender<u64>>,
}

impl FeedFollower {
    /// Wires the task; [`FeedFollower::run`] starts it.
    #[must_use]
    pub fn new(
        feed: Arc<dyn Feed>,
        queue: DeferredAuditQueue,
        clock: Arc<dyn Clock>,
        config: FollowerConfig,
    ) -> Self {
        let logged = Arc::new(watch::Sender::new(0));
        let handle = FollowerHandle { nudge: Arc::new(Notify::new()), logged };
        Self { feed, queue, clock, config, handle }
    }

    /// For those who change the component's state.
    #[must_use]
    pub fn handle(&self) -> FollowerHandle {
        self.handle.clone()
    }

    /// Follows until `shutdown`. What is not in the log then is read again at the next start.
    pub async fn run(self, shutdown: CancellationToken) {
        loop {
            tokio::select! {
                () = shutdown.cancelled() => return,
                outcome = self.run_once() => if let Err(error) = outcome {
                    let component = self.feed.component();
                    error!(component, error = &error as &dyn Error, "cannot follow the history");
                },
            }
            let next_pass = self.clock.now() + self.config.poll_interval;
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = self.handle.nudge.notified() => (),
                () = self.clock.sleep_until(next_pass) => (),
            }
        }
    }

    /// Reads and hands over until there is nothing behind the cursor.
    ///
    /// Cancel safe.
    ///
    /// # Errors
    ///
    /// [`FollowError`]: the rows that the log has are behind the cursor or will be repeated.
    pub async fn run_once(&self) -> Result<FollowReport, FollowError> {
        let mut report = FollowReport::default();
        let mut cursor = self.feed.cursor().await?;
        self.handle.reached(cursor);
        loop {
            let rows = self.feed.rows_after(cursor, self.config.batch).await?;
            if rows.is_empty() {
                return Ok(report);
            }
            let (reached, outcome) = self.hand_over(cursor, rows, &mut report).await;
            if reached > cursor {
                // A crash from here on repeats these rows, under the same ids.
                crash::point("feed-before-cursor");
                self.feed.set_cursor(reached).await?;
                crash::point("feed-after-cursor");
                self.handle.reached(reached);
                cursor = reached;
            }
            outcome?;
        }
    }

    /// Submits the rows in their order, then waits for each; where the log has them without a gap.
    async fn hand_over(
        &self,
        cursor: u64,
        rows: Vec<FeedRow>,
        report: &mut FollowReport,
    ) -> (u64, Result<(), SubmitError>) {
        let (mut reached, mut waiting, mut outcome) = (cursor, Vec::new(), Ok(()));
        for row in rows {
            let position = row.position;
            match self.queue.line_up(self.record(row)) {
                Ok((id, verdict)) => waiting.push((position, id, verdict)),
                Err(error) => {
                    outcome = Err(error);
                    break;
                }
            }
        }
        for (position, id, verdict) in waiting {
            match verdict.await.unwrap_or(Err(SubmitError::Unknown { id })) {
                Ok(_) => report.logged += 1,
                Err(SubmitError::DeadLettered { .. }) => {
                    warn!(%id, component = self.feed.component(), "history row is a dead letter");
                    report.dead_lettered += 1;
                }
                Err(error) => return (reached, Err(error)),
            }
            reached = position;
        }
        (reached, outcome)
    }

    fn record(&self, row: FeedRow) -> LogRecord {
        LogRecord {
            id: RecordId::derived(self.feed.component(), &row.history_key),
            at: row.at,
            kind: row.kind,
            agent_id: row.agent_id,
            session_id: row.session_id,
            policy_version: row.policy_version,
            verdict: row.verdict,
            payload: row.payload,
        }
    }
}

impl FollowerHandle {
    /// Lets the follower look at once: call it after the transaction that wrote a row.
    pub fn nudge(&self) {
        self.nudge.notify_one();
    }

    /// Waits until the log has every row up to `position`: what an answer of class `durable` waits
    /// for. Bound it: while the log is away it waits.
    pub async fn logged(&self, position: u64) {
        let mut logged = self.logged.subscribe();
        // The sender lives in `self`, so the channel cannot close while we wait.
        let _ = logged.wait_for(|reached| position <= *reached).await;
    }

    fn reached(&self, position: u64) {
        self.logged.send_if_modified(|logged| {
            let moved = *logged < position;
            *logged = (*logged).max(position);
            moved
        });
    }
}

/// A pass ended early.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FollowError {
    /// The component's store does not answer.
    #[error(transparent)]
    Feed(#[from] FeedError),
    /// The log does not take the next row.
    #[error("the log does not take the next history row")]
    Submit(#[from] SubmitError),
}
