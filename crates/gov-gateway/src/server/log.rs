//! The signed log with the queue before it and the copy behind it.

use std::{sync::Arc, time::Duration};

use gov_core::{Clock, Health};
use gov_deferred_audit::{
    DeadLetters, DeferredAuditQueue, DeferredAuditReceiver, Flushed, LogConfig, QueueConfig,
    SignedLog, Supervisor, close_and_flush_within, signed_log::ScrubConfig,
    spawn_supervised_drainer,
};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing::{error, warn};

use super::{Ended, StartError, health::OutsidePlace};
use crate::{
    check::{LogRecorder, Recorder},
    config::Config,
    data_dir::DataDir,
    page::log_status::LogStatus,
    storage::Kind,
};

/// How many panics of the sink in a row end the drainer.
const MAX_RESTARTS: u32 = 10;

/// Log and spool, on which nothing works yet.
#[derive(Debug)]
pub(super) struct OpenLog {
    signed: SignedLog,
    queue: DeferredAuditQueue,
    receiver: DeferredAuditReceiver,
    dead_letters: DeadLetters,
    scrub: Option<ScrubConfig>,
    flush_timeout: Duration,
    outside: Arc<OutsidePlace>,
    description: String,
}

/// Takes records, appends them, and copies checkpoints outside.
#[derive(Debug)]
pub(super) struct Log {
    pub(super) queue: DeferredAuditQueue,
    pub(super) signed: SignedLog,
    pub(super) dead_letters: DeadLetters,
    supervisor: Supervisor,
    copier: JoinHandle<()>,
    stop_copier: CancellationToken,
    // No record waits for them: the replay of the dead letters, and the scrubber.
    chores: Vec<JoinHandle<()>>,
    stop_chores: CancellationToken,
    pub(super) flush_timeout: Duration,
    outside: Arc<OutsidePlace>,
    description: String,
}

impl OpenLog {
    /// Opens the log beside the rest of the state, and the spool, which is always in the data
    /// directory.
    pub(super) async fn open(
        kind: &Kind,
        config: &Config,
        data_dir: &DataDir,
        clock: &Arc<dyn Clock>,
    ) -> Result<Self, StartError> {
        let paths = log_config(config, data_dir);
        let outside_copy = paths.outside_copy.clone();
        let signed = match kind {
            Kind::Embedded { .. } => SignedLog::open(paths, Arc::clone(clock)).await?,
            Kind::Shared { pool, .. } => {
                SignedLog::open_postgres(pool.clone(), paths.places(), Arc::clone(clock)).await?
            }
        };
        let queue_config = QueueConfig::in_dir(data_dir.path());
        let dead_letters = DeadLetters::new(signed.clone(), &queue_config.quarantine);
        let queue_clock = Arc::clone(clock);
        let opened = tokio::task::spawn_blocking(move || {
            DeferredAuditQueue::open(queue_config, queue_clock)
        });
        let opened = opened.await.map_err(|error| StartError::Panicked(Box::new(error)));
        let (queue, receiver) = match opened.and_then(|it| it.map_err(StartError::from)) {
            Ok(opened) => opened,
            Err(error) => {
                drop(dead_letters);
                signed.close().await;
                return Err(error);
            }
        };
        let size = signed.committed().borrow().size;
        let description = format!(
            "{}, {size} records; checkpoints are copied to {}",
            signed.key().name(),
            outside_copy.display()
        );
        Ok(Self {
            signed,
            queue,
            receiver,
            dead_letters,
            scrub: scrub(config.audit.scrub_bytes_per_second),
            flush_timeout: config.log.flush_timeout,
            outside: OutsidePlace::new(data_dir.path(), &outside_copy),
            description,
        })
    }

    /// Closes both; what the spool holds waits for the next start.
    pub(super) async fn close(self) {
        let Self { signed, dead_letters, .. } = self;
        drop(dead_letters);
        signed.close().await;
    }

    /// Starts what works on them.
    pub(super) fn start(self) -> Log {
        let Self { signed, queue, receiver, dead_letters, .. } = self;
        let (flush_timeout, outside, description) =
            (self.flush_timeout, self.outside, self.description);
        let sinks = signed.clone();
        let supervisor = spawn_supervised_drainer(
            receiver,
            move || sinks.sink(),
            &queue.metrics(),
            MAX_RESTARTS,
        );
        let stop_copier = CancellationToken::new();
        let copier = tokio::spawn(signed.clone().copy_outside(stop_copier.clone()));
        let stop_chores = CancellationToken::new();
        let replay = dead_letters.clone().replay_at_start(stop_chores.clone());
        let mut chores = vec![tokio::spawn(async {
            // It says itself what it did.
            let _ = replay.await;
        })];
        if let Some(config) = self.scrub {
            chores.push(tokio::spawn(signed.clone().scrub(config, stop_chores.clone())));
        }
        Log {
            queue,
            signed,
            dead_letters,
            supervisor,
            copier,
            stop_copier,
            chores,
            stop_chores,
            flush_timeout,
            outside,
            description,
        }
    }
}

impl Log {
    /// Keeps the records of blocking answers.
    pub(super) fn recorder(&self) -> Arc<dyn Recorder> {
        Arc::new(LogRecorder::new(self.queue.clone(), self.signed.clone()))
    }

    /// What `/readyz` asks.
    pub(super) fn health(&self) -> Vec<Arc<dyn Health>> {
        vec![
            Arc::new(self.queue.clone()),
            Arc::new(self.signed.clone()),
            Arc::clone(&self.outside) as Arc<dyn Health>,
        ]
    }

    /// How far the log is, for the page.
    pub(super) fn status(&self) -> Arc<dyn LogStatus> {
        Arc::new(self.signed.clone())
    }

    /// The log's name, its size and its copy, for people.
    pub(super) fn describe(&self) -> String {
        self.description.clone()
    }

    /// Flushes the queue within `bound`, waits for those who read the log as it is `then`, copies
    /// the last checkpoint, and closes the files.
    pub(super) async fn close(self, bound: Duration, then: impl Future<Output = Ended>) -> Ended {
        self.stop_chores.cancel();
        for chore in self.chores {
            if let Err(error) = chore.await {
                error!(%error, "a chore of the signed log ended badly");
            }
        }
        drop(self.dead_letters);
        let Flushed { left_in_spool, lost, .. } =
            close_and_flush_within(&self.queue, self.supervisor, bound).await;
        let read = then.await;
        self.stop_copier.cancel();
        if let Err(error) = self.copier.await {
            error!(%error, "the last checkpoint is not copied outside");
        }
        self.signed.close().await;
        if lost > 0 {
            error!(lost, "records are possibly missing: they were neither logged nor spooled");
            return Ended::RecordsMissing;
        }
        if left_in_spool > 0 {
            warn!(left_in_spool, "records wait in the spool for the next start");
            return read.worse(Ended::WorkLeft);
        }
        read
    }
}

/// How the log is scrubbed; not at all at 0 bytes a second.
fn scrub(bytes_per_second: u64) -> Option<ScrubConfig> {
    (bytes_per_second > 0).then(|| ScrubConfig { bytes_per_second, ..ScrubConfig::default() })
}

/// Where the parts of the log lie: for the server and for the commands on files.
#[must_use]
pub fn log_config(config: &Config, data_dir: &DataDir) -> LogConfig {
    let usual = LogConfig::in_dir(data_dir.path());
    let or = |path: &Option<std::path::PathBuf>, usual| path.clone().unwrap_or(usual);
    LogConfig {
        keys: or(&config.log.key_dir, usual.keys),
        outside_copy: or(&config.log.checkpoint_log, usual.outside_copy),
        domain: config.log.domain.clone(),
        database: usual.database,
    }
}
