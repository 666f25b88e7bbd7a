//! The task that lets appends which come together share a transaction.

use std::{collections::HashSet, sync::Arc};

use gov_core::AuditEvent;
use parking_lot::Mutex;
use sqlx::PgPool;
use tokio::{
    sync::{
        mpsc::{self, error::TrySendError},
        oneshot,
    },
    task::JoinHandle,
};

use super::{partitions::Partitions, rows};
use crate::event_store::{Appended, Durability, StoreError, check};

/// At most this many calls wait; more are turned away.
const QUEUE_LIMIT: usize = 4096;

/// At most this many events share a transaction, but for one call that alone has more.
const BATCH_LIMIT: usize = 256;

/// The door to the task.
#[derive(Debug)]
pub(super) struct Appender {
    /// `None` once closed.
    queue: Mutex<Option<mpsc::Sender<Call>>>,
    task: Mutex<Option<JoinHandle<()>>>,
}

/// One caller's events on their way.
#[derive(Debug)]
struct Call {
    events: Vec<AuditEvent>,
    durability: Durability,
    caller: oneshot::Sender<Result<Appended, StoreError>>,
}

/// So many calls wait already.
#[derive(Debug, thiserror::Error)]
#[error("{QUEUE_LIMIT} appends wait already; try again later")]
struct Full;

impl Appender {
    pub(super) fn start(pool: PgPool, partitions: Arc<Partitions>) -> Self {
        let (queue, calls) = mpsc::channel(QUEUE_LIMIT);
        let task = tokio::spawn(Task { pool, partitions, calls }.run());
        Self { queue: Mutex::new(Some(queue)), task: Mutex::new(Some(task)) }
    }

    pub(super) async fn append(
        &self,
        events: Vec<AuditEvent>,
        durability: Durability,
    ) -> Result<Appended, StoreError> {
        events.iter().try_for_each(check::event)?;
        if events.is_empty() {
            return Ok(Appended::default());
        }
        let queue = self.queue.lock().clone().ok_or(StoreError::Closed)?;
        let (caller, answer) = oneshot::channel();
        queue.try_send(Call { events, durability, caller }).map_err(|error| match error {
            TrySendError::Full(_) => StoreError::Unavailable(Box::new(Full)),
            TrySendError::Closed(_) => StoreError::Closed,
        })?;
        // Or a caller that waits would keep the task from ending.
        drop(queue);
        answer.await.unwrap_or(Err(StoreError::Closed))
    }

    pub(super) fn is_closed(&self) -> bool {
        self.queue.lock().is_none()
    }

    /// Takes no more, and waits for the task, which does what is queued first.
    pub(super) async fn close(&self) {
        drop(self.queue.lock().take());
        let task = self.task.lock().take();
        let Some(task) = task else { return };
        if let Err(error) = task.await {
            let error = &error as &dyn std::error::Error;
            tracing::error!(error, "the task that appends events did not end by itself");
        }
    }
}

struct Task {
    pool: PgPool,
    partitions: Arc<Partitions>,
    calls: mpsc::Receiver<Call>,
}

impl Task {
    async fn run(mut self) {
        let mut left_over = None;
        loop {
            let first = match left_over.take() {
                Some(it) => it,
                None => match self.calls.recv().await {
                    Some(it) => it,
                    None => return,
                },
            };
            let mut count = first.events.len();
            let mut batch = vec![first];
            while let Ok(next) = self.calls.try_recv() {
                count += next.events.len();
                if count > BATCH_LIMIT {
                    left_over = Some(next);
                    break;
                }
                batch.push(next);
            }
            self.commit(batch).await;
        }
    }

    async fn commit(&self, batch: Vec<Call>) {
        match self.write(&batch).await {
            Ok(mut new) => {
                for Call { events, caller, .. } in batch {
                    // The first of several with one key is the one that was written.
                    let mut done = Appended::default();
                    for event in &events {
                        if new.remove(&(event.at, event.id)) {
                            done.new += 1;
                        } else {
                            done.known += 1;
                        }
                    }
                    // A caller who has gone away does not want to know.
                    let _ = caller.send(Ok(done));
                }
            }
            Err(error) => {
                let error = Arc::new(error);
                for Call { caller, .. } in batch {
                    let _ = caller.send(Err(StoreError::Unavailable(Box::new(Arc::clone(&error)))));
                }
            }
        }
    }

    async fn write(&self, batch: &[Call]) -> Result<HashSet<rows::Key>, StoreError> {
        let events: Vec<_> = batch.iter().flat_map(|it| &it.events).collect();
        self.partitions.make_for(events.iter().copied()).await?;
        let durable = batch.iter().any(|it| it.durability == Durability::Durable);
        let durability = if durable { Durability::Durable } else { Durability::Spooled };
        let mut tx = rows::begin(&self.pool, durability).await?;
        let new =
            rows::insert(&mut tx, &events).await.inspect_err(|it| self.partitions.heed(it))?;
        tx.commit().await?;
        Ok(new)
    }
}
