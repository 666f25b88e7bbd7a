//! The task that ships what waits.

use std::time::Duration;

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::{AuditPublisher, breaker::BreakerState};

/// Owns the task that ships. Dropping it stops the task, in the middle of a batch if need be;
/// nothing is lost by that.
#[derive(Debug)]
#[must_use]
pub struct FlushLoop {
    stop: CancellationToken,
    task: Option<JoinHandle<()>>,
}

impl FlushLoop {
    pub(super) fn spawn(publisher: AuditPublisher, interval: Duration) -> Self {
        let stop = CancellationToken::new();
        let task = tokio::spawn(run(publisher, interval, stop.clone()));
        Self { stop, task: Some(task) }
    }

    /// Ends the task and waits for it: the batch at hand is finished first, within the time that
    /// [`PublisherConfig::send_timeout`](super::PublisherConfig::send_timeout) gives it.
    pub async fn stop(mut self) {
        self.stop.cancel();
        if let Some(task) = self.task.take()
            && task.await.is_err()
        {
            tracing::error!("the task that ships audit events panicked");
        }
    }
}

impl Drop for FlushLoop {
    fn drop(&mut self) {
        self.stop.cancel();
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

/// Ships when something waits, when the breaker lets through, and in any case each `interval`.
async fn run(publisher: AuditPublisher, interval: Duration, stop: CancellationToken) {
    let clock = publisher.clock();
    while !stop.is_cancelled() {
        let now = clock.now();
        let (until, appends_wake) = match publisher.breaker_state() {
            BreakerState::Open { until } => (until, false),
            BreakerState::HalfOpen => (now, false),
            BreakerState::Closed => (now + interval, true),
        };
        tokio::select! {
            () = stop.cancelled() => break,
            () = publisher.buffer().something_waits(), if appends_wake => (),
            () = clock.sleep_until(until) => (),
        }
        publisher.pass().await;
    }
}
