//! What the auditor does about what it finds.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use gov_core::{ApprovalId, Health as _, HealthState, Timestamp};
use gov_escalation::{
    AuditorConfig, EscalationAuditor, SchedulerConfig,
    approval::Verdict,
    chain::Span,
    store::{
        ApprovalStore as _, Auditing, Bounds, Findings, Mended, SetAside, StoreError,
        conformance::{RUNG, request},
        damage::Damage as _,
    },
};

use crate::support::{MINUTE, Process, almost, now};

const PAUSE: Duration = Duration::from_secs(30);

/// Never looks by itself within a test.
fn patient() -> SchedulerConfig {
    SchedulerConfig { safety_poll: Duration::from_hours(1000), ..SchedulerConfig::default() }
}

#[tokio::test]
async fn a_clock_that_was_stopped_runs_again_within_a_pause_and_wakes_the_scheduler() {
    let mut it = Process::new();
    it.start_scheduler(patient());
    it.tasks.spawn(it.auditor().run(it.shutdown.clone()));
    let id = it.ask(1).await.id;
    it.store.inner.set_due(id, None).await;
    it.pass(RUNG).await;
    // The scheduler's deadline passed with the auditor's pause: whoever was first, it fires.
    it.settle().await;
    assert_eq!(it.store.inner.get(id).await.unwrap().rung, 1);
    it.stop().await;
}

#[tokio::test]
async fn a_scheduler_that_sleeps_over_something_overdue_is_woken() {
    let mut it = Process::new();
    it.start_scheduler(patient());
    it.settle().await;
    it.tasks.spawn(it.auditor().run(it.shutdown.clone()));
    it.settle().await;
    // Another process arms it, and dies.
    let mut hurried = request(1);
    hurried.chain.rungs[1].after = Span(Duration::from_secs(1));
    let id = it.store.submit(hurried, now(&it)).await.unwrap().approval.id;
    it.pass(almost(PAUSE)).await;
    assert_eq!(it.store.inner.get(id).await.unwrap().rung, 0);
    it.pass(Duration::from_micros(1)).await;
    assert_eq!(it.store.inner.get(id).await.unwrap().rung, 1);
    it.stop().await;
}

#[tokio::test]
async fn a_pass_mends_all_however_many_and_says_so() {
    let it = Process::new();
    let config = AuditorConfig { batch: 2, ..AuditorConfig::default() };
    let (store, clock) = (it.store.inner.clone(), Arc::new(it.clock.clone()));
    let auditor = EscalationAuditor::new(store, clock, it.approvals.alarm(), config);
    for number in 0..5 {
        let id = it.ask(number).await.id;
        it.store.inner.lose_timer(id).await;
    }
    let report = auditor.run_once().await.unwrap();
    assert_eq!(report.found, Findings { unarmed: 5, ..Findings::default() });
    assert_eq!(report.mended, Mended { armed: 5, ..Mended::default() });
    assert_eq!(auditor.run_once().await.unwrap().found, Findings::default());
    // It is mended, and nobody must look.
    assert_eq!(auditor.health().health(), HealthState::Healthy);
}

#[tokio::test]
async fn a_pass_stops_the_clock_of_what_is_over_though_it_finds_nothing_else() {
    let it = Process::new();
    let id = it.ask(1).await.id;
    it.decide(id, "ops", Verdict::Reject).await.unwrap();
    it.store.inner.set_due(id, Some(now(&it) + RUNG)).await;
    let report = it.auditor().run_once().await.unwrap();
    assert_eq!(report.found, Findings { stale: 1, ..Findings::default() });
    assert_eq!(report.mended, Mended { disarmed: 1, ..Mended::default() });
    assert_eq!(it.store.inner.get(id).await.unwrap().due_at, None);
}

#[tokio::test]
async fn what_it_cannot_mend_degrades_the_health_until_somebody_did() {
    let it = Process::new();
    let auditor = it.auditor();
    let health = auditor.health();
    assert_eq!((health.name(), health.health()), ("escalation-audit", HealthState::Healthy));
    let id = it.ask(1).await.id;
    it.store.inner.set_due(id, None).await;
    it.store.inner.garble(id).await;
    auditor.run_once().await.unwrap();
    let why = "of the approvals 1 cannot be read and are set aside";
    assert_eq!(health.health(), HealthState::Degraded(why.to_owned()));

    it.store.inner.discard(id, "admin-1", "broken", now(&it)).await.unwrap();
    // The message of its first rung waits, and nobody sends it.
    it.clock.advance(11 * MINUTE);
    auditor.run_once().await.unwrap();
    let why = "of the approvals 1 have a message that is not sent";
    assert_eq!(health.health(), HealthState::Degraded(why.to_owned()));
    it.sender().run_once().await.unwrap();
    auditor.run_once().await.unwrap();
    assert_eq!(health.health(), HealthState::Healthy);
}

#[tokio::test]
async fn what_is_overdue_at_two_looks_in_a_row_degrades_the_health() {
    let it = Process::new();
    let auditor = it.auditor();
    let id = it.ask(1).await.id;
    it.sender().run_once().await.unwrap();
    it.clock.advance(RUNG + MINUTE);
    assert_eq!(auditor.run_once().await.unwrap().found.overdue, 1);
    assert_eq!(auditor.health().health(), HealthState::Healthy, "the scheduler is woken by this");
    assert_eq!(auditor.run_once().await.unwrap().found.overdue, 1);
    let why = "of the approvals 1 are overdue and do not fire";
    assert_eq!(auditor.health().health(), HealthState::Degraded(why.to_owned()));
    it.decide(id, "ops", Verdict::Reject).await.unwrap();
    auditor.run_once().await.unwrap();
    assert_eq!(auditor.health().health(), HealthState::Healthy);
}

/// Fails as long as it is told to.
#[derive(Debug)]
struct Away;

#[async_trait]
impl Auditing for Away {
    async fn findings(&self, _: Timestamp, _: Bounds) -> Result<Findings, StoreError> {
        Err(StoreError::Unavailable("the disk is away".into()))
    }

    async fn mend(&self, _: Timestamp, _: u32) -> Result<Mended, StoreError> {
        panic!("there is nothing to mend")
    }

    async fn set_aside(&self, _: u32) -> Result<Vec<SetAside>, StoreError> {
        Ok(Vec::new())
    }

    async fn discard(
        &self,
        id: ApprovalId,
        _: &str,
        _: &str,
        _: Timestamp,
    ) -> Result<u64, StoreError> {
        Err(StoreError::NotFound(id))
    }
}

#[tokio::test]
async fn a_failed_pass_is_seen_and_the_next_one_is_tried() {
    let it = Process::new();
    let clock = Arc::new(it.clock.clone());
    let config = AuditorConfig::default();
    let auditor = EscalationAuditor::new(Arc::new(Away), clock, it.approvals.alarm(), config);
    let health = auditor.health();
    let running = tokio::spawn(auditor.run(it.shutdown.clone()));
    it.settle().await;
    assert_eq!(health.health(), HealthState::Healthy);
    it.pass(PAUSE).await;
    let why = "the last audit of the approvals failed: the approval store is unavailable";
    assert_eq!(health.health(), HealthState::Degraded(why.to_owned()));
    it.pass(PAUSE).await;
    assert!(!running.is_finished());
    it.shutdown.cancel();
    tokio::time::timeout(Duration::from_mins(1), running).await.expect("it waits").unwrap();
}
