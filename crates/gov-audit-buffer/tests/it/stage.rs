//! A publisher between a file and a sink with a script.

use std::{sync::Arc, time::Duration};

use gov_audit_buffer::{
    AuditPublisher, BufferConfig, EventBuffer, Mode, Published, PublisherConfig, Rejection,
    sink::memory::MemorySink,
};
use gov_core::{AuditEvent, EventId, clock::ManualClock};
use tempfile::TempDir;

use crate::events::event;

/// The longest that any real wait of a test takes.
pub(crate) const BOUND: Duration = Duration::from_mins(1);

/// Everything that one test works with.
pub(crate) struct Stage {
    pub(crate) clock: ManualClock,
    pub(crate) sink: MemorySink,
    pub(crate) buffer: EventBuffer,
    pub(crate) publisher: AuditPublisher,
    config: BufferConfig,
    mode: Mode,
    dir: TempDir,
}

impl Stage {
    pub(crate) fn new() -> Self {
        Self::with(Mode::WriteAhead, BufferConfig::default())
    }

    pub(crate) fn direct() -> Self {
        Self::with(Mode::Direct, BufferConfig::default())
    }

    pub(crate) fn with(mode: Mode, config: BufferConfig) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (clock, sink) = (ManualClock::default(), MemorySink::new());
        let (buffer, publisher) = open(&dir, &config, mode, &sink, &clock);
        Self { clock, sink, buffer, publisher, config, mode, dir }
    }

    /// Opens the file anew.
    pub(crate) async fn reopen(&mut self) {
        self.buffer.close().await;
        let (buffer, publisher) = open(&self.dir, &self.config, self.mode, &self.sink, &self.clock);
        (self.buffer, self.publisher) = (buffer, publisher);
    }

    /// Goes on with the files as a killed process leaves them.
    pub(crate) async fn crash(&mut self) {
        let dir = tempfile::tempdir().unwrap();
        for name in ["audit-buffer.db", "audit-buffer.db-wal"] {
            // Locks are lost by this, of a file that nobody uses any more.
            if let Err(error) = std::fs::copy(self.dir.path().join(name), dir.path().join(name)) {
                assert_eq!(error.kind(), std::io::ErrorKind::NotFound);
            }
        }
        self.buffer.close().await;
        self.dir = dir;
        let (buffer, publisher) = open(&self.dir, &self.config, self.mode, &self.sink, &self.clock);
        (self.buffer, self.publisher) = (buffer, publisher);
    }

    /// Publishes events by their numbers and gives their ids.
    pub(crate) async fn publish(&self, numbers: std::ops::Range<u64>) -> Vec<EventId> {
        let mut ids = Vec::new();
        for number in numbers {
            let event = event(number);
            ids.push(event.id);
            assert!(self.publisher.publish(event).await.is_kept());
        }
        ids
    }

    /// Publishes one event, which is refused.
    pub(crate) async fn refused(&self, event: AuditEvent) -> Rejection {
        let rejection = match self.publisher.publish(event).await {
            Published::Rejected(rejection) => Some(rejection),
            _ => None,
        };
        rejection.unwrap()
    }

    /// That the sink has just these, in this order, and nobody offended it.
    pub(crate) fn assert_kept(&self, ids: &[EventId]) {
        assert_eq!(self.sink.kept_ids(), ids);
        assert_eq!(self.sink.seen().offences, Vec::<String>::new());
    }

    pub(crate) fn dir(&self) -> &std::path::Path {
        self.dir.path()
    }
}

fn open(
    dir: &TempDir,
    config: &BufferConfig,
    mode: Mode,
    sink: &MemorySink,
    clock: &ManualClock,
) -> (EventBuffer, AuditPublisher) {
    let path = dir.path().join("audit-buffer.db");
    let buffer = EventBuffer::open(&path, config.clone(), Arc::new(clock.clone())).unwrap();
    let how = PublisherConfig { mode, ..PublisherConfig::default() };
    let sink = Arc::new(sink.clone());
    let publisher = AuditPublisher::with(sink, buffer.clone(), how, Arc::new(clock.clone()));
    (buffer, publisher)
}

/// Waits, within a bound, until `done`.
pub(crate) async fn until(mut done: impl FnMut() -> bool) {
    let wait = async {
        while !done() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(BOUND, wait).await.unwrap();
}
