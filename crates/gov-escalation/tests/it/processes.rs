//! Several processes share one database and fire its timers; one of them dies again and again.

mod child;

use std::{
    collections::BTreeSet,
    io::{BufRead as _, BufReader, Lines},
    process::{Child, ChildStdout, Command, Stdio},
    sync::Arc,
};

use gov_core::{Clock as _, Timestamp, clock::ManualClock};
use gov_escalation::{
    approval::Status,
    store::{
        ApprovalFilter,
        conformance::{Backend, LEASE, RUNG, TIMEOUT, request},
        postgres::PgApprovalStore,
        sqlite::{self, SqliteApprovalStore},
    },
};
use gov_store::fresh_database;
use tokio::task::JoinSet;

use crate::indexed;

/// How many timers are due.
const TIMERS: u32 = 1_000;

/// Where a process of this crate can be made to die.
const POINTS: [&str; 2] = ["escalation-before-commit", "escalation-after-commit"];

#[tokio::test]
async fn processes_on_one_sqlite_file_fire_every_timer_once_while_one_is_killed() {
    let file = fresh_database::sqlite(&[&sqlite::COMPONENT]);
    let (writer, readers) = (file.database.writer.clone(), file.database.readers.clone());
    let store = Arc::new(SqliteApprovalStore::new(writer, readers));
    share(store, "sqlite", file.path().to_str().unwrap()).await;
}

#[tokio::test]
async fn processes_on_one_postgres_fire_every_timer_once_while_one_is_killed() {
    let Some((pool, name)) = indexed::postgres().await else { return };
    share(Arc::new(PgApprovalStore::new(pool)), "postgres", &name).await;
}

async fn share(store: Arc<dyn Backend>, role: &str, place: &str) {
    let now = ManualClock::default().now();
    let mut submits = JoinSet::new();
    for number in 0..TIMERS {
        let store = Arc::clone(&store);
        submits.spawn(async move { store.submit(request(number), now).await });
    }
    while let Some(submitted) = submits.join_next().await {
        submitted.unwrap().unwrap();
    }
    let mut steady: Vec<Firing> = (0..2).map(|_| Firing::start(role, place, None)).collect();
    let mut deaths = 0;
    // The one that dies: at each point, at its first passage and later ones, and from outside.
    for nth in 1..=3 {
        for point in POINTS {
            let died = Firing::start(role, place, Some(&format!("{point}:{nth}"))).wait();
            deaths += u32::from(!died);
        }
        let mut victim = Firing::start(role, place, None);
        let fired = victim.lines.next();
        victim.child.kill().unwrap();
        deaths += u32::from(!victim.wait() && fired.is_some());
    }
    assert!(deaths > 0, "nobody died while there was something to do");
    steady.drain(..).for_each(|it| assert!(it.wait(), "a steady process failed"));
    while store.next_deadline().await.unwrap().is_some_and(|it| it <= now + RUNG) {
        store.fire_due(now + RUNG, TIMERS).await.unwrap();
    }
    check(&*store, now).await;
}

/// Every approval took exactly one step, and left exactly its traces.
async fn check(store: &dyn Backend, now: Timestamp) {
    let approvals = store.list(&ApprovalFilter::default(), None, TIMERS + 1).await.unwrap();
    assert_eq!(approvals.len(), TIMERS as usize);
    for it in &approvals {
        assert_eq!((it.status, it.rung, it.generation), (Status::Pending, 1, 2));
        assert_eq!(it.due_at, Some(now + TIMEOUT));
    }
    let rows = store.rows_after(0, u32::MAX).await.unwrap();
    assert!(rows.iter().map(|it| it.position).eq(1..=u64::from(3 * TIMERS)), "{}", rows.len());
    let steps: BTreeSet<_> = rows.iter().map(|it| (it.approval_id, it.kind.clone())).collect();
    assert_eq!(steps.len(), rows.len(), "a step is in the history twice");
    let leases = store.lease_unsent(now + RUNG, LEASE, u32::MAX).await.unwrap();
    assert_eq!(leases.len(), 2 * TIMERS as usize);
    let messages = leases.iter().map(|it| (it.notification.approval_id, it.notification.rung));
    assert_eq!(messages.collect::<BTreeSet<_>>().len(), leases.len(), "a message is there twice");
}

/// A process that fires what is due until nothing is.
struct Firing {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Firing {
    fn start(role: &str, place: &str, crash_at: Option<&str>) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["processes::child::plays_its_role", "--exact", "--nocapture", "--quiet"]);
        command.env(child::ROLE, role).env(child::PLACE, place).env_remove("GOV_CRASH_AT");
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
