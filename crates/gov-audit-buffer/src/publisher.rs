//! The door for whoever has an event: it is kept or shipped, and never in the way.

use std::{error::Error, sync::Arc, time::Duration};

use gov_core::{AuditEvent, Clock, SystemClock};
use parking_lot::Mutex;
use tokio::sync::Semaphore;

use crate::{
    AuditSink, Durability, EventBuffer,
    buffer::{
        AppendError,
        drain::{Drained, Stopped},
    },
    meters::Meters,
    sink::SinkError,
};

pub mod breaker;
mod direct;
mod flush_loop;
mod health;

pub use self::flush_loop::FlushLoop;
use self::{
    breaker::{Breaker, BreakerConfig, BreakerState},
    health::Seen,
};

/// How often the loop looks at the buffer, at most.
const LOOK_EACH: Duration = Duration::from_secs(1);

/// How events go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Mode {
    /// Into the buffer first, and from there to the sink.
    #[default]
    WriteAhead,
    /// To the sink at once if nothing waits, and into the buffer if that fails.
    Direct,
}

/// How a publisher works.
#[derive(Clone, Debug)]
pub struct PublisherConfig {
    /// How events go.
    pub mode: Mode,
    /// What [`AuditPublisher::publish`] promises for what went into the buffer.
    pub durability: Durability,
    /// How long a caller waits for the sink at most, in [`Mode::Direct`].
    pub direct_timeout: Duration,
    /// How long a caller waits for the buffer at most.
    pub append_timeout: Duration,
    /// How long the sink may take for a batch, or to say what it has.
    pub send_timeout: Duration,
    /// The pauses between tries.
    pub breaker: BreakerConfig,
}

impl Default for PublisherConfig {
    /// Write-ahead and durable; 250 ms, 5 s, 30 s.
    fn default() -> Self {
        Self {
            mode: Mode::WriteAhead,
            durability: Durability::Durable,
            direct_timeout: Duration::from_millis(250),
            append_timeout: Duration::from_secs(5),
            send_timeout: Duration::from_secs(30),
            breaker: BreakerConfig::default(),
        }
    }
}

/// What became of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
#[non_exhaustive]
pub enum Published {
    /// It is in the buffer and survives power loss.
    Durable {
        /// Its place.
        seq: u64,
    },
    /// It is in the buffer and survives a killed process.
    Spooled {
        /// Its place.
        seq: u64,
    },
    /// The sink has it.
    Shipped,
    /// It is not known to be kept.
    Rejected(Rejection),
}

/// Why an event is not known to be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Rejection {
    /// The buffer has no room. Try later, or refuse what must not go unrecorded.
    Full,
    /// It is too large, today and tomorrow.
    TooLarge {
        /// The limit, in bytes.
        limit: usize,
        /// Its size, in bytes.
        got: usize,
    },
    /// The buffer was closed.
    Closed,
    /// The buffer did not answer in time, or its file cannot be written: it may yet be kept.
    Unavailable,
}

impl Published {
    fn buffered(seq: u64, durability: Durability) -> Self {
        match durability {
            Durability::Durable => Self::Durable { seq },
            Durability::Spooled => Self::Spooled { seq },
        }
    }

    /// Whether it is kept, or shipped.
    #[must_use]
    pub fn is_kept(self) -> bool {
        !matches!(self, Self::Rejected(_))
    }
}

/// Takes events and brings them to a sink, in their order. Clones are the same publisher.
#[derive(Clone, Debug)]
pub struct AuditPublisher {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    sink: Arc<dyn AuditSink>,
    buffer: EventBuffer,
    config: PublisherConfig,
    clock: Arc<dyn Clock>,
    breaker: Mutex<Breaker>,
    seen: Mutex<Seen>,
    /// Who publishes directly stands in line, so that nobody overtakes.
    line: Semaphore,
    meters: Meters,
}

impl AuditPublisher {
    /// Brings events to `sink` through `buffer`, with the default configuration, by the system's
    /// clock.
    #[must_use]
    pub fn new(sink: Arc<dyn AuditSink>, buffer: EventBuffer) -> Self {
        Self::with(sink, buffer, PublisherConfig::default(), Arc::new(SystemClock))
    }

    /// Brings events to `sink` through `buffer`. Install the metrics recorder before.
    #[must_use]
    pub fn with(
        sink: Arc<dyn AuditSink>,
        buffer: EventBuffer,
        config: PublisherConfig,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let breaker = Mutex::new(Breaker::new(config.breaker));
        let (seen, line, meters) = (Mutex::default(), Semaphore::new(1), Meters::new());
        let inner = Inner { sink, buffer, config, clock, breaker, seen, line, meters };
        Self { inner: Arc::new(inner) }
    }

    /// Takes `event`, as durably as configured.
    ///
    /// It never fails the caller's own work: what could not be kept is said in the value, and
    /// counted. It takes no longer than the bounds of [`PublisherConfig`]. Dropping the future
    /// leaves it open whether the event is kept.
    pub async fn publish(&self, event: AuditEvent) -> Published {
        self.publish_as(event, self.inner.config.durability).await
    }

    /// Takes `event`, as durably as asked for.
    pub async fn publish_as(&self, event: AuditEvent, durability: Durability) -> Published {
        let published = self.take(&event, durability).await;
        self.inner.meters.published(published);
        published
    }

    /// How many events wait for the sink.
    #[must_use]
    pub fn buffered_len(&self) -> u64 {
        self.inner.buffer.len()
    }

    /// Ships what waits now, whatever the breaker says, and gives how many events went. It stops
    /// at the first failure that passes and keeps the rest.
    pub async fn flush_pending(&self) -> usize {
        self.drain().await.sent
    }

    /// Starts the task that ships what waits: woken by events, and each `interval` in any case.
    ///
    /// Must be called inside a tokio runtime. One loop a publisher is enough; a second one does no
    /// harm.
    pub fn spawn_reconnect_flush_loop(&self, interval: Duration) -> FlushLoop {
        FlushLoop::spawn(self.clone(), interval)
    }

    /// What the breaker says about the sink.
    #[must_use]
    pub fn breaker_state(&self) -> BreakerState {
        self.inner.breaker.lock().state(self.inner.clock.now())
    }

    /// The buffer behind it.
    #[must_use]
    pub fn buffer(&self) -> &EventBuffer {
        &self.inner.buffer
    }

    fn clock(&self) -> Arc<dyn Clock> {
        Arc::clone(&self.inner.clock)
    }

    async fn take(&self, event: &AuditEvent, durability: Durability) -> Published {
        let Inner { buffer, config, clock, .. } = &*self.inner;
        let bound = match config.mode {
            Mode::WriteAhead => config.append_timeout,
            Mode::Direct => config.direct_timeout.saturating_add(config.append_timeout),
        };
        let taken = async {
            match config.mode {
                Mode::WriteAhead => {
                    let seq = buffer.append(event, durability).await?;
                    Ok(Published::buffered(seq, durability))
                }
                Mode::Direct => self.ship_or_append(event, durability).await,
            }
        };
        let taken = tokio::select! {
            biased;
            taken = taken => taken,
            () = clock.sleep_until(clock.now() + bound) => {
                self.inner.seen.lock().broken = Some("it does not answer in time".to_owned());
                return Published::Rejected(Rejection::Unavailable);
            }
        };
        let mut seen = self.inner.seen.lock();
        match taken {
            Ok(published) => {
                if published != Published::Shipped {
                    (seen.broken, seen.full) = (None, false);
                }
                published
            }
            Err(error) => {
                let rejection = rejection(&error);
                match rejection {
                    Rejection::Full => seen.full = true,
                    Rejection::TooLarge { .. } => {}
                    Rejection::Closed | Rejection::Unavailable => {
                        seen.broken = Some(chain(&error));
                    }
                }
                Published::Rejected(rejection)
            }
        }
    }

    /// One pass of the loop.
    async fn pass(&self) {
        let drained = self.drain().await;
        if drained.sent > 0 {
            tracing::debug!(sent = drained.sent, sink = self.inner.sink.name(), "shipped");
        }
        let now = self.inner.clock.now();
        let fresh = self.inner.seen.lock().at.is_some_and(|at| at <= now && now < at + LOOK_EACH);
        if fresh && drained.stopped.is_none() {
            return;
        }
        if let Err(error) = self.inner.buffer.tend().await {
            let error = &error as &dyn Error;
            tracing::error!(error, "what found no room is not written down yet");
        }
        if let Err(error) = self.observe().await {
            tracing::error!(error = &error as &dyn Error, "the audit buffer cannot be looked at");
        }
    }

    async fn drain(&self) -> Drained {
        let inner = &*self.inner;
        let drained = inner.buffer.drain(&*inner.sink, inner.config.send_timeout).await;
        inner.meters.flushed(drained.sent);
        if drained.sent > 0 || drained.stopped.is_none() {
            inner.breaker.lock().succeeded();
        }
        match &drained.stopped {
            None => inner.seen.lock().sink = None,
            Some(stopped) => self.failed(stopped),
        }
        drained
    }

    fn failed(&self, stopped: &Stopped) {
        {
            let mut seen = self.inner.seen.lock();
            match stopped {
                Stopped::Sink(error) => seen.sink = Some(chain(error)),
                Stopped::Buffer(error) => seen.broken = Some(chain(error)),
            }
        }
        let (now, wish) = (self.inner.clock.now(), wish(stopped));
        self.inner.breaker.lock().failed(now, wish, chance());
    }
}

fn rejection(error: &AppendError) -> Rejection {
    match error {
        AppendError::Full { .. } | AppendError::Busy { .. } => Rejection::Full,
        AppendError::TooLarge { limit, got } => Rejection::TooLarge { limit: *limit, got: *got },
        AppendError::Closed => Rejection::Closed,
        _ => Rejection::Unavailable,
    }
}

/// An error and what is behind it, in one line.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text = format!("{text}: {cause}");
        next = cause.source();
    }
    text
}

/// How long the sink wants to be left alone.
fn wish(stopped: &Stopped) -> Option<Duration> {
    match stopped {
        Stopped::Sink(SinkError::Retry { after, .. }) => *after,
        Stopped::Sink(_) | Stopped::Buffer(_) => None,
    }
}

/// Any number; without randomness the longest pause.
fn chance() -> u32 {
    getrandom::u32().unwrap_or(u32::MAX)
}
