//! Where audit events go in the end: the sink that `[buffer]` names, opened.

use std::{io, path::PathBuf, sync::Arc};

use gov_audit_buffer::{
    AuditSink,
    sink::{
        http::{HttpConfigError, HttpSink},
        json_lines::{JsonLinesSink, OpenLinesError},
        nats::{NatsAuditSink, NatsConfigError},
    },
};
use gov_core::Clock;
use gov_retention::event_store::AuditEventStore;

mod event_store;
mod http;
mod nats;
pub(crate) mod secret;

pub use self::{event_store::EventStoreSink, nats::nats_config};
use crate::{
    config::{self, SinkKind},
    data_dir::DataDir,
};

/// A sink that is open, by its kind.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Sink {
    /// A stream of NATS.
    Nats(Arc<NatsAuditSink>),
    /// A server.
    Http(Arc<HttpSink>),
    /// A file.
    JsonLines(JsonLinesSink),
    /// The event store.
    EventStore(EventStoreSink),
}

/// What sinks are opened with, beside their configuration.
#[derive(Clone, Debug)]
pub struct Surroundings {
    /// What this server is called.
    pub node: String,
    /// The data directory.
    pub data_dir: DataDir,
    /// The event store of this server.
    pub event_store: Arc<dyn AuditEventStore>,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

/// The sink cannot work as it is configured. That its receiver is away is no such thing.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenSinkError {
    /// A file with a secret, or with certificates, cannot be read.
    #[error("cannot read `{key}` from `{}`", path.display())]
    Secret {
        /// The key that names it.
        key: &'static str,
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// It holds none.
    #[error("`{}`, named by `{key}`, must hold a secret; it is empty", path.display())]
    NoSecret {
        /// The key that names it.
        key: &'static str,
        /// The file.
        path: PathBuf,
    },
    /// Others can read it.
    #[error(
        "`{}`, named by `{key}`, must have mode 0600; received {mode:04o}: correct it with `chmod \
         600`, and replace the secret if others may have read it",
        path.display()
    )]
    TooOpen {
        /// The key that names it.
        key: &'static str,
        /// The file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// One of the URLs is none. It is not repeated.
    #[error("`buffer.url` must hold URLs such as `nats://host:4222`")]
    Url,
    /// The configuration of NATS cannot work.
    #[error("`{key}` must be {wanted}; received `{received}`")]
    Nats {
        /// The key.
        key: &'static str,
        /// What it must be.
        wanted: &'static str,
        /// What it is; without secrets.
        received: String,
    },
    /// The configuration of HTTP cannot work.
    #[error(transparent)]
    Http(#[from] HttpConfigError),
    /// The file of lines cannot be opened.
    #[error(transparent)]
    JsonLines(#[from] OpenLinesError),
    /// The work of opening panicked: a mistake of the program.
    #[error("opening the sink panicked")]
    Panicked(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl From<NatsConfigError> for OpenSinkError {
    fn from(NatsConfigError { setting, wanted, received }: NatsConfigError) -> Self {
        let key = match setting {
            "servers" => "buffer.url",
            "stream" => "buffer.stream",
            "subject_prefix" => "buffer.subject",
            _ => "server.node",
        };
        Self::Nats { key, wanted, received }
    }
}

impl Sink {
    /// Opens the sink that `config` names; `None` where it names none. Nothing is connected yet.
    ///
    /// # Errors
    ///
    /// [`OpenSinkError`]: correct the configuration, or the file that it names.
    pub async fn open(
        config: &config::Buffer,
        around: Surroundings,
    ) -> Result<Option<Self>, OpenSinkError> {
        let config = config.clone();
        let opening = move || Self::open_blocking(&config, around);
        let opened = tokio::task::spawn_blocking(opening).await;
        opened.map_err(|error| OpenSinkError::Panicked(Box::new(error)))?
    }

    /// The sink as the buffer knows it.
    #[must_use]
    pub fn as_dyn(&self) -> Arc<dyn AuditSink> {
        match self {
            Self::Nats(it) => Arc::clone(it) as _,
            Self::Http(it) => Arc::clone(it) as _,
            Self::JsonLines(it) => Arc::new(it.clone()),
            Self::EventStore(it) => Arc::new(it.clone()),
        }
    }

    /// Lets go of what it holds. The event store is closed by whoever opened it.
    pub async fn close(&self) {
        match self {
            Self::Nats(it) => it.close().await,
            Self::JsonLines(it) => it.close().await,
            Self::EventStore(it) => it.close(),
            Self::Http(_) => (),
        }
    }

    fn open_blocking(
        config: &config::Buffer,
        around: Surroundings,
    ) -> Result<Option<Self>, OpenSinkError> {
        let Surroundings { node, data_dir, event_store, clock } = around;
        Ok(Some(match config.sink {
            SinkKind::None => return Ok(None),
            SinkKind::Nats => {
                Self::Nats(Arc::new(NatsAuditSink::new(nats_config(config, &node)?, clock)?))
            }
            SinkKind::Http => {
                Self::Http(Arc::new(HttpSink::new(&http::http_config(config)?, clock)?))
            }
            SinkKind::JsonLines => {
                let path = config.path.clone().unwrap_or_else(|| data_dir.audit_lines());
                Self::JsonLines(JsonLinesSink::open(path)?)
            }
            SinkKind::EventStore => Self::EventStore(EventStoreSink::new(event_store)),
        }))
    }
}
