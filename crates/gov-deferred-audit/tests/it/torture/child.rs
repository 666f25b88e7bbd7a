//! What the child does.

use std::{path::Path, sync::Arc, time::Duration};

use gov_core::{AuditEventKind, Clock as _, Payload, RecordId, SystemClock};
use gov_deferred_audit::{
    DeferredAuditQueue, Durability, FeedFollower, FollowerConfig, LogConfig, LogRecord,
    QueueConfig, SignedLog, close_and_flush_within, spawn_supervised_drainer,
};
use gov_store::fault::{Child, say};
use tokio_util::sync::CancellationToken;

use crate::{support::ToyLog, toy_component::Toy};

/// The test below, and where it is hurt.
pub(super) const CHILD: Child = Child {
    test: "torture::child::plays_the_child",
    files: &[
        "audit-log.spool",
        "audit-log.spool.1",
        "audit-log.spool.2",
        "audit-log.spool.3",
        "audit-log.spool.4",
        "audit-log.db",
        "audit-log.db-wal",
        "toy.db",
        "toy.db-wal",
        "checkpoints/checkpoints.log",
        "keys",
        ".",
    ],
    calls: &["pwrite64", "write", "fdatasync", "fsync"],
};

/// Durable records only, one after the other.
pub(super) const DURABLE: &str = "durable";

/// Spooled records before a log that never answers.
pub(super) const STUCK: &str = "stuck";

/// Spooled records until the file may not grow any more, then smaller ones.
pub(super) const CRAMPED: &str = "cramped";

/// How many facts one child tries to record.
pub(super) const OPERATIONS: u32 = 36;

/// Small bounds, so that a short life passes every corner: segments roll, records are read back.
pub(super) fn config(dir: &Path) -> QueueConfig {
    let mut config = QueueConfig::in_dir(dir);
    config.limits.segment_bytes = 1_500;
    config.max_cached_records = 3;
    config
}

/// The id of the `n`-th record of a child, so that nothing foreign can be in the log.
pub(super) fn id(kind: char, n: u32) -> RecordId {
    RecordId::derived("torture", &format!("{kind}{n}"))
}

#[test]
#[ignore = "plays the child of the other tests of this file"]
fn plays_the_child() {
    let Some((dir, role)) = Child::here() else { return };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    match role.as_str() {
        DURABLE => runtime.block_on(live_durably(&dir)),
        CRAMPED => live_in_a_file_that_may_not_grow(&dir),
        STUCK => runtime.block_on(live_before_a_locked_log(&dir)),
        _ => runtime.block_on(live(&dir)),
    }
    // What hangs on a broken disk must not keep the process.
    runtime.shutdown_timeout(Duration::from_millis(100));
}

async fn live(dir: &Path) {
    let clock = Arc::new(SystemClock);
    let Ok(log) = SignedLog::open(LogConfig::in_dir(dir), clock.clone()).await else {
        return say("E open the log");
    };
    let Ok((queue, receiver)) = DeferredAuditQueue::open(config(dir), clock.clone()) else {
        return say("E open the queue");
    };
    let Ok(toy) = Toy::open(dir) else { return say("E open the component") };
    let (toy, shutdown) = (Arc::new(toy), CancellationToken::new());
    let sinks = log.clone();
    let supervisor = spawn_supervised_drainer(receiver, move || sinks.sink(), &queue.metrics(), 5);
    let copying = tokio::spawn(log.clone().copy_outside(shutdown.clone()));
    let follow = FollowerConfig { poll_interval: Duration::from_millis(50), batch: 4 };
    let follower = FeedFollower::new(toy.clone(), queue.clone(), clock.clone(), follow);
    let handle = follower.handle();
    let following = tokio::spawn(follower.run(shutdown.clone()));
    for n in 0..OPERATIONS {
        // A disk that fails for good leaves some waiting: that is no answer, so it is not said.
        let patience = clock.now() + Duration::from_millis(1_500);
        let goes_on = tokio::select! {
            () = operate(n, &queue, &toy, &handle) => true,
            () = clock.sleep_until(patience) => false,
        };
        if !goes_on {
            say("E no answer");
            break;
        }
    }
    shutdown.cancel();
    let _ = following.await;
    let _ = close_and_flush_within(&queue, supervisor, Duration::from_secs(1)).await;
    let _ = tokio::time::timeout(Duration::from_secs(1), copying).await;
    say("END");
}

async fn live_durably(dir: &Path) {
    let clock = Arc::new(SystemClock);
    let log = SignedLog::open(LogConfig::in_dir(dir), clock.clone()).await.unwrap();
    let (queue, receiver) = DeferredAuditQueue::open(config(dir), clock).unwrap();
    let supervisor = spawn_supervised_drainer(receiver, move || log.sink(), &queue.metrics(), 0);
    for n in 0..10 {
        queue.submit_durable(record('d', n)).await.unwrap();
        say(&format!("d{n}"));
    }
    drop(supervisor);
}

async fn live_before_a_locked_log(dir: &Path) {
    let log = ToyLog::new();
    log.open_gate(false);
    let clock = Arc::new(SystemClock);
    let (queue, receiver) = DeferredAuditQueue::open(config(dir), clock).unwrap();
    let supervisor = spawn_supervised_drainer(receiver, move || log.sink(), &queue.metrics(), 0);
    queue.try_submit(record('s', 0), Durability::Spooled).unwrap();
    say("s0");
    while queue.metrics().syncs() == 0 {
        tokio::task::yield_now().await;
    }
    say("synced");
    drop(supervisor);
}

fn live_in_a_file_that_may_not_grow(dir: &Path) {
    let clock = Arc::new(SystemClock);
    let (queue, _receiver) = DeferredAuditQueue::open(QueueConfig::in_dir(dir), clock).unwrap();
    for n in 0..40 {
        let mut record = record('s', n);
        let bytes = 400 - usize::try_from(n).unwrap() * 10;
        record.payload = Payload::from_parts(vec![b'x'; bytes], [3; 16]);
        match queue.try_submit(record, Durability::Spooled) {
            Ok(_) => say(&format!("s{n}")),
            Err(error) => say(&format!("E {error}")),
        }
    }
}

async fn operate(
    n: u32,
    queue: &DeferredAuditQueue,
    toy: &Toy,
    handle: &gov_deferred_audit::FollowerHandle,
) {
    match n % 6 {
        0 => match queue.submit_durable(record('d', n)).await {
            Ok(_) => say(&format!("d{n}")),
            Err(error) => say(&format!("E {error}")),
        },
        1 => match toy.change(i64::from(n % 5), format!("state {n}")).await {
            Ok(position) => {
                say(&format!("t{position}"));
                handle.nudge();
                if n % 4 == 1 {
                    handle.logged(position).await;
                    say(&format!("l{position}"));
                }
            }
            Err(error) => say(&format!("E {error}")),
        },
        _ => match queue.try_submit(record('s', n), Durability::Spooled) {
            Ok(_) => say(&format!("s{n}")),
            Err(error) => say(&format!("E {error}")),
        },
    }
}

fn record(kind: char, n: u32) -> LogRecord {
    LogRecord {
        id: id(kind, n),
        at: SystemClock.now(),
        kind: AuditEventKind::ActionRefused,
        agent_id: None,
        session_id: None,
        policy_version: None,
        verdict: None,
        payload: Payload::from_parts(format!("{{\"n\":{n}}}").into_bytes(), [3; 16]),
    }
}
