//! `gov ingest`: from a stream into the event store.

use std::{error::Error, sync::Arc, time::Duration};

use clap::Args;
use gov_audit_buffer::sink::nats::reader::{ReadStreamError, ReaderConfig};
use gov_core::{Clock, SystemClock};
use gov_retention::event_store::{
    AuditEventStore, postgres::PgEventStore, sqlite::SqliteEventStore,
};
use gov_store::lock::DataDirLock;
use tokio_util::sync::CancellationToken;

use super::{
    Exit, Failure, Outcome, Places, console,
    serve::{stop_on_signal, write_log},
};
use crate::{
    config::{Config, span},
    data_dir::DataDir,
    ingest::{Ingest, IngestConfig, IngestError, IngestReport},
    server::StartError,
    sinks::{OpenSinkError, nats_config},
    storage::{Kind, Storage},
};

/// Takes audit events from a NATS stream into the event store, each once, until SIGTERM or SIGINT.
///
/// The stream is the one of `[buffer]`, to which servers with `buffer.sink = "nats"` publish. Events
/// go into the database, or without one into the data directory, which no server may use then.
#[derive(Debug, Args)]
pub struct IngestCommand {
    #[command(flatten)]
    places: Places,
    /// The servers of the stream, as `buffer.url`: `nats://host:4222`, several with commas.
    #[arg(long, value_name = "URLS")]
    url: Option<String>,
    /// The stream, as `buffer.stream`.
    #[arg(long, value_name = "NAME")]
    stream: Option<String>,
    /// What the stream's subjects begin with, as `buffer.subject`.
    #[arg(long, value_name = "PREFIX")]
    subject: Option<String>,
    /// What the server calls this reader; those of one name share the messages.
    #[arg(long, value_name = "NAME", default_value = "gov-ingest", value_parser = durable_name)]
    durable: String,
    /// How long a batch may take to be kept, until it is handed out again; as in `30s`. Counts where
    /// the reader is new to the server.
    #[arg(long, value_name = "SPAN", default_value = "1m", value_parser = some_span)]
    ack_wait: Duration,
    /// Delete from the stream what is in the event store and was read by every other reader too; the
    /// last message of each subject stays, which the servers need.
    #[arg(long)]
    trim: bool,
    /// End once the stream has nothing more.
    #[arg(long)]
    once: bool,
}

impl IngestCommand {
    /// Runs the command.
    ///
    /// # Errors
    ///
    /// [`Failure`]: it did not start, or with `--once` it did not get to the end.
    pub fn run(self) -> Outcome {
        let loaded = self.places.load(&[
            ("--url", "buffer.url", self.url.clone()),
            ("--stream", "buffer.stream", self.stream.clone()),
            ("--subject", "buffer.subject", self.subject.clone()),
        ])?;
        write_log(&loaded.config)?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()
            .map_err(|error| Failure::because(Exit::NotJudged, "no threads to run on", error))?;
        runtime.block_on(self.ingest(&loaded.config))
    }

    async fn ingest(&self, config: &Config) -> Outcome {
        // Before anything is opened: a signal that comes early ends it in order too.
        let shutdown = CancellationToken::new();
        let watcher = tokio::spawn(stop_on_signal(shutdown.clone())?);
        if config.buffer.url.is_empty() {
            let what = "no stream is named; set `buffer.url`, or give `--url nats://host:4222`";
            return Err(Failure::new(Exit::Usage, what));
        }
        let nats = nats_config(&config.buffer, "ingest")
            .map_err(|error| Failure::of(Exit::Usage, error))?;
        nats.check().map_err(|error| Failure::of(Exit::Usage, OpenSinkError::from(error)))?;
        let store = OpenStore::open(config, &self.places).await?;
        let settings = IngestConfig { trim: self.trim, ..IngestConfig::default() };
        let reader = ReaderConfig { durable: self.durable.clone(), ack_wait: self.ack_wait };
        let (place, clock) = (format!("`{}`", nats.stream), Arc::new(SystemClock));
        let connected = Ingest::connect(nats, reader, store.events(), clock, settings).await;
        let ended = match connected {
            Ok(ingest) => {
                console::line(&format!("gov takes in the events of stream {place}"))?;
                Box::pin(self.take_in(ingest, shutdown)).await
            }
            Err(error) => Err(failure(error.into())),
        };
        store.close().await;
        watcher.abort();
        let IngestReport { new, known, dead_lettered, trimmed } = ended?;
        console::line(&format!(
            "taken in: {new} new, {known} known; of both {dead_lettered} dead letters; \
             {trimmed} trimmed"
        ))?;
        Ok(Exit::Yes)
    }

    async fn take_in(
        &self,
        mut ingest: Ingest,
        shutdown: CancellationToken,
    ) -> Result<IngestReport, Failure> {
        if self.once {
            ingest.catch_up().await.map_err(failure)
        } else {
            Ok(ingest.run(shutdown).await)
        }
    }
}

/// The event store, and what must stay open or held under it.
enum OpenStore {
    Files { store: Arc<SqliteEventStore>, _lock: DataDirLock },
    Shared { store: Arc<PgEventStore>, storage: Storage },
}

impl OpenStore {
    async fn open(config: &Config, places: &Places) -> Result<Self, Failure> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let shared = Storage::shared(&config.database, &clock).await.map_err(StartError::from)?;
        if let Some(storage) = shared
            && let Kind::Shared { pool, .. } = &storage.kind
        {
            return Ok(Self::Shared { store: Arc::new(PgEventStore::new(pool.clone())), storage });
        }
        let dir = DataDir::open_or_create(&places.data_dir()?)?;
        // A server has no door for this.
        let lock = DataDirLock::acquire(dir.path())
            .map_err(|error| Failure::of(Exit::Unreachable, error))?;
        let store = SqliteEventStore::open(&dir.events(), clock).await.map_err(StartError::from)?;
        Ok(Self::Files { store: Arc::new(store), _lock: lock })
    }

    fn events(&self) -> Arc<dyn AuditEventStore> {
        match self {
            Self::Files { store, .. } => Arc::clone(store) as _,
            Self::Shared { store, .. } => Arc::clone(store) as _,
        }
    }

    async fn close(self) {
        match self {
            Self::Files { store, .. } => store.close().await,
            Self::Shared { store, storage } => {
                store.close().await;
                storage.close().await;
            }
        }
    }
}

fn some_span(text: &str) -> Result<Duration, String> {
    let span = span::parse(text).filter(|it| !it.is_zero());
    span.ok_or_else(|| "must be a number and a unit, as in `30s`, above zero".to_owned())
}

/// NATS would not answer to another one.
fn durable_name(text: &str) -> Result<String, String> {
    let plain = |it: u8| it.is_ascii_graphic() && !b".*>/\\".contains(&it);
    if !text.is_empty() && text.bytes().all(plain) {
        return Ok(text.to_owned());
    }
    Err("must be a name without spaces and without any of `.*>/\\`".to_owned())
}

/// What cannot be reached may be there later; a consumer of another kind will not change by itself.
fn failure(error: IngestError) -> Failure {
    let exit = match &error {
        IngestError::Stream(ReadStreamError::Unfit(_)) => Exit::Usage,
        IngestError::Stream(_) => Exit::Unreachable,
        IngestError::Store(_) => Exit::NotJudged,
    };
    let error: Box<dyn Error + Send + Sync> = error.into();
    Failure::of(exit, error)
}
