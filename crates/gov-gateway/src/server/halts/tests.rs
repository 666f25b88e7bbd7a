//! How the clocks follow the halts of a history that others write, too.

use gov_core::clock::ManualClock;
use gov_escalation::{
    Alarm, DbEscalationScheduler, SchedulerConfig,
    store::{
        ApprovalStore as _, HaltClock as _,
        conformance::{RUNG, request},
        memory::MemoryApprovalStore,
    },
};
use gov_store::fresh_database::{self, SqliteFile};

use super::*;
use crate::store::{
    Edit, Effect,
    sqlite::{COMPONENT, SqliteGatewayStore},
};

/// How long the halts last.
const HALT: Duration = Duration::from_mins(10);

/// Nobody may wait longer.
const PATIENCE: Duration = Duration::from_mins(1);

struct It {
    clock: ManualClock,
    store: Arc<dyn GatewayStore>,
    directory: Arc<Directory>,
    approvals: Arc<MemoryApprovalStore>,
    alarm: Arc<Alarm>,
    _file: SqliteFile,
}

fn start() -> It {
    let (file, clock) = (fresh_database::sqlite(&[&COMPONENT]), ManualClock::default());
    let store = Arc::new(SqliteGatewayStore::new(&file.database));
    let (directory, approvals) = (Arc::default(), Arc::default());
    It { clock, store, directory, approvals, alarm: Arc::new(Alarm::new()), _file: file }
}

impl It {
    fn halts(&self) -> Halts {
        let clocks = Clocks { store: self.approvals.clone(), alarm: Arc::clone(&self.alarm) };
        let clock: Arc<dyn Clock> = Arc::new(self.clock.clone());
        Halts::new(&self.directory, &self.store, clocks, &clock)
    }

    fn halt(&self) -> Halt {
        let (reason, who) = ("smoke".to_owned(), "tok_1".to_owned());
        Halt { halted_at: self.clock.now(), reason, who, resumed_at: None }
    }

    /// What another server does, and this one hears of if `is_heard`.
    async fn elsewhere(&self, effect: Effect, is_heard: bool) -> Halt {
        let edit = Edit::new(effect, "tok_1", self.clock.now()).unwrap();
        let position = self.store.apply(edit.clone()).await.unwrap().unwrap();
        if is_heard {
            self.directory.take_in(&edit, position);
        }
        self.store.contents().await.unwrap().identities.halt.unwrap()
    }

    /// A halt that is over, and that nobody here has heard of.
    async fn ended(&self) -> Halt {
        self.elsewhere(Effect::Halt(self.halt()), false).await;
        self.clock.advance(HALT);
        self.elsewhere(resume(), false).await
    }

    async fn given_back(&self) -> Duration {
        self.approvals.clock().await.unwrap().given_back
    }

    async fn halted_at(&self) -> Option<Timestamp> {
        self.approvals.clock().await.unwrap().halted_at
    }
}

fn resume() -> Effect {
    Effect::Resume { reason: "a toaster".to_owned() }
}

async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let waiting = async {
        while !holds().await {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.unwrap_or_else(|_| panic!("{what}"));
}

#[tokio::test]
async fn a_halt_that_was_over_when_it_was_heard_of_gives_its_time_back_once() {
    let it = start();
    let (halts, ended) = (it.halts(), it.ended().await);
    for _ in 0..2 {
        halts.follow(Some(&ended), None).await.unwrap();
        assert_eq!((it.halted_at().await, it.given_back().await), (None, HALT));
    }
}

/// It may be older than the clocks.
#[tokio::test]
async fn a_halt_of_before_the_start_that_no_clock_stood_still_for_gives_back_nothing() {
    let it = start();
    let (halts, ended) = (it.halts(), it.ended().await);
    halts.follow(Some(&ended), Some(&ended)).await.unwrap();
    assert_eq!((it.halted_at().await, it.given_back().await), (None, Duration::ZERO));
}

#[tokio::test]
async fn the_clocks_follow_once_the_database_holds_what_was_heard() {
    let it = start();
    let (halts, halt, stop) = (it.halts(), it.halt(), CancellationToken::new());
    let health = halts.health();
    let says = |what: &str| format!("{:?}", health.health()).contains(what);
    let task = tokio::spawn(halts.run(stop.clone()));
    it.directory.put_halt(halt.clone());
    let behind = "do not follow: the database does not hold it yet";
    until("nobody is told", async || says(behind)).await;
    assert_eq!(it.halted_at().await, None);
    it.elsewhere(Effect::Halt(halt.clone()), false).await;
    until("it is not tried again", async || {
        it.clock.advance(LAST_RETRY);
        it.halted_at().await == Some(halt.halted_at)
    })
    .await;
    until("it still complains", async || says("everything is halted") && !says(behind)).await;
    stop.cancel();
    tokio::time::timeout(PATIENCE, task).await.expect("the task still waits").unwrap();
}

#[tokio::test]
async fn the_end_of_a_halt_wakes_a_scheduler_that_sleeps_through_it() {
    let it = start();
    let id = it.approvals.submit(request(1), it.clock.now()).await.unwrap().approval.id;
    let (halts, stop) = (it.halts(), CancellationToken::new());
    let mut tasks = tokio::task::JoinSet::new();
    tasks.spawn(halts.run(stop.clone()));
    it.elsewhere(Effect::Halt(it.halt()), true).await;
    until("the clocks run", async || it.halted_at().await.is_some()).await;
    // It looks once, finds nothing to wait for, and never looks by itself.
    let patient =
        SchedulerConfig { safety_poll: Duration::from_hours(1000), ..SchedulerConfig::default() };
    let (approvals, clock) = (it.approvals.clone(), Arc::new(it.clock.clone()));
    let alarm = Arc::clone(&it.alarm);
    tasks.spawn(DbEscalationScheduler::new(approvals, clock, alarm, patient).run(stop.clone()));
    for _ in 0..32 {
        tokio::task::yield_now().await;
    }
    it.clock.advance(HALT);
    it.elsewhere(resume(), true).await;
    until("the clocks stand still", async || it.halted_at().await.is_none()).await;
    it.clock.advance(RUNG);
    until("it sleeps", async || it.approvals.get(id).await.unwrap().rung == 1).await;
    stop.cancel();
    tokio::time::timeout(PATIENCE, tasks.join_all()).await.expect("a task still waits");
}
