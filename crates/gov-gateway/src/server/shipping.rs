//! The buffer before a sink, and what empties it.

use std::{sync::Arc, time::Duration};

use gov_audit_buffer::{
    AuditPublisher, BufferConfig, EventBuffer, FlushLoop, Overflow, PublisherConfig,
};
use gov_core::{Clock, Health, Timestamp};
use tracing::{info, warn};

use super::{Ended, StartError};
use crate::{
    config::{self, Choose as _},
    http::ServedBuffer,
    outlet::{BufferOutlet, EventOutlet},
    sinks::{Sink, Surroundings},
};

/// How often the sink is tried at least while events wait, and gaps are written.
const FLUSH_INTERVAL: Duration = Duration::from_secs(1);

/// How the buffer in a data directory is kept: for the server and for the commands on files.
#[must_use]
pub fn buffer_config(config: &config::Buffer, node: &str) -> BufferConfig {
    let overflow = match config.overflow {
        config::Overflow::Reject => Overflow::Reject,
        config::Overflow::Block => Overflow::Block { timeout: config.block_timeout },
        config::Overflow::DropOldest => Overflow::DropOldest,
    };
    BufferConfig {
        node: node.to_owned(),
        max_rows: config.max_rows,
        max_bytes: config.max_bytes,
        overflow,
        ..BufferConfig::default()
    }
}

/// Buffer and sink, between which nothing moves yet.
#[derive(Debug)]
pub(super) struct OpenShipping {
    buffer: EventBuffer,
    sink: Sink,
    name: &'static str,
    config: PublisherConfig,
    clock: Arc<dyn Clock>,
}

/// Takes events and brings them to the sink.
#[derive(Debug)]
pub(super) struct Shipping {
    publisher: AuditPublisher,
    flush_loop: FlushLoop,
    sink: Sink,
    name: &'static str,
    clock: Arc<dyn Clock>,
}

impl OpenShipping {
    /// Opens both; `None` where no sink is configured.
    pub(super) async fn open(
        config: &config::Buffer,
        around: Surroundings,
    ) -> Result<Option<Self>, StartError> {
        let clock = Arc::clone(&around.clock);
        let (path, buffer_config) =
            (around.data_dir.audit_buffer(), buffer_config(config, &around.node));
        let Some(sink) = Sink::open(config, around).await? else { return Ok(None) };
        let buffer_clock = Arc::clone(&clock);
        let opening = move || EventBuffer::open(&path, buffer_config, buffer_clock);
        let opened = tokio::task::spawn_blocking(opening).await;
        let opened = opened.map_err(|error| StartError::Panicked(Box::new(error)));
        let buffer = match opened.and_then(|it| it.map_err(StartError::from)) {
            Ok(buffer) => buffer,
            Err(error) => {
                sink.close().await;
                return Err(error);
            }
        };
        let name = config.sink.word();
        let config =
            PublisherConfig { send_timeout: config.send_timeout, ..PublisherConfig::default() };
        Ok(Some(Self { buffer, sink, name, config, clock }))
    }

    /// Closes both; what is in the buffer waits for the next start.
    pub(super) async fn close(self) {
        self.buffer.close().await;
        self.sink.close().await;
    }

    /// Starts to ship.
    pub(super) fn start(self) -> Shipping {
        let Self { buffer, sink, name, config, clock } = self;
        let waiting = buffer.len();
        if waiting > 0 {
            info!(waiting, sink = name, "audit events wait from an earlier run");
        }
        let publisher = AuditPublisher::with(sink.as_dyn(), buffer, config, Arc::clone(&clock));
        let flush_loop = publisher.spawn_reconnect_flush_loop(FLUSH_INTERVAL);
        Shipping { publisher, flush_loop, sink, name, clock }
    }
}

impl Shipping {
    /// Where events go in.
    pub(super) fn outlet(&self) -> Arc<dyn EventOutlet> {
        Arc::new(BufferOutlet::new(self.publisher.clone()))
    }

    /// What `/readyz` asks.
    pub(super) fn health(&self) -> Arc<dyn Health> {
        Arc::new(self.publisher.clone())
    }

    /// What the doors show.
    pub(super) fn served(&self) -> ServedBuffer {
        ServedBuffer { publisher: self.publisher.clone(), sink: self.name }
    }

    /// Ships what waits, after which nobody appends, no longer than `until`; closes buffer and
    /// sink.
    pub(super) async fn close(self, until: Timestamp) -> Ended {
        let Self { publisher, flush_loop, sink, name, clock } = self;
        let flush = async {
            flush_loop.stop().await;
            publisher.flush_pending().await;
        };
        tokio::select! {
            biased;
            () = flush => (),
            () = clock.sleep_until(until) => (),
        }
        let waiting = publisher.buffered_len();
        publisher.buffer().close().await;
        sink.close().await;
        if waiting > 0 {
            warn!(waiting, sink = name, "audit events wait in the buffer for the next start");
            return Ended::WorkLeft;
        }
        Ended::Clean
    }
}
