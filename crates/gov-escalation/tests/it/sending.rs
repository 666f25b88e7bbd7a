//! How messages reach their notifier, or come again.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use async_trait::async_trait;
use gov_core::{AuditEventKind, Health as _, HealthState};
use gov_escalation::{
    LogNotifier, Notifier, NotifyError, SendReport, Target,
    approval::{Approval, Notification},
    sender::schedule::STANDARD,
    store::{
        Failure, History as _, Lane, Lease, Outbox as _, Pace, TargetState, conformance::request,
    },
};

use crate::support::{Inbox, MINUTE, Process, TICK, almost, now};

const SECOND: Duration = Duration::from_secs(1);

/// Pauses are up to a tenth longer than the schedule says.
fn at_most(pause: Duration) -> Duration {
    pause * 11 / 10
}

/// Says the same to every message.
#[derive(Debug)]
struct Says(fn() -> NotifyError);

#[async_trait]
impl Notifier for Says {
    async fn notify(&self, _: &Notification) -> Result<(), NotifyError> {
        Err(self.0())
    }
}

async fn ask(it: &Process, number: u32, notify: &[&str]) -> Approval {
    let mut request = request(number);
    request.chain.rungs[0].notify = notify.iter().map(|it| (*it).to_owned()).collect();
    it.approvals.submit(request).await.unwrap().approval
}

async fn state(it: &Process, name: &str) -> TargetState {
    let states = it.store.inner.targets().await.unwrap();
    states.into_iter().find(|it| it.name == name).unwrap_or_default()
}

async fn lease(it: &Process) -> Vec<Lease> {
    it.store.inner.lease_unsent(Lane::unpaced("log"), now(it), MINUTE, 10).await.unwrap()
}

#[tokio::test]
async fn a_failed_message_comes_again_with_growing_pauses_under_the_same_id() {
    let mut it = Process::new();
    it.inbox.fails.store(true, Ordering::SeqCst);
    it.start_sender();
    it.ask(1).await;
    let first = it.inbox.take();
    assert_eq!(first.len(), 1);
    for pause in &STANDARD[..3] {
        it.pass(almost(*pause)).await;
        assert_eq!(it.inbox.take(), [], "came again too early");
        it.pass(*pause / 10 + TICK).await;
        assert_eq!(it.inbox.take(), first);
    }
    it.inbox.fails.store(false, Ordering::SeqCst);
    it.pass(at_most(STANDARD[3])).await;
    assert_eq!(it.inbox.take(), first);
    it.pass(60 * MINUTE).await;
    assert_eq!(it.inbox.take(), [], "came again after a success");
    it.stop().await;
}

#[tokio::test]
async fn after_the_last_try_a_message_is_given_up_and_the_history_says_so() {
    let it = Process::new();
    it.inbox.fails.store(true, Ordering::SeqCst);
    let asked = it.ask(1).await;
    let sender = it.sender();
    for pause in STANDARD {
        assert_eq!(sender.run_once().await.unwrap().failed, 1);
        it.clock.advance(at_most(*pause));
    }
    let report = sender.run_once().await.unwrap();
    assert_eq!(report, SendReport { given_up: 1, ..SendReport::default() });
    assert_eq!(it.inbox.take().len(), 10);
    it.clock.advance(MINUTE * 60 * 24 * 30);
    assert_eq!(sender.run_once().await.unwrap(), SendReport::default());
    let last = it.store.inner.of_approval(asked.id).await.unwrap().pop().unwrap();
    assert_eq!(last.kind, AuditEventKind::NotifyGivenUp);
    let (health, state) = (sender.health(), state(&it, "log").await);
    health.look().await;
    let HealthState::Degraded(reason) = health.health() else { panic!("{:?}", health.health()) };
    assert!(reason.starts_with("1 messages to `log` were given up;"), "{reason}");
    assert_eq!((state.given_up, state.failures), (1, 10));
    assert_eq!(state.last_error.as_deref(), Some("the message was not taken: answer lost"));
}

#[tokio::test]
async fn a_notifier_that_hangs_holds_its_own_messages_and_nobody_elses() {
    let mut it = Process::new();
    let slow = Arc::new(Inbox::default());
    slow.hangs.store(true, Ordering::SeqCst);
    let targets = [("log", Target::new(it.inbox.clone())), ("slow", Target::new(slow.clone()))];
    let sender = it.sender_to(targets);
    it.tasks.spawn(sender.run(it.shutdown.clone()));
    for number in 0..3 {
        ask(&it, number, &["slow", "log"]).await;
    }
    it.settle().await;
    assert_eq!((slow.take().len(), it.inbox.take().len()), (1, 3));
    it.pass(almost(10 * SECOND)).await;
    assert_eq!(slow.take().len(), 0);
    ask(&it, 3, &["slow", "log"]).await;
    it.settle().await;
    assert_eq!(it.inbox.take().len(), 1, "it waits for the one that hangs");
    it.pass(TICK).await;
    assert_eq!(slow.take().len(), 1, "the next one waits for ever");
}

#[tokio::test]
async fn a_try_ends_before_its_lease_whatever_the_target_may_take() {
    let it = Process::new();
    it.ask(1).await;
    it.inbox.hangs.store(true, Ordering::SeqCst);
    let target = Target { timeout: 60 * MINUTE, ..Target::new(it.inbox.clone()) };
    let sender = it.sender_to([("log", target)]);
    let pass = tokio::spawn(async move { sender.run_once().await });
    it.settle().await;
    it.pass(45 * SECOND).await;
    assert!(pass.is_finished(), "it still tries");
    assert_eq!(pass.await.unwrap().unwrap().failed, 1);
}

#[tokio::test]
async fn a_message_whose_lease_was_taken_over_is_left_to_the_new_holder() {
    let it = Process::new();
    it.ask(1).await;
    it.inbox.hangs.store(true, Ordering::SeqCst);
    let (sender, store) = (it.sender(), it.store.inner.clone());
    let pass = tokio::spawn(async move { sender.run_once().await });
    it.settle().await;
    it.inbox.hangs.store(false, Ordering::SeqCst);
    // This process is held up for longer than its lease, and another one takes over.
    it.clock.advance(MINUTE);
    let taken = lease(&it).await;
    assert_eq!(taken.len(), 1);
    it.ask(2).await;
    assert!(pass.is_finished(), "still waits for the notifier");
    let report = pass.await.unwrap().unwrap();
    assert_eq!(report, SendReport { lost: 1, sent: 1, ..SendReport::default() });
    store.mark_sent(&taken[0], now(&it)).await.unwrap();
}

#[tokio::test]
async fn a_message_for_a_notifier_that_is_configured_away_is_given_up_with_the_reason() {
    let it = Process::new();
    ask(&it, 1, &["chat", "log"]).await;
    let report = it.sender().run_once().await.unwrap();
    assert_eq!(report, SendReport { sent: 1, given_up: 1, ..SendReport::default() });
    let why = state(&it, "chat").await.last_error.unwrap();
    assert!(why.ends_with("no notifier has this name any more"), "{why}");
    assert_eq!(it.store.inner.next_unsent().await.unwrap(), None);
}

#[tokio::test]
async fn what_a_target_refuses_is_given_up_at_once_and_the_next_is_tried() {
    let it = Process::new();
    let refuses = Target::new(Arc::new(Says(|| NotifyError::refused("no\u{0}\u{1b}[2J"))));
    for number in 0..2 {
        it.ask(number).await;
    }
    let report = it.sender_to([("log", refuses)]).run_once().await.unwrap();
    assert_eq!(report, SendReport { given_up: 2, ..SendReport::default() });
    let why = state(&it, "log").await.last_error.unwrap();
    assert!(!why.chars().any(char::is_control), "{why:?}");
}

#[tokio::test]
async fn a_target_that_is_gone_gets_nothing_more_until_it_is_enabled() {
    let it = Process::new();
    let gone = || NotifyError::Gone { source: "410".into() };
    for number in 0..3 {
        it.ask(number).await;
    }
    let sender = it.sender_to([("log", Target::new(Arc::new(Says(gone))))]);
    let report = sender.run_once().await.unwrap();
    assert_eq!(report, SendReport { disabled: 1, ..SendReport::default() });
    it.clock.advance(MINUTE * 60);
    assert_eq!(sender.run_once().await.unwrap(), SendReport::default());
    let health = sender.health();
    health.look().await;
    assert!(matches!(health.health(), HealthState::Degraded(it) if it.contains("is disabled")));
    it.store.inner.enable_target("log").await.unwrap();
    health.look().await;
    assert_eq!(health.health(), HealthState::Healthy);
    assert_eq!(it.sender().run_once().await.unwrap().sent, 3);
}

#[tokio::test]
async fn a_target_that_asks_for_a_pause_is_left_alone_for_so_long() {
    let mut it = Process::new();
    let busy = || NotifyError::Retry { after: Some(MINUTE), source: "429".into() };
    for number in 0..3 {
        it.ask(number).await;
    }
    let busy = it.sender_to([("log", Target::new(Arc::new(Says(busy))))]);
    assert_eq!(busy.run_once().await.unwrap().failed, 1, "the others did not wait");
    it.start_sender();
    it.pass(almost(MINUTE)).await;
    assert_eq!(it.inbox.take(), [], "it came too early");
    it.pass(TICK).await;
    assert_eq!(it.inbox.take().len(), 3);
    it.stop().await;
}

#[tokio::test]
async fn a_target_that_asks_for_less_than_the_schedule_waits_as_long_as_that_says() {
    let mut it = Process::new();
    let hasty = || NotifyError::Retry { after: Some(SECOND), source: "429".into() };
    it.ask(1).await;
    let hasty = it.sender_to([("log", Target::new(Arc::new(Says(hasty))))]);
    assert_eq!(hasty.run_once().await.unwrap().failed, 1);
    it.start_sender();
    it.pass(almost(STANDARD[0])).await;
    assert_eq!(it.inbox.take(), [], "it came too early");
    it.pass(STANDARD[0] / 10 + TICK).await;
    assert_eq!(it.inbox.take().len(), 1);
    it.stop().await;
}

#[tokio::test]
async fn a_pause_of_years_is_cut() {
    let it = Process::new();
    let busy = || NotifyError::Retry { after: Some(Duration::MAX), source: "429".into() };
    it.ask(1).await;
    it.sender_to([("log", Target::new(Arc::new(Says(busy))))]).run_once().await.unwrap();
    assert_eq!(state(&it, "log").await.held_until, Some(now(&it) + 24 * 60 * MINUTE));
}

#[tokio::test]
async fn a_target_is_told_no_faster_than_its_pace() {
    let mut it = Process::new();
    let pace = Pace { every: 10 * SECOND, burst: 2 };
    let sender = it.sender_to([("log", Target { pace, ..Target::new(it.inbox.clone()) })]);
    it.tasks.spawn(sender.run(it.shutdown.clone()));
    for number in 0..5 {
        it.ask(number).await;
    }
    assert_eq!(it.inbox.take().len(), 2);
    for _ in 0..3 {
        it.pass(almost(10 * SECOND)).await;
        assert_eq!(it.inbox.take(), [], "it came too early");
        it.pass(TICK).await;
        assert_eq!(it.inbox.take().len(), 1);
    }
    it.stop().await;
}

#[tokio::test]
async fn a_lane_that_others_hold_is_looked_at_again_soon_but_not_in_a_spin() {
    let mut it = Process::new();
    it.ask(1).await;
    let held = lease(&it).await.remove(0);
    it.start_sender();
    it.pass(MINUTE).await;
    assert_eq!(it.inbox.take(), std::slice::from_ref(&held.notification));
    // Its mark comes too late.
    let failure = Failure::of_message(now(&it), "late");
    it.store.inner.mark_failed(&held, failure).await.unwrap_err();
    it.stop().await;
}

#[tokio::test]
async fn a_sender_that_ends_finishes_the_message_at_hand_and_holds_no_other() {
    let mut it = Process::new();
    for number in 0..3 {
        it.ask(number).await;
    }
    it.inbox.hangs.store(true, Ordering::SeqCst);
    it.start_sender();
    it.settle().await;
    let store = it.store.inner.clone();
    it.shutdown.cancel();
    it.pass(10 * SECOND).await;
    assert_eq!(it.inbox.take().len(), 1);
    let at = now(&it);
    it.stop().await;
    let left = store.lease_unsent(Lane::unpaced("log"), at, MINUTE, 10).await.unwrap();
    assert_eq!(left.len(), 2, "they wait for a lease that nobody holds");
}

#[tokio::test]
async fn the_log_notifier_takes_every_message() {
    let it = Process::new();
    it.ask(1).await;
    LogNotifier.notify(&lease(&it).await[0].notification).await.unwrap();
}
