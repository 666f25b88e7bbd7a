//! Several processes share one database, fire its timers and deliver its messages; one of them dies
//! again and again.

mod child;

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{BufRead as _, BufReader, Lines},
    process::{Child, ChildStdout, Command, Stdio},
    sync::Arc,
};

use gov_core::{Clock as _, Timestamp, clock::ManualClock, dice::Dice};
use gov_escalation::{
    approval::Status,
    store::{
        ApprovalFilter, Lane,
        conformance::{Backend, LEASE, RUNG, TIMEOUT, request},
        postgres::PgApprovalStore,
        sqlite::{self, SqliteApprovalStore},
    },
};
use gov_store::fresh_database;
use tokio::task::JoinSet;

use crate::indexed;

/// How many timers are due.
const TIMERS: u32 = 10_000;

/// So many requests wait for their commit at once.
const WAITING: usize = 256;

/// Where a process of this crate can be made to die.
const POINTS: [&str; 2] = ["escalation-before-commit", "escalation-after-commit"];

/// And where while it delivers; only the second repeats a message.
const DELIVERY: [&str; 3] =
    ["escalation-before-send", "escalation-before-mark", "escalation-after-mark"];

#[tokio::test]
async fn processes_on_one_sqlite_file_fire_every_timer_once_while_one_is_killed() {
    let deaths = on_sqlite(TIMERS, 0).await;
    assert!(deaths > 0, "nobody died while there was something to do");
}

#[tokio::test]
async fn processes_on_one_postgres_fire_every_timer_once_while_one_is_killed() {
    let Some(deaths) = on_postgres(TIMERS, 0).await else { return };
    assert!(deaths > 0, "nobody died while there was something to do");
}

#[tokio::test]
async fn processes_that_die_while_they_deliver_lose_no_message_and_repeat_one_a_death() {
    assert!(on_sqlite_delivered(60, 0).await > 0, "nobody died while there was something to do");
    let Some(deaths) = on_postgres_delivered(60, 0).await else { return };
    assert!(deaths > 0, "nobody died while there was something to do");
}

/// Fires `timers` by three processes on a fresh file, one of which dies again and again, and gives
/// how often. The seed says where.
pub(crate) async fn on_sqlite(timers: u32, seed: u64) -> u32 {
    let file = fresh_database::sqlite(&[&sqlite::COMPONENT]);
    let (writer, readers) = (file.database.writer.clone(), file.database.readers.clone());
    let store = Arc::new(SqliteApprovalStore::new(writer, readers));
    share(store, "sqlite", file.path().to_str().unwrap(), timers, seed).await
}

/// The same on a fresh PostgreSQL; `None` where there is none.
pub(crate) async fn on_postgres(timers: u32, seed: u64) -> Option<u32> {
    let (pool, name) = indexed::postgres().await?;
    Some(share(Arc::new(PgApprovalStore::new(pool)), "postgres", &name, timers, seed).await)
}

/// Delivers the messages of so many approvals from a fresh file, by two processes at a time that
/// die, and gives how often. The seed says where.
pub(crate) async fn on_sqlite_delivered(approvals: u32, seed: u64) -> u32 {
    let file = fresh_database::sqlite(&[&sqlite::COMPONENT]);
    let (writer, readers) = (file.database.writer.clone(), file.database.readers.clone());
    let store = Arc::new(SqliteApprovalStore::new(writer, readers));
    deliver(store, "sqlite", file.path().to_str().unwrap(), approvals, seed).await
}

/// The same on a fresh PostgreSQL; `None` where there is none.
pub(crate) async fn on_postgres_delivered(approvals: u32, seed: u64) -> Option<u32> {
    let (pool, name) = indexed::postgres().await?;
    Some(deliver(Arc::new(PgApprovalStore::new(pool)), "postgres", &name, approvals, seed).await)
}

async fn deliver(
    store: Arc<dyn Backend>,
    role: &str,
    place: &str,
    approvals: u32,
    seed: u64,
) -> u32 {
    let mut now = ManualClock::default().now();
    arm(&store, approvals, now).await;
    let (mut dice, mut told) = (Dice::of(seed), BTreeMap::<String, u32>::new());
    let (mut deaths, mut repeatable) = (0, 0);
    while store.pulse().await.unwrap().next_unsent.is_some() {
        // Both are to die: a steady one could deliver everything before the other has begun.
        let both = [(); 2].map(|()| {
            let point = DELIVERY[usize::try_from(dice.roll(DELIVERY.len() as u64)).unwrap()];
            let crash_at = format!("{point}:{}", 1 + dice.roll(9));
            (point, Process::deliver(role, place, now, &crash_at))
        });
        for (point, mut it) in both {
            let said: Vec<_> = it.lines.by_ref().map_while(Result::ok).collect();
            for id in said.iter().filter_map(|it| it.strip_prefix(child::SENT)) {
                *told.entry(id.to_owned()).or_default() += 1;
            }
            if !it.wait() {
                deaths += 1;
                repeatable += u32::from(point == "escalation-before-mark");
            }
        }
        now = now + LEASE;
    }
    assert_eq!(told.len(), approvals as usize, "a message is lost");
    let repeated: u32 = told.values().map(|it| it - 1).sum();
    assert_eq!(repeated, repeatable, "{told:?}");
    deaths
}

async fn share(store: Arc<dyn Backend>, role: &str, place: &str, timers: u32, seed: u64) -> u32 {
    let now = ManualClock::default().now();
    arm(&store, timers, now).await;
    let (mut dice, mut deaths) = (Dice::of(seed), 0);
    let mut steady = Vec::new();
    while store.next_deadline().await.unwrap().is_some_and(|it| it <= now + RUNG) {
        let point = usize::try_from(dice.roll(3)).unwrap();
        let nth = 1 + dice.roll(3);
        let died = if let Some(point) = POINTS.get(point) {
            !Process::fire(role, place, Some(&format!("{point}:{nth}"))).wait()
        } else {
            // From outside, in the middle of whatever it does then.
            let mut victim = Process::fire(role, place, None);
            let fired = victim.lines.by_ref().take(usize::try_from(nth).unwrap()).count();
            victim.child.kill().unwrap();
            !victim.wait() && fired > 0
        };
        deaths += u32::from(died);
        // After the first victim, or they could fire everything before it has begun.
        steady.resize_with(2, || Process::fire(role, place, None));
    }
    for it in steady {
        assert!(it.wait(), "a steady process failed");
    }
    check(&*store, timers, now).await;
    deaths
}

async fn arm(store: &Arc<dyn Backend>, timers: u32, now: Timestamp) {
    let mut submits = JoinSet::new();
    for number in 0..timers {
        let store = Arc::clone(store);
        submits.spawn(async move { store.submit(request(number), now).await });
        if submits.len() == WAITING {
            submits.join_next().await.unwrap().unwrap().unwrap();
        }
    }
    while let Some(submitted) = submits.join_next().await {
        submitted.unwrap().unwrap();
    }
}

/// Every approval took exactly one step, and left exactly its traces.
async fn check(store: &dyn Backend, timers: u32, now: Timestamp) {
    let approvals = store.list(&ApprovalFilter::default(), None, timers + 1).await.unwrap();
    assert_eq!(approvals.len(), timers as usize);
    for it in &approvals {
        assert_eq!((it.status, it.rung, it.generation), (Status::Pending, 1, 2));
        assert_eq!(it.due_at, Some(now + TIMEOUT));
    }
    let rows = store.rows_after(0, u32::MAX).await.unwrap();
    assert!(rows.iter().map(|it| it.position).eq(1..=u64::from(3 * timers)), "{}", rows.len());
    let steps: BTreeSet<_> = rows.iter().map(|it| (it.approval_id, it.kind.clone())).collect();
    assert_eq!(steps.len(), rows.len(), "a step is in the history twice");
    let leases =
        store.lease_unsent(Lane::unpaced("log"), now + RUNG, LEASE, u32::MAX).await.unwrap();
    assert_eq!(leases.len(), 2 * timers as usize);
    let messages = leases.iter().map(|it| (it.notification.approval_id, it.notification.rung));
    assert_eq!(messages.collect::<BTreeSet<_>>().len(), leases.len(), "a message is there twice");
}

/// A process that works until there is nothing to do.
struct Process {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Process {
    fn fire(role: &str, place: &str, crash_at: Option<&str>) -> Self {
        Self::start(Self::of(role, place), crash_at)
    }

    fn deliver(role: &str, place: &str, now: Timestamp, crash_at: &str) -> Self {
        let mut command = Self::of(role, place);
        command.env(child::DELIVERS_AT, now.as_micros().to_string());
        Self::start(command, Some(crash_at))
    }

    fn of(role: &str, place: &str) -> Command {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["processes::child::plays_its_role", "--exact", "--nocapture", "--quiet"]);
        command.env(child::ROLE, role).env(child::PLACE, place).env_remove("GOV_CRASH_AT");
        command
    }

    fn start(mut command: Command, crash_at: Option<&str>) -> Self {
        if let Some(point) = crash_at {
            command.env("GOV_CRASH_AT", point);
        }
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let output = child.stdout.take().unwrap();
        Self { child, lines: BufReader::new(output).lines() }
    }

    /// Whether it ended well.
    fn wait(mut self) -> bool {
        // Whoever is not read from waits for the pipe.
        self.lines.by_ref().for_each(drop);
        self.child.wait().unwrap().success()
    }
}
