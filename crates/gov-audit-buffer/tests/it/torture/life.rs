//! One life: a publisher on a real file before a stream with bad luck, by virtual time.

use std::{path::PathBuf, sync::Arc, time::Duration};

use gov_audit_buffer::{
    BufferConfig, Durability, EventBuffer,
    publisher::{AuditPublisher, Published, PublisherConfig},
    sink::nats::fence::{Fence, FenceConfig},
};
use gov_core::{EventId, clock::ManualClock, dice::Dice};
use tempfile::TempDir;

use super::model_stream::{ModelStream, Trouble};
use crate::events::event;

/// The stream may lose what it acknowledged for so long.
const HORIZON: Duration = Duration::from_mins(5);
const STEPS: u64 = 60;

struct Life {
    seed: u64,
    dice: Dice,
    clock: ManualClock,
    stream: ModelStream,
    path: PathBuf,
    _dir: TempDir,
    publisher: Option<AuditPublisher>,
    /// What was acknowledged, in its order.
    kept: Vec<EventId>,
    next: u64,
    log: Vec<&'static str>,
}

/// Lives the life of `seed`, and gives what happened in it.
pub(crate) async fn live(seed: u64) -> String {
    // In memory where there is such a place: what a disk does is for other tests.
    let dir = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
    let clock = ManualClock::default();
    let stream = ModelStream::new(Dice::of(seed ^ 0x5eed), clock.clone());
    let mut life = Life {
        seed,
        dice: Dice::of(seed),
        clock,
        stream,
        path: dir.path().join("audit-buffer.db"),
        _dir: dir,
        publisher: None,
        kept: Vec::new(),
        next: 0,
        log: Vec::new(),
    };
    for _ in 0..STEPS {
        life.step().await;
        life.check();
    }
    life.end().await
}

impl Life {
    async fn step(&mut self) {
        let action = match self.dice.roll(16) {
            0..=5 => self.publish().await,
            6..=9 => self.flush().await,
            10 => self.trouble(),
            11 => self.calm(),
            12 => self.restart().await,
            13 => self.wait(),
            14 => self.lose_power(),
            _ => self.surprise(),
        };
        self.log.push(action);
    }

    /// The one that is running, or a new one on the same file.
    fn publisher(&mut self) -> AuditPublisher {
        let (path, clock, stream) = (&self.path, &self.clock, &self.stream);
        let open = || {
            let buffer =
                EventBuffer::open(path, BufferConfig::default(), Arc::new(clock.clone())).unwrap();
            let config = FenceConfig {
                subject: "gov.audit.local".to_owned(),
                timeout: Duration::from_secs(5),
                resend_horizon: HORIZON,
            };
            let fence = Fence::new(stream.clone(), config, Arc::new(clock.clone()));
            let config = PublisherConfig::default();
            AuditPublisher::with(Arc::new(fence), buffer, config, Arc::new(clock.clone()))
        };
        self.publisher.get_or_insert_with(open).clone()
    }

    /// Some events, up to more than a batch.
    async fn publish(&mut self) -> &'static str {
        let publisher = self.publisher();
        let count = if self.dice.roll(8) == 0 { 300 } else { 1 + self.dice.roll(9) };
        for _ in 0..count {
            let event = event(self.next);
            self.next += 1;
            let id = event.id;
            let answer = publisher.publish_as(event, Durability::Spooled).await;
            assert!(matches!(answer, Published::Spooled { .. }), "{}: {answer:?}", self.seed);
            self.kept.push(id);
        }
        "publish"
    }

    async fn flush(&mut self) -> &'static str {
        self.publisher().flush_pending().await;
        "flush"
    }

    fn trouble(&mut self) -> &'static str {
        let mut some = || self.dice.roll(30);
        let (unreachable, lost_request) = (some(), some());
        let (lost_answer, strangers) = (some(), some());
        let trouble = Trouble { unreachable, lost_request, lost_answer, strangers };
        self.stream.trouble(trouble);
        "trouble"
    }

    fn calm(&mut self) -> &'static str {
        self.stream.trouble(Trouble::default());
        "calm"
    }

    /// What is known in memory alone is gone. The file is closed, for its threads are in this process
    /// and end when they may; real processes are killed in `processes.rs`.
    async fn restart(&mut self) -> &'static str {
        if let Some(publisher) = self.publisher.take() {
            publisher.buffer().close().await;
        }
        "restart"
    }

    /// Longer than ids are remembered, or longer than the horizon; the stream syncs in time.
    fn wait(&mut self) -> &'static str {
        self.stream.sync();
        let minutes = if self.dice.roll(2) == 0 { 3 } else { 6 };
        self.clock.advance(Duration::from_mins(minutes));
        "wait"
    }

    fn lose_power(&mut self) -> &'static str {
        self.stream.lose_power();
        "power"
    }

    fn surprise(&mut self) -> &'static str {
        match self.dice.roll(4) {
            0 => self.stream.change_kind(),
            1 => self.stream.deliver_late(),
            2 => self.stream.sync(),
            _ => self.stream.stranger(),
        }
        "surprise"
    }

    /// At any moment the stream is a prefix of what was acknowledged.
    fn check(&self) {
        let there = self.stream.events();
        let holds = self.kept.starts_with(&there);
        assert!(holds, "seed {}: no prefix after {:?}", self.seed, self.log);
    }

    async fn end(mut self) -> String {
        self.stream.deliver_late();
        self.stream.trouble(Trouble::default());
        let publisher = self.publisher();
        // What was lost with the power is noticed at the latest when it is about to be let go.
        self.clock.advance(HORIZON + Duration::from_mins(1));
        for _ in 0..4 {
            publisher.flush_pending().await;
        }
        publisher.buffer().close().await;
        let there = self.stream.events();
        assert_eq!(there.len(), self.kept.len(), "seed {}: after {:?}", self.seed, self.log);
        assert_eq!(there, self.kept, "seed {}: after {:?}", self.seed, self.log);
        format!("{} {} {}", self.seed, there.len(), self.log.join(","))
    }
}
