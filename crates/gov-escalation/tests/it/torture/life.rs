//! One life of two processes on one store: requests, answers, uses, a clock that jumps, and deaths
//! between any two steps.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use gov_core::{
    ApprovalId, AuditEventKind as Kind, Clock as _, Timestamp, clock::ManualClock, dice::Dice,
};
use gov_escalation::{
    Alarm, DbEscalationScheduler, Notifier, SchedulerConfig, Sender, SenderConfig, Target,
    approval::{Approval, Notification, Status, Verdict},
    store::{
        Applied, ApprovalFilter, ApprovalStore, Outbox,
        conformance::{Backend, RUNG, TIMEOUT, answer, consume, request},
    },
};
use parking_lot::Mutex;

use super::node::Node;

const STEPS: u64 = 60;

struct World {
    store: Arc<dyn Backend>,
    heard: Arc<Mutex<Vec<Notification>>>,
    clock: Arc<ManualClock>,
    nodes: [Node; 2],
    dice: Dice,
    /// Which action each approval is about.
    asked: BTreeMap<ApprovalId, u32>,
    /// How often a use was said to have happened.
    used: BTreeMap<ApprovalId, u32>,
    deaths: u32,
}

/// Lives the life of `seed` on an empty store, and says what became of it.
pub(super) async fn live(store: Arc<dyn Backend>, seed: u64) -> String {
    let heard: Arc<Mutex<Vec<Notification>>> = Arc::default();
    let node = |salt| Node::new(Arc::clone(&store), Arc::clone(&heard), Dice::of(seed ^ salt));
    let mut world = World {
        nodes: [node(1 << 40), node(1 << 41)],
        store,
        heard,
        clock: Arc::new(ManualClock::default()),
        dice: Dice::of(seed),
        asked: BTreeMap::new(),
        used: BTreeMap::new(),
        deaths: 0,
    };
    for step in 0..STEPS {
        world.step(u32::try_from(step).unwrap()).await;
    }
    world.come_to_an_end().await;
    world.check(seed).await
}

impl World {
    async fn step(&mut self, number: u32) {
        let which = usize::try_from(self.dice.roll(2)).unwrap();
        self.nodes[which].fate.dies_after((self.dice.roll(6) == 0).then(|| self.dice.roll(2)));
        let now = self.clock.now();
        match self.dice.roll(100) {
            0..25 => self.ask(which, number, now).await,
            25..38 => self.decide(which, now).await,
            38..50 => self.consume(which, now).await,
            50..68 => self.clock.advance(RUNG / 32 * u32::try_from(self.dice.roll(32)).unwrap()),
            // An operator corrects the clock.
            68..71 => {
                let back = Duration::from_secs(self.dice.roll(600)).as_micros();
                let back = now.as_micros() - i64::try_from(back).unwrap();
                self.clock.set(Timestamp::from_micros(back).unwrap());
            }
            _ => self.work().await,
        }
        self.nodes.iter().for_each(|it| it.fate.dies_after(None));
    }

    /// Who does not hear an answer asks again, where somebody answers.
    async fn ask(&mut self, which: usize, number: u32, now: Timestamp) {
        let first = self.nodes[which].store.submit(request(number), now).await;
        let again = self.nodes[1 - which].store.submit(request(number), now).await.unwrap();
        if let Ok(first) = first {
            assert_eq!(
                first.approval.id, again.approval.id,
                "the same action is asked about twice"
            );
        }
        self.asked.insert(again.approval.id, number);
    }

    async fn decide(&mut self, which: usize, now: Timestamp) {
        let Some((id, number)) = self.any() else { return };
        let verdict = if self.dice.roll(3) == 0 { Verdict::Reject } else { Verdict::Approve };
        // Whoever hears nothing leaves it at that: the history will say.
        let _ = self.nodes[which].store.apply(id, answer(verdict, number), now).await;
    }

    /// Two agents that share a session use the same approval.
    async fn consume(&mut self, which: usize, now: Timestamp) {
        let Some((id, number)) = self.any() else { return };
        let (one, other) = tokio::join!(
            self.nodes[which].store.apply(id, consume(number, Some("one")), now),
            self.nodes[1 - which].store.apply(id, consume(number, Some("other")), now),
        );
        for outcome in [one, other] {
            if let Ok(Applied::Done { .. }) = outcome {
                *self.used.entry(id).or_default() += 1;
            }
        }
    }

    fn any(&mut self) -> Option<(ApprovalId, u32)> {
        // The newest are still open, most of them.
        let at = usize::try_from(self.dice.roll(self.asked.len().min(4) as u64)).unwrap();
        self.asked.iter().rev().nth(at).map(|(id, number)| (*id, *number))
    }

    /// Both fire and send, side by side, and may die at it.
    async fn work(&mut self) {
        for node in &self.nodes {
            let dies = self.dice.roll(2) == 0;
            let passages = 1 + self.dice.roll(24);
            node.fate.dies_after(dies.then_some(passages));
        }
        let [one, other] = &self.nodes;
        let (one, other) = tokio::join!(self.pass(one), self.pass(other));
        self.deaths += u32::from(!one) + u32::from(!other);
    }

    /// One pass of a process that has just been started; `false` if it died.
    async fn pass(&self, node: &Node) -> bool {
        let (alarm, clock) = (Arc::<Alarm>::default(), Arc::clone(&self.clock));
        let scheduler = DbEscalationScheduler::new(
            Arc::clone(&node.store) as Arc<dyn ApprovalStore>,
            clock.clone(),
            Arc::clone(&alarm),
            SchedulerConfig { batch: 3, ..SchedulerConfig::default() },
        );
        let notifier: Arc<dyn Notifier> = node.fate.clone();
        let sender = Sender::new(
            Arc::clone(&node.store) as Arc<dyn Outbox>,
            BTreeMap::from([("log".to_owned(), Target::new(notifier))]),
            clock,
            alarm,
            SenderConfig::default(),
        );
        let (fired, sent) = tokio::join!(scheduler.tick(), sender.run_once());
        fired.is_ok() && sent.is_ok()
    }

    /// Nobody dies any more, and time passes until everything is over and everybody was told.
    async fn come_to_an_end(&mut self) {
        let latest = self.clock.now() + 4 * TIMEOUT;
        self.clock.set(latest);
        for round in 0.. {
            let [one, other] = &self.nodes;
            assert_eq!(tokio::join!(self.pass(one), self.pass(other)), (true, true));
            let open = self.store.next_deadline().await.unwrap();
            let unsent = self.store.next_unsent().await.unwrap();
            let Some(next) = open.into_iter().chain(unsent).min() else { break };
            assert!(round < 1_000, "it does not come to an end: {next}");
            self.clock.set(next.max(self.clock.now()));
        }
    }

    async fn check(&self, seed: u64) -> String {
        let rows = self.store.rows_after(0, u32::MAX).await.unwrap();
        let positions = rows.iter().map(|it| it.position);
        assert!(positions.eq(1..=rows.len() as u64), "seed {seed}: the history has gaps");
        let limit = u32::try_from(self.asked.len()).unwrap() + 1;
        let all = self.store.list(&ApprovalFilter::default(), None, limit).await.unwrap();
        let ids: BTreeSet<_> = all.iter().map(|it| it.id).collect();
        assert!(ids.iter().eq(self.asked.keys()), "seed {seed}: a request is missing, or twice");
        let mut told = BTreeSet::new();
        let mut endings = BTreeMap::new();
        for it in &all {
            let kinds: Vec<_> =
                rows.iter().filter(|row| row.approval_id == it.id).map(|row| &row.kind).collect();
            told.extend((0..=check_path(it, &kinds, seed)).map(|rung| (it.id, rung)));
            assert!(self.used.get(&it.id).is_none_or(|uses| *uses <= 1), "seed {seed}: {it:?}");
            *endings.entry(it.status.as_str()).or_insert(0) += 1;
        }
        let heard = self.heard.lock();
        let by_id: BTreeMap<_, _> =
            heard.iter().map(|it| (it.id, (it.approval_id, it.rung))).collect();
        // Each message, under one id however often it came.
        assert_eq!(by_id.len(), told.len(), "seed {seed}: a message is missing, or has two ids");
        assert!(by_id.into_values().collect::<BTreeSet<_>>() == told, "seed {seed}");
        let repeats = heard.len() - told.len();
        format!(
            "{seed}: {endings:?}, {} messages, {repeats} repeated, {} deaths",
            told.len(),
            self.deaths
        )
    }
}

/// That an approval went one way, each step once; and how far up it was asked.
fn check_path(approval: &Approval, kinds: &[&Kind], seed: u64) -> u32 {
    let told = || format!("seed {seed}: {approval:?}: {kinds:?}");
    let [Kind::ApprovalRequested, Kind::ApprovalRouted, rest @ ..] = kinds else {
        panic!("{}", told());
    };
    let (rung, rest) = match rest {
        [Kind::ApprovalEscalated, rest @ ..] => (1, rest),
        rest => (0, rest),
    };
    let ending = match rest {
        [Kind::ApprovalRejected] => Status::Rejected,
        [Kind::ApprovalTimedOut] => Status::TimedOut,
        [Kind::ApprovalApproved, Kind::ApprovalConsumed] => Status::Consumed,
        [Kind::ApprovalApproved, Kind::ApprovalExpired] => Status::Expired,
        _ => panic!("{}", told()),
    };
    assert_eq!((approval.rung, approval.status), (rung, ending), "{}", told());
    rung
}
