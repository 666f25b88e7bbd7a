//! Carries audit events from a stream into the event store: each once in effect.
//!
//! ```text
//! stream ─ durable consumer ─▶ ≤ 256 messages ─▶ event store, durable ─▶ acknowledge
//!    ▲                              └─ no event ─▶ `audit.dead_lettered` ─▶ terminate
//!    └── again after a failure or a crash: the same ids, which the store knows
//! ```

use std::{collections::BTreeMap, ops::AddAssign, sync::Arc, time::Duration};

use gov_audit_buffer::sink::nats::{
    NatsConfig,
    reader::{Delivered, NatsReader, ReadStreamError, ReaderConfig},
};
use gov_core::{AuditEvent, Clock};
use gov_retention::event_store::{Appended, AuditEventStore, Durability, StoreError};
use gov_store::crash;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

mod convert;

pub use self::convert::{Undecodable, dead_letter};

/// How events are taken in.
#[derive(Clone, Debug)]
pub struct IngestConfig {
    /// At most this many events share a transaction.
    pub batch: usize,
    /// How long the server is waited for to have a message, before it is asked again.
    pub wait: Duration,
    /// Deletes from the stream what is in the event store.
    pub trim: bool,
    /// After so many messages, where it trims.
    pub trim_after: usize,
    /// How long after a first failure it tries again; doubled for each further one.
    pub first_pause: Duration,
    /// The longest pause.
    pub longest_pause: Duration,
}

impl Default for IngestConfig {
    /// 256 events; 5 s; not trimmed, else after 4096 messages; 100 ms to 30 s.
    fn default() -> Self {
        Self {
            batch: 256,
            wait: Duration::from_secs(5),
            trim: false,
            trim_after: 4096,
            first_pause: Duration::from_millis(100),
            longest_pause: Duration::from_secs(30),
        }
    }
}

/// What was taken in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IngestReport {
    /// Events that are kept now and were not before.
    pub new: u64,
    /// Events that were kept already.
    pub known: u64,
    /// Of both, those that only say that a message could not be kept as what it is.
    pub dead_lettered: u64,
    /// Messages that were deleted from the stream.
    pub trimmed: u64,
}

/// Events could not be taken in for now; none is lost.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IngestError {
    /// The stream cannot be read.
    #[error(transparent)]
    Stream(#[from] ReadStreamError),
    /// The event store does not keep what came.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Takes in the events of one stream.
#[derive(Debug)]
pub struct Ingest {
    nats: NatsConfig,
    reader: ReaderConfig,
    store: Arc<dyn AuditEventStore>,
    clock: Arc<dyn Clock>,
    config: IngestConfig,
    open: Option<NatsReader>,
    /// What was read and is not known to be kept.
    taken: Option<Taken>,
    /// The last message of each subject that is kept, since the stream was trimmed.
    kept: BTreeMap<String, u64>,
    since_trim: usize,
}

/// A batch on its way from the stream to the store.
#[derive(Debug, Default)]
struct Taken {
    messages: Vec<Delivered>,
    /// The event of each message.
    events: Vec<AuditEvent>,
    /// Whether the event only says that the message is none.
    dead: Vec<bool>,
}

impl Ingest {
    /// Connects, so that what is wrong at the start is said at once.
    ///
    /// # Errors
    ///
    /// [`ReadStreamError`].
    pub async fn connect(
        nats: NatsConfig,
        reader: ReaderConfig,
        store: Arc<dyn AuditEventStore>,
        clock: Arc<dyn Clock>,
        config: IngestConfig,
    ) -> Result<Self, ReadStreamError> {
        let open = Some(NatsReader::open(&nats, &reader, Arc::clone(&clock)).await?);
        let (kept, since_trim) = (BTreeMap::new(), 0);
        Ok(Self { nats, reader, store, clock, config, open, taken: None, kept, since_trim })
    }

    /// Takes in events until `shutdown`. The batch at hand is finished; whatever fails is tried
    /// again for ever.
    pub async fn run(mut self, shutdown: CancellationToken) -> IngestReport {
        let (mut total, mut pause) = (IngestReport::default(), self.config.first_pause);
        while !shutdown.is_cancelled() {
            let (wait, mut report) = (self.config.wait, IngestReport::default());
            let done = tokio::select! {
                biased;
                () = shutdown.cancelled(), if self.taken.is_none() => break,
                read = self.read(wait) => match read {
                    Ok(()) => self.keep(&mut report).await,
                    Err(error) => Err(error.into()),
                },
            };
            total += report;
            if report.new + report.known > 0 {
                info!(?report, "events were taken in");
            }
            let Err(error) = done else {
                pause = self.config.first_pause;
                continue;
            };
            self.failed(&error, pause);
            tokio::select! {
                () = shutdown.cancelled() => (),
                () = self.clock.sleep_until(self.clock.now() + pause) => (),
            }
            pause = (pause * 2).min(self.config.longest_pause);
        }
        total.trimmed += self.trim().await;
        total
    }

    /// Takes in what the stream has, until it has nothing more; waits for what was handed out before
    /// and not acknowledged.
    ///
    /// # Errors
    ///
    /// [`IngestError`]: what was kept stays kept, and the rest comes again.
    pub async fn catch_up(&mut self) -> Result<IngestReport, IngestError> {
        let mut total = IngestReport::default();
        loop {
            self.read(Duration::ZERO).await?;
            if self.taken.is_none() && self.outstanding().await? > 0 {
                self.read(self.config.wait).await?;
            } else if self.taken.is_none() {
                total.trimmed += self.trim().await;
                return Ok(total);
            }
            self.keep(&mut total).await?;
        }
    }

    /// Reads the next batch where none is at hand; what was read and is not kept comes first.
    ///
    /// Cancel safe.
    async fn read(&mut self, wait: Duration) -> Result<(), ReadStreamError> {
        if self.taken.is_some() {
            return Ok(());
        }
        let reader = match &mut self.open {
            Some(reader) => reader,
            none => none
                .insert(NatsReader::open(&self.nats, &self.reader, Arc::clone(&self.clock)).await?),
        };
        let messages = reader.next(self.config.batch, wait).await?;
        if !messages.is_empty() {
            self.taken = Some(Taken::of(messages, &self.nats.stream));
        }
        Ok(())
    }

    async fn outstanding(&self) -> Result<u64, ReadStreamError> {
        match &self.open {
            Some(reader) => reader.outstanding().await,
            None => Ok(0),
        }
    }

    /// Keeps the batch at hand, and says so to the server; what is kept is counted also where the
    /// server does not hear of it.
    async fn keep(&mut self, report: &mut IngestReport) -> Result<(), IngestError> {
        let (Some(taken), Some(reader)) = (&mut self.taken, &self.open) else { return Ok(()) };
        crash::point("ingest-before-append");
        let Appended { new, known } = taken.append(&*self.store, &self.nats.stream).await?;
        let dead_lettered = taken.dead.iter().filter(|it| **it).count() as u64;
        *report += IngestReport { new, known, dead_lettered, trimmed: 0 };
        crash::point("ingest-after-append");
        let (dead, kept): (Vec<_>, Vec<_>) = self
            .taken
            .take()
            .map(|it| it.messages.into_iter().zip(it.dead))
            .into_iter()
            .flatten()
            .partition(|(_, dead)| *dead);
        let [dead, kept] = [dead, kept].map(|it| it.into_iter().map(|it| it.0).collect::<Vec<_>>());
        reader.acknowledge(&kept).await?;
        crash::point("ingest-after-acknowledge");
        reader.terminate(&dead).await?;
        for it in kept.iter().chain(&dead) {
            let last = self.kept.entry(it.subject().to_owned()).or_default();
            *last = (*last).max(it.stream_seq());
        }
        self.since_trim += kept.len() + dead.len();
        if self.since_trim >= self.config.trim_after {
            report.trimmed += self.trim().await;
        }
        Ok(())
    }

    /// A connection on which something failed is not used again; what it handed out comes again.
    fn failed(&mut self, error: &IngestError, pause: Duration) {
        if matches!(error, IngestError::Stream(_)) {
            (self.open, self.taken) = (None, None);
        }
        warn!(error = error as &dyn std::error::Error, ?pause, "no events are taken in for now");
    }

    /// That it did not work costs room in the stream and nothing else.
    async fn trim(&mut self) -> u64 {
        let Some(reader) = self.open.as_ref().filter(|_| self.config.trim) else { return 0 };
        match reader.trim(&self.kept).await {
            Ok(gone) => {
                self.kept.clear();
                self.since_trim = 0;
                gone
            }
            Err(error) => {
                warn!(error = &error as &dyn std::error::Error, "the stream was not trimmed");
                0
            }
        }
    }
}

impl Taken {
    fn of(messages: Vec<Delivered>, stream: &str) -> Self {
        let mut taken = Self::default();
        for message in messages {
            let read = convert::event_of(&message);
            taken.dead.push(read.is_err());
            taken.events.push(read.unwrap_or_else(|why| dead_letter(&message, stream, &why)));
            taken.messages.push(message);
        }
        taken
    }

    /// Keeps the events; in place of one that the store will never take, that it did not.
    async fn append(
        &mut self,
        store: &dyn AuditEventStore,
        stream: &str,
    ) -> Result<Appended, StoreError> {
        loop {
            let error = match store.append(self.events.clone(), Durability::Durable).await {
                Ok(appended) => return Ok(appended),
                Err(error) => error,
            };
            let (StoreError::TooLarge { id, .. } | StoreError::NotText { id, .. }) = &error else {
                return Err(error);
            };
            let refused = Undecodable::refused(&error, *id);
            let mut found = false;
            let all = self.messages.iter().zip(&mut self.events).zip(&mut self.dead);
            // One that says so itself is not replaced again.
            for ((message, event), dead) in
                all.filter(|((_, event), dead)| event.id == *id && !**dead)
            {
                error!(event = %id, "the event store will never take an event of the stream");
                *event = dead_letter(message, stream, &refused);
                (*dead, found) = (true, true);
            }
            if !found {
                return Err(error);
            }
        }
    }
}

impl AddAssign for IngestReport {
    fn add_assign(&mut self, more: Self) {
        self.new += more.new;
        self.known += more.known;
        self.dead_lettered += more.dead_lettered;
        self.trimmed += more.trimmed;
    }
}
