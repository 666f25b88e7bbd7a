//! The other end of a stream: what was published is read, in its order, by a durable consumer, and
//! acknowledged once whoever reads keeps it.
//!
//! What is not acknowledged comes again, to whoever reads then.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use async_nats::{
    Client,
    connection::State,
    jetstream::{
        self, AckKind,
        consumer::{AckPolicy, DeliverPolicy, PullConsumer, pull},
        stream::Stream,
    },
};
use futures_util::{StreamExt as _, TryStreamExt as _};
use gov_core::Clock;

use super::{
    config::NatsConfig,
    connect::{self, ConnectError},
};

mod delivered;
mod fit;

pub use self::{
    delivered::Delivered,
    fit::{UnfitConsumer, WrongConsumerSetting},
};

/// How a stream is read.
#[derive(Clone, Debug)]
pub struct ReaderConfig {
    /// What the consumer is called on the server, which keeps up to where it is. Readers of one
    /// name share the messages.
    pub durable: String,
    /// How long a message that was handed out may stay without an answer; then it comes again.
    pub ack_wait: Duration,
}

impl Default for ReaderConfig {
    /// `gov-ingest`, a minute.
    fn default() -> Self {
        Self { durable: "gov-ingest".to_owned(), ack_wait: Duration::from_mins(1) }
    }
}

/// The stream cannot be read now. Open another reader.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadStreamError {
    /// There is no connection.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The consumer would not hand over each event until it is kept: delete it, or name another.
    #[error(transparent)]
    Unfit(#[from] UnfitConsumer),
    /// The server does not answer, or says no.
    #[error("cannot {doing} stream `{stream}`")]
    Broken {
        /// What was to be done: `open`, `read`, `acknowledge`, `trim`.
        doing: &'static str,
        /// Which stream.
        stream: String,
        /// What failed.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// Reads one stream, over one connection that is never repaired.
#[derive(Debug)]
pub struct NatsReader {
    client: Client,
    stream: Stream,
    consumer: PullConsumer,
    name: String,
    timeout: Duration,
    clock: Arc<dyn Clock>,
}

impl NatsReader {
    /// Connects, and makes or checks the consumer. The stream must be there.
    ///
    /// # Errors
    ///
    /// [`ReadStreamError`].
    pub async fn open(
        config: &NatsConfig,
        reader: &ReaderConfig,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, ReadStreamError> {
        let client = connect::connect(config).await?;
        let broken = |source| broken("open", &config.stream, source);
        let context = jetstream::new(client.clone());
        let stream =
            context.get_stream(&config.stream).await.map_err(|error| broken(error.into()))?;
        let wanted = pull::Config {
            durable_name: Some(reader.durable.clone()),
            description: Some("keeps audit events of gov".to_owned()),
            deliver_policy: DeliverPolicy::All,
            ack_policy: AckPolicy::Explicit,
            ack_wait: reader.ack_wait,
            filter_subject: format!("{}.>", config.subject_prefix),
            ..pull::Config::default()
        };
        let consumer: PullConsumer = stream
            .get_or_create_consumer(&reader.durable, wanted.clone())
            .await
            .map_err(|error| broken(error.into()))?;
        fit::check(&consumer.cached_info().config, &wanted)?;
        let (name, timeout) = (config.stream.clone(), config.timeout);
        Ok(Self { client, stream, consumer, name, timeout, clock })
    }

    /// The stream's name.
    #[must_use]
    pub fn stream(&self) -> &str {
        &self.name
    }

    /// The next messages, `limit` at most, as many as there are; where there are none it waits for
    /// one, and after `wait` gives none.
    ///
    /// Cancelling loses nothing: what was on its way comes again.
    ///
    /// # Errors
    ///
    /// [`ReadStreamError::Broken`].
    pub async fn next(
        &self,
        limit: usize,
        wait: Duration,
    ) -> Result<Vec<Delivered>, ReadStreamError> {
        let mut batch = self.fetch(limit).await?;
        if batch.is_empty() && limit > 0 && !wait.is_zero() {
            let request = self.consumer.batch().max_messages(1).expires(wait);
            let first = self.bounded("read", wait, async {
                request.messages().await?.next().await.transpose()
            });
            batch.extend(first.await?.map(Delivered::new).transpose()?);
            if !batch.is_empty() && limit > 1 {
                batch.extend(self.fetch(limit - 1).await?);
            }
        }
        if batch.is_empty() && self.client.connection_state() != State::Connected {
            return Err(broken("read", &self.name, "the connection broke".into()));
        }
        Ok(batch)
    }

    /// How many messages are not acknowledged: those that were not handed out yet, and those that
    /// were and come again.
    ///
    /// # Errors
    ///
    /// [`ReadStreamError::Broken`].
    pub async fn outstanding(&self) -> Result<u64, ReadStreamError> {
        let asked = async {
            let info = self.consumer.get_info().await?;
            Ok(info.num_pending + info.num_ack_pending as u64)
        };
        self.bounded("read", Duration::ZERO, asked).await
    }

    /// Says that these are kept: they come no more. Returns once the server knows.
    ///
    /// # Errors
    ///
    /// [`ReadStreamError::Broken`]: some of them may come again.
    pub async fn acknowledge(&self, kept: &[Delivered]) -> Result<(), ReadStreamError> {
        self.answer(kept, AckKind::Ack).await
    }

    /// Says that these are of no use to anybody: they come no more. Returns once the server knows.
    ///
    /// # Errors
    ///
    /// [`ReadStreamError::Broken`]: some of them may come again.
    pub async fn terminate(&self, useless: &[Delivered]) -> Result<(), ReadStreamError> {
        self.answer(useless, AckKind::Term).await
    }

    /// Deletes from each subject what stands before the message `kept` names, as far as every
    /// consumer of the stream has acknowledged all of it, and gives how many went.
    ///
    /// The message that is named stays: it says to whoever publishes on the subject where to go on.
    ///
    /// # Errors
    ///
    /// [`ReadStreamError::Broken`]: the next time will do.
    pub async fn trim(&self, kept: &BTreeMap<String, u64>) -> Result<u64, ReadStreamError> {
        let trimmed = async {
            let consumers: Vec<_> = self.stream.consumers().try_collect().await?;
            let floors = consumers.iter().map(|it| it.ack_floor.stream_sequence);
            let floor = floors.min().unwrap_or(0);
            let mut gone = 0;
            for (subject, seq) in kept {
                let before = (floor + 1).min(*seq);
                // A server takes 1 for no bound at all, and would delete the whole subject.
                if before > 1 {
                    gone += self.stream.purge().filter(subject).sequence(before).await?.purged;
                }
            }
            Ok(gone)
        };
        self.bounded("trim", Duration::ZERO, trimmed).await
    }

    async fn fetch(&self, limit: usize) -> Result<Vec<Delivered>, ReadStreamError> {
        let request = self.consumer.fetch().max_messages(limit);
        let fetched = async { request.messages().await?.try_collect::<Vec<_>>().await };
        let messages = self.bounded("read", Duration::ZERO, fetched).await?;
        messages.into_iter().map(Delivered::new).collect()
    }

    /// One answer a message; the last one is waited for, and stands behind all others.
    async fn answer(&self, all: &[Delivered], kind: AckKind) -> Result<(), ReadStreamError> {
        let Some((last, before)) = all.split_last() else { return Ok(()) };
        let answered = async {
            for it in before {
                it.message().ack_with(kind).await?;
            }
            last.message().double_ack_with(kind).await
        };
        self.bounded("acknowledge", Duration::ZERO, answered).await
    }

    /// What takes longer than its time, and the timeout on top of it, has failed.
    async fn bounded<T>(
        &self,
        doing: &'static str,
        time: Duration,
        work: impl Future<Output = Result<T, async_nats::Error>>,
    ) -> Result<T, ReadStreamError> {
        let until = self.clock.now() + time + self.timeout;
        let done = tokio::select! {
            done = work => done,
            () = self.clock.sleep_until(until) => Err("no answer in time".into()),
        };
        done.map_err(|source| broken(doing, &self.name, source))
    }
}

fn broken(
    doing: &'static str,
    stream: &str,
    source: Box<dyn std::error::Error + Send + Sync>,
) -> ReadStreamError {
    ReadStreamError::Broken { doing, stream: stream.to_owned(), source }
}
