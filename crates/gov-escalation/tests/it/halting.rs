//! The clock that stands still: over restarts, in other processes, and for who sleeps meanwhile.

use std::time::Duration;

use gov_core::{Clock as _, Timestamp, clock::ManualClock};
use gov_escalation::{
    SchedulerConfig,
    store::{
        ApprovalStore as _, HaltClock as _,
        conformance::{Backend, RUNG, TIMEOUT, request},
        postgres::{self, PgApprovalStore},
        sqlite::{COMPONENT, SqliteApprovalStore},
    },
};
use gov_store::{
    fresh_database,
    sqlite::{Database, DatabaseOptions},
};

use crate::support::{MINUTE, Process, TICK, almost};

/// How long the halts last.
const HALT: Duration = Duration::from_hours(9);

#[tokio::test]
async fn a_scheduler_sleeps_through_a_halt_and_wakes_when_it_ends() {
    let mut it = Process::new();
    let id = it.ask(1).await.id;
    // It never looks by itself within this test.
    let patient =
        SchedulerConfig { safety_poll: Duration::from_hours(1000), ..SchedulerConfig::default() };
    it.start_scheduler(patient);
    it.settle().await;
    let halted_at = it.clock.now();
    it.store.inner.halt(halted_at).await.unwrap();
    it.pass(HALT).await;
    assert_eq!(it.store.inner.get(id).await.unwrap().rung, 0, "fired during the halt");

    it.store.inner.resume(halted_at, it.clock.now()).await.unwrap();
    it.approvals.alarm().runs_again(it.clock.now());
    it.settle().await;
    it.pass(almost(RUNG)).await;
    assert_eq!(it.store.inner.get(id).await.unwrap().rung, 0, "fired too early");
    it.pass(TICK).await;
    assert_eq!(it.store.inner.get(id).await.unwrap().rung, 1);
    it.stop().await;
}

#[tokio::test]
async fn a_halt_survives_a_restart_on_sqlite() {
    let file = fresh_database::sqlite(&[&COMPONENT]);
    let before =
        SqliteApprovalStore::new(file.database.writer.clone(), file.database.readers.clone());
    let (options, at) = (DatabaseOptions::new("test"), Timestamp::UNIX_EPOCH);
    let reopened = Database::open(&file.path(), &options, &[&COMPONENT], at).unwrap();
    let after = SqliteApprovalStore::new(reopened.writer.clone(), reopened.readers.clone());
    one_halts_and_the_other_goes_on(&before, &after).await;
    reopened.close().await;
}

#[tokio::test]
async fn a_halt_survives_a_restart_on_postgres() {
    let Some(pool) = fresh_database::postgres(&[&postgres::COMPONENT]).await else { return };
    let (before, after) = (PgApprovalStore::new(pool.clone()), PgApprovalStore::new(pool));
    one_halts_and_the_other_goes_on(&before, &after).await;
}

/// What a process that ended has stopped stands still in the next one, and goes on there.
async fn one_halts_and_the_other_goes_on(one: &dyn Backend, other: &dyn Backend) {
    let now = ManualClock::default().now();
    let id = one.submit(request(1), now).await.unwrap().approval.id;
    let halted_at = now + MINUTE;
    assert!(one.halt(halted_at).await.unwrap());
    assert_eq!(other.clock().await.unwrap().halted_at, Some(halted_at));
    assert_eq!(other.get(id).await.unwrap().clock.halted_at, Some(halted_at));
    assert_eq!(other.fire_due(now + TIMEOUT, 10).await.unwrap().fell_back, 0);
    assert_eq!(other.resume(halted_at, halted_at + HALT).await.unwrap(), Some(HALT));
    assert_eq!(one.get(id).await.unwrap().due_at, Some(now + HALT + RUNG));
    assert_eq!(one.next_deadline().await.unwrap(), Some(now + HALT + RUNG));
}
