//! Processes on one PostgreSQL wake each other.

use std::{collections::BTreeSet, pin::pin, sync::Arc, time::Duration};

use gov_core::{Clock as _, clock::ManualClock};
use gov_escalation::{
    Alarm, DbEscalationScheduler, SchedulerConfig,
    chain::Span,
    store::{
        ApprovalStore as _,
        conformance::request,
        postgres::{COMPONENT, PgApprovalStore, PgBell},
    },
};
use gov_store::fresh_database;
use sqlx::{PgPool, postgres::PgListener};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// Nobody may wait longer.
const PATIENCE: Duration = Duration::from_mins(1);

/// One process: its scheduler, and what rings there.
struct Node {
    store: PgApprovalStore,
    scheduler: DbEscalationScheduler,
    bell: PgBell,
}

/// Its scheduler never looks by itself within a test.
fn node(pool: &PgPool, clock: &ManualClock) -> Node {
    let (store, alarm) = (PgApprovalStore::new(pool.clone()), Arc::new(Alarm::new()));
    let config =
        SchedulerConfig { safety_poll: Duration::from_hours(1000), ..SchedulerConfig::default() };
    let clock = Arc::new(clock.clone());
    let bell = PgBell::new(&store, Arc::clone(&alarm), clock.clone());
    let scheduler = DbEscalationScheduler::new(Arc::new(store.clone()), clock, alarm, config);
    Node { store, scheduler, bell }
}

async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let waiting = async { while !holds().await {} };
    tokio::time::timeout(PATIENCE, waiting).await.unwrap_or_else(|_| panic!("{what}"));
}

/// The sessions of this database that listen.
async fn listening(pool: &PgPool) -> BTreeSet<i32> {
    let sql = "select pid from pg_stat_activity
               where datname = current_database() and query ilike 'listen%'";
    sqlx::query_scalar(sql).fetch_all(pool).await.unwrap().into_iter().collect()
}

/// The deadline that the next notice is about.
async fn notice(others: &mut PgListener) -> String {
    let heard = tokio::time::timeout(PATIENCE, others.recv()).await;
    let heard = heard.expect("nobody rings").unwrap();
    heard.payload().split_once(' ').unwrap().1.to_owned()
}

#[tokio::test]
async fn an_earlier_deadline_of_another_process_wakes_a_sleeping_scheduler() {
    let Some(pool) = fresh_database::postgres(&[&COMPONENT]).await else { return };
    let clock = ManualClock::default();
    let [sleeper, other] = [node(&pool, &clock), node(&pool, &clock)];
    let (store, shutdown) = (sleeper.store.clone(), CancellationToken::new());
    let mut tasks = JoinSet::new();
    tasks.spawn(sleeper.scheduler.run(shutdown.clone()));
    tasks.spawn(sleeper.bell.run(shutdown.clone()));
    tasks.spawn(other.bell.run(shutdown.clone()));
    until("nobody listens", async || listening(&pool).await.len() == 2).await;

    let mut hurried = request(1);
    hurried.chain.rungs[1].after = Span(Duration::from_secs(1));
    // The other one's own scheduler is gone.
    let id = other.scheduler.register(hurried).await.unwrap().approval_id;
    clock.advance(Duration::from_secs(1));
    until("it sleeps", async || store.get(id).await.unwrap().rung == 1).await;
    shutdown.cancel();
    let ended = tokio::time::timeout(PATIENCE, tasks.join_all());
    ended.await.expect("a task still waits");
}

#[tokio::test]
async fn a_bell_tells_of_the_earliest_of_what_is_armed_in_its_pause() {
    let Some(pool) = fresh_database::postgres(&[&COMPONENT]).await else { return };
    let (clock, alarm) = (ManualClock::default(), Arc::new(Alarm::new()));
    let now = clock.now();
    let store = PgApprovalStore::new(pool.clone());
    let bell = PgBell::new(&store, Arc::clone(&alarm), Arc::new(clock.clone()));
    let mut others = PgListener::connect_with(&pool).await.unwrap();
    others.listen("gov_escalation_armed").await.unwrap();
    let shutdown = CancellationToken::new();
    let task = tokio::spawn(bell.run(shutdown.clone()));
    alarm.runs_again(now);
    assert_eq!(notice(&mut others).await, now.as_micros().to_string());
    for seconds in [3, 1, 2] {
        alarm.runs_again(now + Duration::from_secs(seconds));
        // Whoever does not wait has told it by now.
        assert_eq!(listening(&pool).await.len(), 2);
    }
    let earliest = now + Duration::from_secs(1);
    let mut heard = pin!(notice(&mut others));
    let heard = loop {
        clock.advance(Duration::from_millis(50));
        tokio::select! {
            biased;
            heard = &mut heard => break heard,
            _ = listening(&pool) => (),
        }
    };
    assert_eq!(heard, earliest.as_micros().to_string());
    shutdown.cancel();
    tokio::time::timeout(PATIENCE, task).await.expect("the task still waits").unwrap();
}

#[tokio::test]
async fn a_bell_whose_connection_dies_rings_again() {
    let Some(pool) = fresh_database::postgres(&[&COMPONENT]).await else { return };
    let clock = ManualClock::default();
    let [sleeper, other] = [node(&pool, &clock), node(&pool, &clock)];
    let (store, shutdown) = (sleeper.store.clone(), CancellationToken::new());
    let mut tasks = JoinSet::new();
    tasks.spawn(sleeper.scheduler.run(shutdown.clone()));
    tasks.spawn(sleeper.bell.run(shutdown.clone()));
    tasks.spawn(other.bell.run(shutdown.clone()));
    until("nobody listens", async || listening(&pool).await.len() == 2).await;
    let killed = listening(&pool).await;
    for pid in &killed {
        sqlx::query("select pg_terminate_backend($1)").bind(pid).execute(&pool).await.unwrap();
    }
    // Each retry takes a while of this clock, if the connection is not simply made again.
    until("nobody listens again", async || {
        clock.advance(Duration::from_millis(100));
        // One that was killed may still be seen for a while.
        let now = listening(&pool).await;
        now.len() == 2 && now.is_disjoint(&killed)
    })
    .await;
    let mut hurried = request(1);
    hurried.chain.rungs[1].after = Span(Duration::from_secs(1));
    let id = other.scheduler.register(hurried).await.unwrap().approval_id;
    until("it sleeps", async || {
        clock.advance(Duration::from_millis(100));
        store.get(id).await.unwrap().rung > 0
    })
    .await;
    assert!(clock.now() < ManualClock::default().now() + Duration::from_hours(1000));
    shutdown.cancel();
    let ended = tokio::time::timeout(PATIENCE, tasks.join_all());
    ended.await.expect("a task still waits");
}
