//! The whole way out against a model: whatever happens, the sink has a prefix of what was
//! acknowledged, in order and once, and in the end all of it.

use std::time::Duration;

use gov_audit_buffer::{BufferConfig, Durability, Mode, Overflow, Published, Rejection};
use gov_core::{AuditEventKind, EventId};
use proptest::prelude::*;
use serde_json::Value;

use crate::{events::event, stage::Stage};

/// What the sink may lose is held for so long.
const HORIZON: Duration = Duration::from_mins(5);

#[derive(Clone, Debug)]
enum Action {
    Publish {
        durable: bool,
        high: bool,
    },
    /// As many as the shrunk limits let wait.
    Fill,
    Drain,
    SinkDown,
    SinkUp,
    /// The sink keeps the next batch, and nobody hears of it.
    LoseAck,
    /// The sink takes only so many of a batch.
    Narrow(Option<usize>),
    /// The sink syncs, and later loses what came since.
    SinkSyncs,
    SinkLosesPower,
    /// Dropped without a close; the files are opened as they are.
    Crash,
    Restart,
    Wait(u64),
}

fn action() -> impl Strategy<Value = Action> {
    let narrow = prop_oneof![Just(None), (0..4_usize).prop_map(Some)];
    prop_oneof![
        12 => any::<(bool, bool)>().prop_map(|(durable, high)| Action::Publish { durable, high }),
        1 => Just(Action::Fill),
        8 => Just(Action::Drain),
        2 => Just(Action::SinkDown),
        3 => Just(Action::SinkUp),
        3 => Just(Action::LoseAck),
        2 => narrow.prop_map(Action::Narrow),
        2 => Just(Action::SinkSyncs),
        1 => Just(Action::SinkLosesPower),
        2 => Just(Action::Crash),
        1 => Just(Action::Restart),
        2 => (0..400_u64).prop_map(Action::Wait),
    ]
}

fn limits() -> impl Strategy<Value = (Overflow, bool)> {
    (prop_oneof![Just(Overflow::Reject), Just(Overflow::DropOldest)], any::<bool>())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..Default::default() })]

    #[test]
    fn the_sink_has_what_was_acknowledged_in_order_and_once(
        (overflow, shrunk) in limits(),
        direct in prop::bool::weighted(0.3),
        actions in prop::collection::vec(action(), 10..60),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let mut config = BufferConfig { overflow, ..BufferConfig::default() };
        if shrunk {
            config.max_rows = 20;
        }
        let mode = if direct { Mode::Direct } else { Mode::WriteAhead };
        runtime.block_on(async { Life::new(mode, config).live(actions).await });
    }
}

/// One file, its sink, and what was promised.
struct Life {
    stage: Stage,
    mode: Mode,
    overflow: Overflow,
    shrunk: bool,
    next: u64,
    acknowledged: Vec<EventId>,
    refused: u64,
    crashed: bool,
    /// Since the sink synced.
    waited: Duration,
}

impl Life {
    fn new(mode: Mode, config: BufferConfig) -> Self {
        let shrunk = config.max_rows < 100;
        let overflow = config.overflow;
        let stage = Stage::with(mode, config);
        stage.sink.set_horizon(HORIZON);
        let (acknowledged, waited) = (Vec::new(), Duration::ZERO);
        Self {
            stage,
            mode,
            shrunk,
            overflow,
            next: 0,
            acknowledged,
            refused: 0,
            crashed: false,
            waited,
        }
    }

    async fn live(mut self, actions: Vec<Action>) {
        for action in actions {
            self.act(action).await;
            self.check();
        }
        self.stage.sink.come_up();
        self.stage.sink.take_at_most(None);
        self.stage.sink.lose_acks(0);
        self.stage.buffer.write_gaps().await.unwrap();
        // A broken connection, and an answer that was lost before.
        for _ in 0..3 {
            self.stage.publisher.flush_pending().await;
        }
        assert_eq!(self.stage.publisher.buffered_len(), 0);
        self.check();
        let (kept, gaps) = self.arrived();
        let (dropped, lost) = (sum(&gaps, "dropped"), sum(&gaps, "sink_lost"));
        let missing = self.acknowledged.len() as u64 - kept.len() as u64;
        let rejected = sum(&gaps, "rejected");
        if lost == 0 {
            assert_eq!(missing, dropped, "not all arrived");
            assert!(rejected == self.refused || self.crashed && rejected < self.refused);
        } else {
            // What was held for the horizon had to make room. Gaps may be among what was lost.
            assert!(self.shrunk && missing <= dropped + lost, "not all is accounted for");
        }
        self.stage.buffer.close().await;
    }

    async fn act(&mut self, action: Action) {
        let sink = &self.stage.sink;
        match action {
            Action::Publish { durable, high } => self.publish(durable, high).await,
            Action::Fill => {
                for _ in 0..20 {
                    self.publish(false, false).await;
                }
            }
            Action::Drain => drop(self.stage.publisher.flush_pending().await),
            Action::SinkDown => sink.go_down(),
            Action::SinkUp => sink.come_up(),
            Action::LoseAck => sink.lose_acks(1),
            Action::Narrow(most) => sink.take_at_most(most),
            Action::SinkSyncs => {
                sink.sync();
                self.waited = Duration::ZERO;
            }
            // What goes past the buffer is not held.
            Action::SinkLosesPower if self.mode == Mode::Direct => {}
            Action::SinkLosesPower => sink.lose_power(),
            Action::Crash => {
                self.stage.crash().await;
                self.crashed = true;
            }
            Action::Restart => self.stage.reopen().await,
            Action::Wait(seconds) => {
                self.waited += Duration::from_secs(seconds);
                if self.waited >= HORIZON {
                    // What it has for so long it loses no more.
                    sink.sync();
                    self.waited = Duration::ZERO;
                }
                self.stage.clock.advance(Duration::from_secs(seconds));
            }
        }
    }

    async fn publish(&mut self, durable: bool, high: bool) {
        let mut event = event(self.next);
        self.next += 1;
        if high {
            event.kind = AuditEventKind::ActionRefused;
        }
        let durability = if durable { Durability::Durable } else { Durability::Spooled };
        let id = event.id;
        match self.stage.publisher.publish_as(event, durability).await {
            Published::Rejected(Rejection::Full) => self.refused += 1,
            published => {
                assert!(published.is_kept(), "{published:?}");
                self.acknowledged.push(id);
            }
        }
    }

    /// What the sink has: events of ours, and the bodies of gaps.
    fn arrived(&self) -> (Vec<EventId>, Vec<Value>) {
        let (mut events, mut gaps) = (Vec::new(), Vec::new());
        for sent in self.stage.sink.kept() {
            if sent.event.kind == AuditEventKind::AuditGap {
                let event = sent.event.decode().unwrap();
                gaps.push(serde_json::from_slice(event.payload.as_bytes()).unwrap());
            } else {
                events.push(sent.event.id);
            }
        }
        (events, gaps)
    }

    /// In order, once, and with nothing left out that no gap accounts for.
    fn check(&self) {
        assert_eq!(self.stage.sink.seen().offences, Vec::<String>::new());
        assert_eq!(self.stage.sink.seen().repeats, 0);
        let (kept, gaps) = self.arrived();
        let mut promised = self.acknowledged.iter();
        let mut skipped = 0;
        for id in &kept {
            let passed = promised.by_ref().position(|it| it == id);
            assert!(passed.is_some(), "twice, out of order, or never published");
            skipped += passed.unwrap_or_default();
        }
        // A gap comes where the last of what it stands for was: rows of another class go before it.
        let accounted =
            self.overflow == Overflow::DropOldest || skipped as u64 <= sum(&gaps, "sink_lost");
        assert!(accounted, "left out without a gap");
    }
}

fn sum(gaps: &[Value], reason: &str) -> u64 {
    gaps.iter().filter(|it| it["reason"] == reason).map(|it| it["count"].as_u64().unwrap()).sum()
}
