//! A server, a sink before it, and what the stream holds in the end.

use std::{sync::Arc, time::Duration};

use async_nats::jetstream;
use gov_audit_buffer::{
    AuditSink as _, BufferId, EncodedEvent, LastKept, Outgoing,
    sink::nats::{
        NatsAuditSink, NatsConfig,
        test_server::{Release, TestServer},
    },
};
use gov_core::{EventId, SystemClock, Timestamp};

use crate::events::event;

/// So long a test waits for what must come.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

/// The node of most tests.
pub(crate) const NODE: &str = "n-1";

pub(crate) struct World {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) server: TestServer,
}

impl World {
    /// `None` where the machine has no such server.
    pub(crate) fn start(release: Release) -> Option<Self> {
        Self::with(release, "")
    }

    /// With `config` added to the server's.
    pub(crate) fn with(release: Release, config: &str) -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let server = TestServer::start(release, dir.path(), config)?;
        Some(Self { dir, server })
    }

    pub(crate) fn config(&self) -> NatsConfig {
        let mut config = NatsConfig::new(vec![self.server.url().parse().unwrap()], NODE);
        config.timeout = Duration::from_millis(1500);
        config
    }

    pub(crate) fn sink(&self) -> NatsAuditSink {
        sink(self.config())
    }

    /// All messages of the stream that are events, in its order: whose, which place, which event.
    pub(crate) async fn stored(&self) -> Vec<(BufferId, u64, EventId)> {
        let client = async_nats::connect(self.server.url()).await.unwrap();
        let stream = jetstream::new(client).get_stream("GOV_AUDIT").await.unwrap();
        let state = &stream.cached_info().state;
        let mut stored = Vec::new();
        for sequence in state.first_sequence..=state.last_sequence {
            let message = stream.get_raw_message(sequence).await.unwrap();
            let header = |name| message.headers.get(name).map(|it| it.as_str().to_owned());
            let Some(buffer) = header("Gov-Buffer") else { continue };
            stored.push((
                buffer.parse().unwrap(),
                header("Gov-Seq").unwrap().parse().unwrap(),
                header("ce-id").unwrap().parse().unwrap(),
            ));
        }
        stored
    }

    /// The stream holds `batch`, each once and in order, and nothing else of its buffer.
    pub(crate) async fn holds(&self, batch: &[Outgoing]) {
        let buffer = batch[0].buffer_id;
        let stored: Vec<_> =
            self.stored().await.into_iter().filter(|(of, ..)| *of == buffer).collect();
        let wanted: Vec<_> =
            batch.iter().map(|it| (it.buffer_id, it.buffer_seq, it.event.id)).collect();
        assert_eq!(stored, wanted);
    }
}

pub(crate) fn sink(config: NatsConfig) -> NatsAuditSink {
    NatsAuditSink::new(config, Arc::new(SystemClock)).unwrap()
}

pub(crate) fn fresh_buffer() -> BufferId {
    BufferId::at(Timestamp::UNIX_EPOCH)
}

/// Events of one buffer at the places `places`.
pub(crate) fn batch(buffer_id: BufferId, places: std::ops::RangeInclusive<u64>) -> Vec<Outgoing> {
    let outgoing = |buffer_seq| Outgoing {
        buffer_id,
        buffer_seq,
        event: EncodedEvent::of(&event(buffer_seq), NODE).unwrap(),
    };
    places.map(outgoing).collect()
}

/// Hands `batch` over as a drain does: until all is accepted, asking after each failure how far the
/// sink is. Gives how often it failed.
pub(crate) async fn drain(sink: &NatsAuditSink, batch: &[Outgoing]) -> u32 {
    let drained = async {
        let (mut at, mut failures) = (0, 0);
        while at < batch.len() {
            let emitted = sink.emit_batch(&batch[at..(at + 256).min(batch.len())]).await;
            at += emitted.accepted;
            if emitted.stopped.is_none() {
                continue;
            }
            failures += 1;
            match sink.last_kept(batch[0].buffer_id).await {
                Ok(LastKept::At { seq, .. }) => {
                    at = batch.partition_point(|it| it.buffer_seq <= seq);
                }
                Ok(_) => at = 0,
                Err(_) => tokio::task::yield_now().await,
            }
        }
        failures
    };
    tokio::time::timeout(PATIENCE, drained).await.expect("the drain ends")
}
