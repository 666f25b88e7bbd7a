//! When the scheduler looks, and how it ends.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use gov_core::{Health as _, HealthState};
use gov_escalation::{
    SchedulerConfig,
    approval::Verdict,
    chain::Span,
    scheduler::OVERDUE,
    store::{
        ApprovalStore as _,
        conformance::{APPROVED_FOR, request},
    },
};
use tokio::sync::Notify;

use crate::support::{MINUTE, Process, TICK, almost, now};

/// Never looks by itself within a test.
fn patient() -> SchedulerConfig {
    SchedulerConfig { safety_poll: Duration::from_hours(1000), ..SchedulerConfig::default() }
}

#[tokio::test]
async fn an_earlier_deadline_wakes_a_sleeping_scheduler() {
    let mut it = Process::new();
    let late = it.ask(1).await.id;
    it.start_scheduler(patient());
    it.settle().await;

    let mut hurried = request(2);
    hurried.chain.rungs[1].after = Span(MINUTE);
    let hurried = it.approvals.submit(hurried).await.unwrap().approval.id;
    it.settle().await;
    it.pass(MINUTE).await;
    assert_eq!(it.store.inner.get(hurried).await.unwrap().rung, 1);
    assert_eq!(it.store.inner.get(late).await.unwrap().rung, 0);
    it.pass(14 * MINUTE).await;
    assert_eq!(it.store.inner.get(late).await.unwrap().rung, 1);
}

#[tokio::test]
async fn the_end_of_a_yes_wakes_it_where_it_comes_first() {
    let mut it = Process::new();
    let id = it.ask(1).await.id;
    it.start_scheduler(patient());
    it.settle().await;
    // The next rung's turn would be five minutes later.
    it.decide(id, "ops", Verdict::Approve).await.unwrap();
    it.settle().await;
    it.pass(APPROVED_FOR).await;
    assert_eq!(it.status(id).await, "expired");
}

#[tokio::test]
async fn a_later_deadline_lets_it_sleep() {
    let mut it = Process::new();
    it.ask(1).await;
    it.start_scheduler(patient());
    it.settle().await;
    let asked = it.store.asked.load(Ordering::SeqCst);
    it.pass(MINUTE).await;
    for number in 2..12 {
        it.ask(number).await;
    }
    assert_eq!(it.store.asked.load(Ordering::SeqCst), asked + 10, "the scheduler looked");
}

#[tokio::test]
async fn while_nothing_is_due_it_asks_once_a_poll() {
    let mut it = Process::new();
    it.ask(1).await;
    it.start_scheduler(SchedulerConfig::default());
    it.settle().await;
    let asked = it.store.asked.load(Ordering::SeqCst);
    for _second in 0..100 {
        it.pass(Duration::from_secs(1)).await;
    }
    let polls = it.store.asked.load(Ordering::SeqCst) - asked;
    assert!((10..=25).contains(&polls), "{polls} statements in 100 s");
}

#[tokio::test]
async fn timers_of_another_process_are_found_by_the_safety_poll() {
    let mut it = Process::new();
    it.start_scheduler(SchedulerConfig::default());
    it.settle().await;
    let mut quick = request(1);
    quick.chain.rungs[1].after = Span(Duration::from_secs(1));
    let id = it.store.submit(quick, now(&it)).await.unwrap().approval.id;
    it.pass(Duration::from_secs(1)).await;
    assert_eq!(it.store.inner.get(id).await.unwrap().rung, 0);
    it.pass(Duration::from_secs(7)).await;
    assert_eq!(it.store.inner.get(id).await.unwrap().rung, 1);
}

#[tokio::test]
async fn it_ends_at_once_while_it_sleeps_and_fires_what_is_due_by_then() {
    let mut it = Process::new();
    it.start_scheduler(patient());
    it.settle().await;
    let id = it.store.submit(request(1), now(&it)).await.unwrap().approval.id;
    it.pass(15 * MINUTE).await;
    let store = it.store.clone();
    assert_eq!(store.inner.get(id).await.unwrap().rung, 0);
    it.stop().await;
    assert_eq!(store.inner.get(id).await.unwrap().rung, 1, "no last pass");
}

#[tokio::test]
async fn a_pass_that_has_begun_is_finished_before_it_ends() {
    let mut it = Process::new();
    for number in 0..3 {
        it.ask(number).await;
    }
    it.clock.advance(15 * MINUTE);
    let gate = Arc::new(Notify::new());
    *it.store.gate.lock() = Some(gate.clone());
    it.start_scheduler(SchedulerConfig { batch: 2, ..patient() });
    it.settle().await;
    it.shutdown.cancel();
    it.settle().await;
    assert_eq!(it.tasks.len(), 1);
    assert!(it.tasks.try_join_next().is_none(), "left in the middle of a batch");
    *it.store.gate.lock() = None;
    gate.notify_one();
    let (store, times_out) = (it.store.clone(), now(&it) + 45 * MINUTE);
    it.stop().await;
    assert_eq!(store.inner.next_deadline().await.unwrap(), Some(times_out));
}

#[tokio::test]
async fn a_failed_pass_is_seen_and_tried_again_until_the_store_is_back() {
    let mut it = Process::new();
    let id = it.ask(1).await.id;
    let scheduler = it.scheduler(SchedulerConfig::default());
    let health = scheduler.health();
    it.tasks.spawn(scheduler.run(it.shutdown.clone()));
    it.settle().await;
    assert_eq!((health.name(), health.health()), ("escalation", HealthState::Healthy));

    it.store.is_away.store(true, Ordering::SeqCst);
    it.pass(15 * MINUTE).await;
    let why = "the last escalation pass failed: the approval store is unavailable";
    assert_eq!(health.health(), HealthState::Degraded(why.to_owned()));
    let asked = it.store.asked.load(Ordering::SeqCst);
    // 50 ms, 100, 200, …: not in a spin, and never longer than the safety poll.
    for _ in 0..100 {
        it.pass(Duration::from_millis(100)).await;
    }
    let tries = it.store.asked.load(Ordering::SeqCst) - asked;
    assert!((6..=10).contains(&tries), "{tries} tries in 10 s");

    it.store.is_away.store(false, Ordering::SeqCst);
    it.pass(Duration::from_secs(7)).await;
    assert_eq!(it.store.inner.get(id).await.unwrap().rung, 1);
    assert_eq!(health.health(), HealthState::Healthy);
    it.stop().await;
}

#[tokio::test]
async fn a_timer_that_is_overdue_degrades_the_health() {
    let mut it = Process::new();
    it.ask(1).await;
    *it.store.gate.lock() = Some(Arc::default());
    let scheduler = it.scheduler(patient());
    let health = scheduler.health();
    it.tasks.spawn(scheduler.run(it.shutdown.clone()));
    it.settle().await;
    it.pass(15 * MINUTE + OVERDUE).await;
    assert_eq!(health.health(), HealthState::Healthy);
    it.pass(TICK).await;
    let HealthState::Degraded(reason) = health.health() else { panic!("healthy") };
    assert!(reason.starts_with("the escalation scheduler should have looked"), "{reason}");
}

#[tokio::test]
async fn many_timers_at_once_take_one_pass_in_batches() {
    let it = Process::new();
    for number in 0..1200 {
        it.store.submit(request(number), now(&it)).await.unwrap();
    }
    let scheduler = it.scheduler(SchedulerConfig::default());
    it.clock.advance(almost(15 * MINUTE));
    assert_eq!(scheduler.tick().await.unwrap().batches, 0);
    it.clock.advance(TICK);
    let report = scheduler.tick().await.unwrap();
    assert_eq!((report.fired.escalated, report.batches), (1200, 3));
    assert_eq!(report.next, Some(now(&it) + 45 * MINUTE));
}

#[tokio::test]
async fn a_clock_that_is_set_back_fires_nothing_again() {
    let it = Process::started().await;
    let start = now(&it);
    let id = it.ask(1).await.id;
    it.pass(15 * MINUTE).await;
    assert_eq!(it.inbox.audiences(), ["ops", "lead"]);
    let before = it.store.inner.get(id).await.unwrap();

    it.clock.set(start);
    it.settle().await;
    for _ in 0..16 {
        it.pass(MINUTE).await;
    }
    assert_eq!(it.store.inner.get(id).await.unwrap(), before);
    assert_eq!(it.inbox.audiences(), [""; 0]);
    it.pass(45 * MINUTE).await;
    assert_eq!(it.status(id).await, "timed_out");
}
