//! Who owns the drainer and the flusher, and how both end.

use std::{fmt, sync::Arc, time::Duration};

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing::error;

use crate::{
    drainer::{DrainEnd, Drainer, MakeSink, Sinks},
    metrics::DeferredAuditMetrics,
    queue::{DeferredAuditQueue, receiver::DeferredAuditReceiver, shared::Shared},
    sink::DeferredAuditSink,
    spool::flusher,
};

/// How long a shutdown waits for the drainer before it leaves the rest in the spool.
pub const DEFAULT_SHUTDOWN_DRAIN_TIMEOUT: Duration = Duration::from_secs(5);

/// What a shutdown left behind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct Flushed {
    /// Records that wait in the spool for the next start.
    pub left_in_spool: u64,
    /// Records that were in memory only and could not be written into the spool: they are gone.
    pub lost: u64,
}

/// Owns the drainer. Dropping it stops the drainer; what was not settled stays in the spool.
#[must_use]
pub struct Supervisor {
    stop: CancellationToken,
    task: Option<JoinHandle<Flushed>>,
}

/// Starts the drainer of a queue, and the flusher of its spool.
///
/// A panic of the sink loses nothing: the batch is tried again with a fresh one from `make_sink`,
/// after a pause that doubles from 10 ms to 1 s. A record that panics when it is alone is put into
/// the dead letters. More than `max_restarts` panics in a row, or as many dead letters in a row,
/// end the drainer: the queue is closed and dead, and what waits is in the spool for the next
/// start. Panics on ever smaller parts of a batch, while a poisonous record is looked for, do not
/// count.
///
/// Must be called inside a tokio runtime with time enabled.
pub fn spawn_supervised_drainer<F, S>(
    receiver: DeferredAuditReceiver,
    make_sink: F,
    metrics: &DeferredAuditMetrics,
    max_restarts: u32,
) -> Supervisor
where
    F: Fn() -> S + Send + Sync + 'static,
    S: DeferredAuditSink + 'static,
{
    debug_assert!(metrics.is_of(&receiver.shared().metrics), "the metrics of another queue");
    let make: MakeSink = Arc::new(move || Box::new(make_sink()));
    spawn(receiver, Sinks { idle: None, make: Some(make) }, max_restarts)
}

/// Starts a drainer with one sink, whose first panic ends it.
pub fn spawn_drainer_task<S>(receiver: DeferredAuditReceiver, sink: S) -> Supervisor
where
    S: DeferredAuditSink + 'static,
{
    spawn(receiver, Sinks { idle: Some(Box::new(sink)), make: None }, 0)
}

fn spawn(receiver: DeferredAuditReceiver, sinks: Sinks, max_restarts: u32) -> Supervisor {
    let stop = CancellationToken::new();
    let task = tokio::spawn(supervise(receiver, sinks, max_restarts, stop.clone()));
    Supervisor { stop, task: Some(task) }
}

/// Closes the queue, settles everything that waits, and ends the drainer. It waits for ever on a
/// log that stays locked: [`close_and_flush_within`] does not.
pub async fn close_and_flush(queue: &DeferredAuditQueue, supervisor: Supervisor) -> Flushed {
    queue.close();
    supervisor.join().await
}

/// Like [`close_and_flush`] for at most `bound`. What is not in the log by then is in the spool,
/// fsynced: also what was submitted without a frame. Who waits for such a record is told
/// [`Deferred`](crate::SubmitError::Deferred).
///
/// Records that one caller submitted partly spooled and partly durable may then be replayed in
/// another order.
pub async fn close_and_flush_within(
    queue: &DeferredAuditQueue,
    mut supervisor: Supervisor,
    bound: Duration,
) -> Flushed {
    queue.close();
    let clock = queue.shared().clock.clone();
    let Some(mut task) = supervisor.task.take() else { return Flushed::default() };
    tokio::select! {
        ended = &mut task => return ended.unwrap_or_default(),
        () = clock.sleep_until(clock.now() + bound) => supervisor.stop.cancel(),
    }
    task.await.unwrap_or_default()
}

async fn supervise(
    receiver: DeferredAuditReceiver,
    sinks: Sinks,
    max_restarts: u32,
    stop: CancellationToken,
) -> Flushed {
    let shared = receiver.shared().clone();
    let (flusher_stop, flusher_shared) = (CancellationToken::new(), shared.clone());
    // Dropped with this future, it stops the flusher too.
    let guard = flusher_stop.clone().drop_guard();
    let flusher = tokio::spawn(flusher::run(flusher_shared, flusher_stop));
    let end = Drainer::new(receiver, sinks, max_restarts, stop).run().await;
    {
        let mut line = shared.line.lock();
        line.open = false;
        if let DrainEnd::Exhausted(why) = &end {
            let why = format!("the audit drainer gave up after {max_restarts} restarts: {why}");
            error!(why, "audit log is dead");
            line.dead = Some(why);
        }
    }
    drop(guard);
    if flusher.await.is_err() {
        error!("the flusher of the spool panicked");
    }
    let last = shared.clone();
    tokio::task::spawn_blocking(move || last.finish()).await.unwrap_or_default()
}

impl Shared {
    /// Leaves the spool as the next start shall find it. Blocks.
    fn finish(&self) -> Flushed {
        let lost = self.spill();
        let (left, retired) = {
            let mut line = self.line.lock();
            let left = line.pending();
            (left, if left == 0 { line.spool.retire() } else { Vec::new() })
        };
        flusher::remove(&retired);
        Flushed { left_in_spool: left.saturating_sub(lost), lost }
    }
}

impl Supervisor {
    /// Waits until the drainer has ended: after [`DeferredAuditQueue::close`], or by itself after
    /// too many panics.
    pub async fn join(mut self) -> Flushed {
        match self.task.take() {
            Some(task) => task.await.unwrap_or_default(),
            None => Flushed::default(),
        }
    }
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        // A supervisor that is being joined has given its task away, and goes on.
        if self.task.is_some() {
            self.stop.cancel();
        }
    }
}

impl fmt::Debug for Supervisor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Supervisor").finish_non_exhaustive()
    }
}
