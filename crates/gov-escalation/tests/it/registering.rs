//! The scheduler without anything around it: timers by hand, and who hears of them.

use std::time::Duration;

use gov_core::{ApprovalId, AuditEventKind};
use gov_escalation::{
    EscalationEvent, Registered, SchedulerConfig,
    approval::Verdict,
    scheduler::{MAX_BATCH, SYSTEM_SCHEDULER},
    store::{
        ApprovalStore as _, History as _,
        conformance::{RUNG, TIMEOUT, request},
    },
};
use tokio::sync::broadcast::error::{RecvError, TryRecvError};

use crate::support::{MINUTE, Process, now};

#[tokio::test]
async fn the_first_deadline_stays_and_the_second_registration_says_so() {
    let it = Process::new();
    let scheduler = it.scheduler(SchedulerConfig::default());
    let first = scheduler.register(request(1)).await.unwrap();
    let due_at = Some(now(&it) + RUNG);
    assert_eq!(first, Registered { approval_id: first.approval_id, due_at, is_new: true });

    it.clock.advance(MINUTE);
    let again = scheduler.register(request(1)).await.unwrap();
    assert_eq!(again, Registered { is_new: false, ..first });
    assert_eq!(it.store.inner.end().await.unwrap(), 2, "the second one changed something");
}

#[tokio::test]
async fn a_pending_timer_is_cancelled_once_and_an_unknown_one_never() {
    let it = Process::new();
    let scheduler = it.scheduler(SchedulerConfig::default());
    let id = scheduler.register(request(1)).await.unwrap().approval_id;
    let unknown = ApprovalId::at(now(&it));
    let mut cancelled = Vec::new();
    for id in [id, id, unknown] {
        cancelled.push(scheduler.cancel(id).await.unwrap());
    }
    assert_eq!(cancelled, [true, false, false]);
    let row = it.store.inner.of_approval(id).await.unwrap().pop().unwrap();
    assert_eq!(row.kind, AuditEventKind::ApprovalCancelled);
    assert_eq!(row.actor, SYSTEM_SCHEDULER);
    it.clock.advance(TIMEOUT);
    assert_eq!(scheduler.tick().await.unwrap().batches, 0, "a cancelled timer fired");
}

#[tokio::test]
async fn what_is_decided_is_not_cancelled_any_more() {
    let it = Process::new();
    let scheduler = it.scheduler(SchedulerConfig::default());
    let id = it.ask(1).await.id;
    it.decide(id, "ops", Verdict::Reject).await.unwrap();
    assert!(!scheduler.cancel(id).await.unwrap());
    assert_eq!(it.status(id).await, "rejected");
}

#[tokio::test]
async fn an_earlier_registration_wakes_a_sleeping_scheduler() {
    let mut it = Process::new();
    let patient =
        SchedulerConfig { safety_poll: Duration::from_hours(1000), ..SchedulerConfig::default() };
    let by_hand = it.scheduler(patient);
    it.start_scheduler(patient);
    it.settle().await;
    let id = by_hand.register(request(1)).await.unwrap().approval_id;
    it.settle().await;
    it.pass(RUNG).await;
    assert_eq!(it.store.inner.get(id).await.unwrap().rung, 1);
    it.stop().await;
}

#[tokio::test]
async fn a_subscriber_hears_who_is_asked_and_nothing_else() {
    let it = Process::new();
    let scheduler = it.scheduler(SchedulerConfig::default());
    let mut events = scheduler.subscribe();
    let id = scheduler.register(request(1)).await.unwrap().approval_id;
    assert_eq!(events.try_recv(), Err(TryRecvError::Empty));
    it.clock.advance(RUNG);
    scheduler.tick().await.unwrap();
    let event = events.try_recv().unwrap();
    assert_eq!(
        event,
        EscalationEvent {
            request_id: id,
            team_id: Some("payments".parse().unwrap()),
            escalation_approvers: "lead".to_owned(),
            rung: 1,
            key: format!("{id}/2"),
        }
    );
    // It is told of what is kept.
    assert_eq!(it.store.inner.get(id).await.unwrap().rung, 1);
    // The time-out asks nobody.
    it.clock.advance(TIMEOUT);
    assert_eq!(scheduler.tick().await.unwrap().fired.fell_back, 1);
    assert_eq!(events.try_recv(), Err(TryRecvError::Empty));
}

#[tokio::test]
async fn a_subscriber_that_is_too_slow_is_told_how_much_it_missed() {
    let it = Process::new();
    let scheduler = it.scheduler(SchedulerConfig { events: 4, ..SchedulerConfig::default() });
    let mut events = scheduler.subscribe();
    for number in 0..10 {
        scheduler.register(request(number)).await.unwrap();
    }
    it.clock.advance(RUNG);
    scheduler.tick().await.unwrap();
    assert_eq!(events.recv().await, Err(RecvError::Lagged(6)));
    for _ in 0..4 {
        events.try_recv().unwrap();
    }
    assert_eq!(events.try_recv(), Err(TryRecvError::Empty));
}

#[tokio::test]
async fn no_transaction_fires_more_than_the_utmost() {
    let it = Process::new();
    let scheduler = it.scheduler(SchedulerConfig { batch: u32::MAX, ..SchedulerConfig::default() });
    for number in 0..=MAX_BATCH {
        scheduler.register(request(number)).await.unwrap();
    }
    it.clock.advance(RUNG);
    assert_eq!(scheduler.tick().await.unwrap().batches, 2);
}

#[tokio::test]
async fn messages_of_another_process_are_found_by_the_look_of_the_scheduler() {
    let it = Process::started().await;
    for number in 0..3 {
        // Behind this process's back, at any time after its last look.
        it.pass(Duration::from_secs(3)).await;
        it.store.inner.submit(request(number), now(&it)).await.unwrap();
        it.settle().await;
        assert_eq!(it.inbox.take(), [], "found without a look");
        it.pass(Duration::from_secs(8)).await;
        assert_eq!(it.inbox.take().len(), 1);
    }
    it.stop().await;
}
