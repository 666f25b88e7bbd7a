//! The signed log and the queue before it.

use std::sync::Arc;

use gov_core::{Clock, Health};
use gov_deferred_audit::{
    AppendOutcome, DeferredAuditQueue, DeferredAuditSink, Flushed, LogRecord, QueueConfig,
    Supervisor, close_and_flush_within, spawn_supervised_drainer,
};

use super::{Ended, StartError};
use crate::{config::Config, data_dir::DataDir};

/// How many panics of the sink in a row end the drainer.
const MAX_RESTARTS: u32 = 10;

/// Takes records and keeps them.
#[derive(Debug)]
pub(super) struct Log {
    pub(super) queue: DeferredAuditQueue,
    supervisor: Supervisor,
    flush_timeout: std::time::Duration,
}

/// A stand-in.
#[derive(Debug)]
struct TempSink(u64);

#[async_trait::async_trait]
impl DeferredAuditSink for TempSink {
    async fn append(&mut self, batch: &[LogRecord]) -> Vec<AppendOutcome> {
        batch
            .iter()
            .map(|_| {
                self.0 += 1;
                AppendOutcome::Appended { seq: self.0 }
            })
            .collect()
    }
}

impl Log {
    pub(super) async fn open(
        config: &Config,
        data_dir: &DataDir,
        clock: &Arc<dyn Clock>,
    ) -> Result<Self, StartError> {
        let (queue, receiver) =
            DeferredAuditQueue::open(QueueConfig::in_dir(data_dir.path()), Arc::clone(clock))
                .map_err(|error| StartError::Panicked(Box::new(error)))?;
        let supervisor =
            spawn_supervised_drainer(receiver, || TempSink(0), &queue.metrics(), MAX_RESTARTS);
        Ok(Self { queue, supervisor, flush_timeout: config.log.flush_timeout })
    }

    pub(super) fn health(&self) -> Vec<Arc<dyn Health>> {
        vec![Arc::new(self.queue.clone())]
    }

    pub(super) fn describe(&self) -> String {
        "stand-in".to_owned()
    }

    pub(super) async fn close(self) -> Ended {
        let Flushed { left_in_spool, lost } =
            close_and_flush_within(&self.queue, self.supervisor, self.flush_timeout).await;
        match (lost, left_in_spool) {
            (0, 0) => Ended::Clean,
            (0, left) => Ended::WorkLeft(left),
            (lost, _) => Ended::RecordsMissing(lost),
        }
    }
}
