//! Our way: batches.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use gov_core::{Clock as _, Timestamp, clock::ManualClock};
use gov_escalation::{
    approval::{Approval, ApprovalRequest},
    store::{
        Fired,
        conformance::{Backend, RUNG, request},
        postgres::PgApprovalStore,
        sqlite::{self, SqliteApprovalStore},
    },
};
use gov_store::{
    bench::{far, fsyncs},
    fresh_database,
};
use metrics_util::debugging::Snapshotter;
use sqlx::{PgPool, Row as _, postgres::PgConnectOptions};
use tokio::task::JoinSet;

use super::{BATCH, Run};

pub(crate) async fn on_sqlite(timers: u32, snapshots: &Snapshotter) -> Run {
    let file = fresh_database::sqlite(&[&sqlite::COMPONENT]);
    let (writer, readers) = (file.database.writer.clone(), file.database.readers.clone());
    let store: Arc<dyn Backend> = Arc::new(SqliteApprovalStore::new(writer, readers));
    arm(&store, timers).await;
    // Whatever was counted before does not count.
    let _ = fsyncs(snapshots);
    let run = fire(&*store, timers).await;
    let fsyncs = u64::from(fsyncs(snapshots));
    file.database.close().await;
    Run { fsyncs: Some(fsyncs), ..run }
}

pub(crate) async fn on_postgres(pool: &PgPool, timers: u32) -> Run {
    let store: Arc<dyn Backend> = Arc::new(PgApprovalStore::new(pool.clone()));
    arm(&store, timers).await;
    sqlx::query("analyze").execute(pool).await.unwrap();
    fire(&*store, timers).await
}

/// The same database, as a server opens it that is so far away from it, and how durable it is.
pub(crate) async fn as_a_server(pool: PgPool, delay: Duration) -> (PgPool, String) {
    let sql = "select current_database(), current_setting('fsync'),
               current_setting('synchronous_commit')";
    let row = sqlx::query(sql).fetch_one(&pool).await.unwrap();
    let durability = format!(
        "fsync={}, synchronous_commit={}",
        row.get::<String, _>(1),
        row.get::<String, _>(2)
    );
    let server: PgConnectOptions = std::env::var("GOV_TEST_POSTGRES_URL").unwrap().parse().unwrap();
    let port = server.get_port();
    let port = if delay.is_zero() { port } else { far::before(port, delay).await.unwrap() };
    let options = server.database(row.get(0)).port(port);
    (PgPool::connect_with(options).await.unwrap(), durability)
}

/// Opens approvals whose first rung is over at the same time.
async fn arm(store: &Arc<dyn Backend>, timers: u32) {
    arm_at(store, timers, ManualClock::default().now(), request).await;
}

/// The same, at a time and with requests of the caller's choice.
pub(crate) async fn arm_at(
    store: &Arc<dyn Backend>,
    timers: u32,
    now: Timestamp,
    request: impl Fn(u32) -> ApprovalRequest,
) {
    submit_all(store, (0..timers).map(request), now).await;
}

/// A request of which nobody is told.
pub(crate) fn untold(number: u32) -> ApprovalRequest {
    let mut request = request(number);
    request.chain.rungs.iter_mut().for_each(|it| it.notify.clear());
    request
}

/// Opens all of them, many at a time.
pub(crate) async fn submit_all(
    store: &Arc<dyn Backend>,
    requests: impl Iterator<Item = ApprovalRequest>,
    now: Timestamp,
) -> Vec<Approval> {
    let (mut submits, mut opened) = (JoinSet::new(), Vec::new());
    for request in requests {
        let store = Arc::clone(store);
        submits.spawn(async move { store.submit(request, now).await.unwrap() });
        if submits.len() == 256 {
            opened.push(submits.join_next().await.unwrap().unwrap());
        }
    }
    opened.extend(submits.join_all().await);
    assert!(opened.iter().all(|it| it.position.is_some()), "one joined another");
    opened.into_iter().map(|it| it.approval).collect()
}

async fn fire(store: &dyn Backend, timers: u32) -> Run {
    let late = ManualClock::default().now() + RUNG;
    let started = Instant::now();
    let (mut fired, mut commits) = (0, 0);
    loop {
        let batch = store.fire_due(late, BATCH).await.unwrap();
        if batch == Fired::default() {
            break;
        }
        (fired, commits) = (fired + batch.escalated, commits + 1);
    }
    let timers_per_second = f64::from(timers) / started.elapsed().as_secs_f64();
    assert_eq!(fired, timers);
    assert_eq!(store.end().await.unwrap(), 3 * u64::from(timers));
    Run { timers_per_second, commits, fsyncs: None }
}
