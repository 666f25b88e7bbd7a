//! Who waits for an answer gets it, whoever gave it.

use std::time::Duration;

use gov_core::{ApprovalId, Timestamp};
use gov_escalation::{
    SchedulerConfig,
    approval::{Approval, Decider, Verdict},
    chain::Span,
    store::{ApprovalStore as _, StoreError, conformance},
};
use tokio::task::JoinHandle;

use crate::support::{MINUTE, Process, now, person};

type Waiter = JoinHandle<Result<Approval, StoreError>>;

#[tokio::test]
async fn an_answer_of_this_process_ends_the_wait_at_once() {
    let it = Process::new();
    let id = it.ask(1).await.id;
    let waits = wait(&it, id, now(&it) + MINUTE).await;
    it.decide(id, "ops", Verdict::Approve).await.unwrap();
    assert_eq!(ended(&it, waits).await.unwrap().status.as_str(), "approved");
}

#[tokio::test]
async fn an_answer_of_another_process_ends_the_wait_at_the_next_poll() {
    let it = Process::new();
    let id = it.ask(1).await.id;
    let waits = wait(&it, id, now(&it) + MINUTE).await;
    let other = Process::beside(&it.clock, it.store.clone());
    other.decide(id, "ops", Verdict::Reject).await.unwrap();
    it.settle().await;
    assert!(!waits.is_finished(), "nobody could know yet");
    it.pass(Duration::from_millis(500)).await;
    assert_eq!(ended(&it, waits).await.unwrap().status.as_str(), "rejected");
}

#[tokio::test]
async fn without_an_answer_the_wait_ends_when_it_said() {
    let it = Process::new();
    let id = it.ask(1).await.id;
    let waits = wait(&it, id, now(&it) + Duration::from_millis(750)).await;
    it.pass(Duration::from_millis(749)).await;
    assert!(!waits.is_finished());
    it.pass(Duration::from_millis(1)).await;
    assert_eq!(ended(&it, waits).await.unwrap().status.as_str(), "pending");
}

#[tokio::test]
async fn the_fallback_and_a_withdrawal_end_the_wait_too() {
    let it = Process::started().await;
    let mut short = conformance::request(1);
    short.chain.rungs.truncate(1);
    short.chain.timeout = Span(Duration::from_millis(100));
    let id = it.approvals.submit(short).await.unwrap().approval.id;
    it.settle().await;
    let waits = wait(&it, id, now(&it) + MINUTE).await;
    it.pass(Duration::from_millis(100)).await;
    assert_eq!(ended(&it, waits).await.unwrap().status.as_str(), "timed_out");

    let id = it.ask(2).await.id;
    let waits = wait(&it, id, now(&it) + MINUTE).await;
    it.approvals.cancel(id, "coder".into(), "not needed".into(), None).await.unwrap();
    assert_eq!(ended(&it, waits).await.unwrap().status.as_str(), "cancelled");
}

#[tokio::test]
async fn an_edit_ends_the_wait_and_who_else_is_asked_is_told_at_once() {
    let mut it = Process::new();
    it.start_sender();
    let id = it.ask(1).await.id;
    let waits = wait(&it, id, now(&it) + MINUTE).await;
    it.inbox.take();
    let edited = edit(&it, id).await;
    assert_eq!(ended(&it, waits).await.unwrap().edited_into, Some(edited.id));
    it.settle().await;
    assert_eq!(it.inbox.audiences(), ["2 of ops"]);
    it.stop().await;
}

#[tokio::test]
async fn the_clock_of_an_edited_request_wakes_the_scheduler() {
    let mut it = Process::new();
    let patient = Duration::from_hours(1000);
    it.start_scheduler(SchedulerConfig { safety_poll: patient, ..SchedulerConfig::default() });
    let id = it.ask(1).await.id;
    let edited = edit(&it, id).await.id;
    it.settle().await;
    it.pass(Duration::from_secs(1)).await;
    assert_eq!(it.store.inner.get(edited).await.unwrap().rung, 1);
    it.stop().await;
}

#[tokio::test]
async fn the_next_rung_is_no_answer() {
    let it = Process::started().await;
    let id = it.ask(1).await.id;
    let waits = wait(&it, id, now(&it) + 30 * MINUTE).await;
    it.pass(15 * MINUTE).await;
    assert!(!waits.is_finished());
    it.decide(id, "lead", Verdict::Approve).await.unwrap();
    assert_eq!(ended(&it, waits).await.unwrap().rung, 1);
}

#[tokio::test]
async fn what_is_answered_is_not_waited_for() {
    let it = Process::new();
    let id = it.ask(1).await.id;
    it.decide(id, "ops", Verdict::Approve).await.unwrap();
    let waits = wait(&it, id, now(&it) + MINUTE).await;
    assert_eq!(ended(&it, waits).await.unwrap().status.as_str(), "approved");
    let unknown = wait(&it, ApprovalId::at(now(&it)), now(&it) + MINUTE).await;
    assert!(matches!(ended(&it, unknown).await, Err(StoreError::NotFound(_))));
}

#[tokio::test]
async fn one_more_than_may_wait_is_answered_at_once() {
    let it = Process::new();
    let id = it.ask(1).await.id;
    let first = wait(&it, id, now(&it) + MINUTE).await;
    let second = wait(&it, id, now(&it) + MINUTE).await;
    let third = wait(&it, id, now(&it) + MINUTE).await;
    assert!(third.is_finished() && !first.is_finished() && !second.is_finished());
    // Who hangs up makes room.
    first.abort();
    it.settle().await;
    assert!(!wait(&it, id, now(&it) + MINUTE).await.is_finished());
}

/// What a wait that must have ended ended with.
async fn ended(it: &Process, waits: Waiter) -> Result<Approval, StoreError> {
    it.settle().await;
    assert!(waits.is_finished(), "still waits");
    waits.await.unwrap()
}

/// Action 2 for action 1: it needs two people, and has a second until others are asked.
async fn edit(it: &Process, id: ApprovalId) -> Approval {
    let mut hurried = conformance::request(2);
    hurried.chain.rungs[0].quorum = 2;
    hurried.chain.rungs[1].after = Span(Duration::from_secs(1));
    let (ops, digest) = (Decider { person_id: person("ops") }, conformance::digest(1));
    it.approvals.edit(id, digest, hurried, ops, None).await.unwrap().approval
}

async fn wait(it: &Process, id: ApprovalId, until: Timestamp) -> Waiter {
    let approvals = it.approvals.clone();
    let waits = tokio::spawn(async move { approvals.wait(id, until).await });
    it.settle().await;
    waits
}
