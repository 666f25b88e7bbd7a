//! A node that is killed while it appends, beside one that goes on, and its next start.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::Arc,
};

use gov_core::{AuditEventKind, Clock as _, Payload, RecordId, SystemClock};
use gov_deferred_audit::{
    DeferredAuditQueue, Durability, LogPlaces, LogRecord, QueueConfig, SignedLog, close_and_flush,
    signed_log::conformance::{Deployment as _, in_batches, whole},
    spawn_supervised_drainer,
};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};

use crate::{nodes::Nodes, support::assert_balanced};

/// The variables that make a process of this binary a node: its folder and its database.
const DIR: &str = "GOV_TEST_NODE_DIR";
const DATABASE: &str = "GOV_TEST_NODE_DATABASE";

/// How many records a node submits if nobody kills it.
const RECORDS: u32 = 150;

#[test]
#[ignore = "plays the child of the other tests of this file"]
fn plays_a_node() {
    let Some(dir) = std::env::var_os(DIR).map(PathBuf::from) else { return };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(live(&dir, &std::env::var(DATABASE).unwrap()));
}

async fn live(dir: &Path, database: &str) {
    let url: PgConnectOptions = std::env::var("GOV_TEST_POSTGRES_URL").unwrap().parse().unwrap();
    let pool = PgPoolOptions::new().connect_with(url.database(database)).await.unwrap();
    let clock = Arc::new(SystemClock);
    let places = LogPlaces::in_dir(dir);
    let log = SignedLog::open_postgres(pool, places, clock.clone()).await.unwrap();
    let (queue, receiver) = DeferredAuditQueue::open(QueueConfig::in_dir(dir), clock).unwrap();
    let sinks = log.clone();
    let supervisor = spawn_supervised_drainer(receiver, move || sinks.sink(), &queue.metrics(), 0);
    for n in 0..RECORDS {
        if n % 10 == 9 {
            queue.submit_durable(record(n)).await.unwrap();
        } else {
            queue.try_submit(record(n), Durability::Spooled).unwrap();
        }
        // Straight to the file descriptor: what was said is said, also if the process dies next.
        let mut out = std::io::stdout();
        out.write_all(format!("@{n}\n").as_bytes()).unwrap();
        out.flush().unwrap();
    }
    let _ = close_and_flush(&queue, supervisor).await;
}

fn id(n: u32) -> RecordId {
    RecordId::derived("killed-node", &n.to_string())
}

fn record(n: u32) -> LogRecord {
    LogRecord {
        id: id(n),
        at: SystemClock.now(),
        kind: AuditEventKind::ActionRefused,
        agent_id: None,
        session_id: None,
        policy_version: None,
        verdict: None,
        payload: Payload::from_parts(format!("{{\"n\":{n}}}").into_bytes(), [3; 16]),
    }
}

/// What the node acknowledged before it died: at the crash point, or killed after its `last` word.
fn run(dir: &Path, database: &str, crash_at: Option<&str>, last: u32) -> Vec<u32> {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "postgres_kills::plays_a_node", "--ignored", "--nocapture"]);
    command.env(DIR, dir).env(DATABASE, database).env("RUST_BACKTRACE", "0");
    if let Some(point) = crash_at {
        command.env("GOV_CRASH_AT", point);
    }
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().unwrap();
    let mut said = Vec::new();
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        let line = line.unwrap();
        let Some((_, number)) = line.split_once('@') else { continue };
        said.push(number.parse().unwrap());
        if said.last() == Some(&last) {
            // SIGKILL; what it said meanwhile is still read.
            child.kill().unwrap();
        }
    }
    assert!(!child.wait().unwrap().success(), "it was not killed");
    said
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_node_acknowledged_is_in_the_shared_log_once_after_its_next_start() {
    let faults = [
        (Some("log-before-commit:1"), RECORDS),
        (Some("log-before-commit:4"), RECORDS),
        (Some("log-after-commit:1"), RECORDS),
        (Some("log-after-commit:4"), RECORDS),
        (None, 25),
        (None, 100),
    ];
    for (crash_at, last) in faults {
        let Some(it) = Nodes::new().await else { return };
        let other = it.node(0).await;
        let (dir, places) = (it.dir(1), it.places(1));
        let database = it.pool.connect_options().get_database().unwrap().to_owned();
        let ours = it.records(400);
        let running = dir.clone();
        let killed = tokio::task::spawn_blocking(move || run(&running, &database, crash_at, last));
        let appended = in_batches(&other, &ours, 10).await;
        let said = killed.await.unwrap();
        assert!(appended.is_sorted() && (1..RECORDS as usize).contains(&said.len()), "{said:?}");

        let log = it.try_open(places).await.unwrap();
        let (queue, receiver) =
            DeferredAuditQueue::open(QueueConfig::in_dir(&dir), it.clock()).unwrap();
        let sinks = log.clone();
        let supervisor =
            spawn_supervised_drainer(receiver, move || sinks.sink(), &queue.metrics(), 0);
        let flushed = close_and_flush(&queue, supervisor).await;
        assert_eq!((flushed.left_in_spool, flushed.lost), (0, 0));
        assert_balanced(&queue);

        // Nothing twice, nothing foreign, no gap: the rule looks at the whole log.
        let found = whole(&log).await;
        for n in &said {
            assert!(found.contains(&id(*n)), "{crash_at:?}: {n} was acknowledged and is lost");
        }
        assert!(ours.iter().all(|record| found.contains(&record.id)));
        let theirs = (0..RECORDS).filter(|n| found.contains(&id(*n))).count();
        assert_eq!(found.len(), ours.len() + theirs);
        assert_eq!(log.dlq_size().await.unwrap(), 0);
        it.assert_verifies().await;
    }
}
