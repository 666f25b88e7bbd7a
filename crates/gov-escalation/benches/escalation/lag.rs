//! How late a timer fires: in the stream of others, and after a server was away.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use gov_core::{ApprovalId, Clock as _, SystemClock, Timestamp};
use gov_escalation::{
    Alarm, DbEscalationScheduler, EscalationEvent, SchedulerConfig,
    chain::Span,
    store::{
        conformance::{Backend, TIMEOUT, request},
        sqlite::{COMPONENT, SqliteApprovalStore},
    },
};
use gov_store::{
    bench::{Goal, Line},
    fresh_database,
    sqlite::{Database, DatabaseOptions},
};
use tokio::sync::broadcast;
use tokio_util::sync::CancellationToken;

use super::{Settings, ours};

/// One is due in so long a time.
const APART: Duration = Duration::from_millis(2);

/// Upper ends of the histogram, in milliseconds.
const BUCKETS: [f64; 8] = [1.0, 2.5, 5.0, 10.0, 25.0, 50.0, 100.0, 1000.0];

/// Five hundred due a second, beside a writer that commits all the time.
pub(crate) async fn under_load(settings: &Settings) {
    let file = fresh_database::sqlite(&[&COMPONENT]);
    let store = store_of(&file.database);
    let clock = SystemClock;
    let timers = if settings.bench.once { 100 } else { 5_000 };
    let commit = median_commit(&store).await;

    // They are armed in the time in which the first of them waits.
    let wait = Duration::from_secs(if settings.bench.once { 1 } else { 10 });
    let begin = clock.now();
    let mut due = BTreeMap::new();
    let requests = (0..timers).map(|number| {
        let mut request = request(number);
        request.chain.rungs[1].after = Span(wait + APART * number);
        request
    });
    for submitted in ours::submit_all(&store, requests, begin).await {
        due.insert(submitted.id, submitted.due_at.unwrap());
    }
    let (scheduler, mut events, shutdown) = start(&store);
    let writing = tokio::spawn(write_until(Arc::clone(&store), shutdown.clone()));
    let running = tokio::spawn(scheduler.run(shutdown.clone()));
    let mut lags = Vec::new();
    while lags.len() < due.len() {
        let event = events.recv().await.unwrap();
        lags.extend(lag_of(&event, &due, clock.now()));
    }
    shutdown.cancel();
    running.await.unwrap();
    let written = writing.await.unwrap();
    file.database.close().await;

    lags.sort_unstable();
    let at = |share: usize| millis(lags[(lags.len() - 1) * share / 100]);
    let (p50, p99, bound) = (at(50), at(99), 25.0 + 3.0 * millis(commit));
    let case = format!(
        "lag of {timers} timers, 500/s, beside {written} other commits, beside 25 ms and three \
         commits; one alone takes {:.3} ms; p50 {p50:.3} ms; histogram {}",
        millis(commit),
        histogram(&lags)
    );
    settings.bench.print(&Line {
        case,
        ours: p99,
        baseline: bound,
        unit: "ms at p99",
        goal: Goal::AtMost(1.0),
    });
}

/// From opening the file, in which all are overdue, to the first one that is fired and kept.
pub(crate) async fn first_fire(settings: &Settings) {
    let file = fresh_database::sqlite(&[&COMPONENT]);
    let long_ago = SystemClock.now().as_micros() - i64::try_from(TIMEOUT.as_micros() / 2).unwrap();
    let long_ago = Timestamp::from_micros_clamped(long_ago);
    ours::arm_at(&store_of(&file.database), settings.armed, long_ago, request).await;
    let path = file.path();
    file.database.close().await;

    let started = Instant::now();
    let options = DatabaseOptions::new("bench");
    let database = Database::open(&path, &options, &[&COMPONENT], SystemClock.now()).unwrap();
    let (scheduler, mut events, shutdown) = start(&store_of(&database));
    let running = tokio::spawn(scheduler.run(shutdown.clone()));
    events.recv().await.unwrap();
    let took = started.elapsed();
    shutdown.cancel();
    running.await.unwrap();
    database.close().await;
    settings.bench.print(&Line {
        case: format!(
            "{} overdue at the start: open to first fire, beside one second",
            settings.armed
        ),
        ours: took.as_secs_f64(),
        baseline: 1.0,
        unit: "s",
        goal: Goal::AtMost(1.0),
    });
}

fn store_of(database: &Database) -> Arc<dyn Backend> {
    let (writer, readers) = (database.writer.clone(), database.readers.clone());
    Arc::new(SqliteApprovalStore::new(writer, readers))
}

fn start(
    store: &Arc<dyn Backend>,
) -> (DbEscalationScheduler, broadcast::Receiver<EscalationEvent>, CancellationToken) {
    let config = SchedulerConfig { events: 100_000, ..SchedulerConfig::default() };
    let (store, alarm) = (Arc::clone(store), Arc::new(Alarm::new()));
    let scheduler = DbEscalationScheduler::new(store, Arc::new(SystemClock), alarm, config);
    let events = scheduler.subscribe();
    (scheduler, events, CancellationToken::new())
}

async fn median_commit(store: &Arc<dyn Backend>) -> Duration {
    let mut took = Vec::new();
    for number in 0..101 {
        let started = Instant::now();
        // Far from the numbers of the others, and never due.
        let submitted = store.submit(request(1_000_000 + number), SystemClock.now()).await;
        took.push(started.elapsed());
        submitted.unwrap();
    }
    took.sort_unstable();
    took[took.len() / 2]
}

/// How many it wrote.
async fn write_until(store: Arc<dyn Backend>, shutdown: CancellationToken) -> u32 {
    let mut written = 0;
    while !shutdown.is_cancelled() {
        store.submit(request(2_000_000 + written), SystemClock.now()).await.unwrap();
        written += 1;
    }
    written
}

fn lag_of(
    event: &EscalationEvent,
    due: &BTreeMap<ApprovalId, Timestamp>,
    now: Timestamp,
) -> Option<Duration> {
    due.get(&event.request_id).map(|due| now.since(*due))
}

fn histogram(lags: &[Duration]) -> String {
    let below = |end: f64| lags.iter().filter(|it| millis(**it) <= end).count();
    let buckets: Vec<_> = BUCKETS.iter().map(|end| format!("<={end}:{}", below(*end))).collect();
    buckets.join(" ")
}

fn millis(span: Duration) -> f64 {
    span.as_secs_f64() * 1e3
}
