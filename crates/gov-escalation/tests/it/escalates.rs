//! The story: somebody asks, nobody answers, and the clock goes on.

use gov_core::AuditEventKind as Kind;
use gov_escalation::{
    approval::Verdict,
    chain::Fallback,
    store::{Applied, History as _, conformance},
};

use crate::support::{MINUTE, Process, TICK, almost};

#[tokio::test]
async fn when_nobody_answers_the_next_rung_is_told_and_at_last_the_answer_is_no() {
    let it = Process::started().await;
    let id = it.ask(1).await.id;
    assert_eq!(it.inbox.audiences(), ["ops"]);

    it.pass(almost(15 * MINUTE)).await;
    assert_eq!(it.inbox.audiences(), [""; 0], "told too early");
    it.pass(TICK).await;
    assert_eq!(it.inbox.audiences(), ["lead"]);

    it.pass(almost(45 * MINUTE)).await;
    assert_eq!(it.status(id).await, "pending");
    it.pass(TICK).await;
    assert_eq!(it.status(id).await, "timed_out");
    assert_eq!(it.inbox.audiences(), [""; 0]);

    let history = it.store.inner.of_approval(id).await.unwrap();
    let story: Vec<_> = history.iter().map(|it| (&it.kind, it.actor.as_str())).collect();
    assert_eq!(
        story,
        [
            (&Kind::ApprovalRequested, "coder"),
            (&Kind::ApprovalRouted, "system:chain"),
            (&Kind::ApprovalEscalated, "system:chain"),
            (&Kind::ApprovalTimedOut, "system:timeout"),
        ]
    );
    it.stop().await;
}

#[tokio::test]
async fn an_answer_stops_the_clock_and_can_be_used_once() {
    let it = Process::started().await;
    let asked = it.ask(1).await;
    it.pass(MINUTE).await;
    it.decide(asked.id, "ops", Verdict::Approve).await.unwrap();
    it.pass(5 * MINUTE).await;

    let digest = asked.request.digest;
    let used = it.approvals.consume(asked.id, digest, 4, None).await.unwrap();
    assert!(matches!(used, Applied::Done { .. }));
    let again = it.approvals.consume(asked.id, digest, 4, None).await.unwrap();
    assert!(matches!(again, Applied::Refused { .. }));

    it.pass(120 * MINUTE).await;
    assert_eq!(it.status(asked.id).await, "consumed");
    assert_eq!(it.inbox.audiences(), ["ops"], "told somebody about what was over");
}

#[tokio::test]
async fn a_yes_that_nobody_uses_expires_by_itself() {
    let it = Process::started().await;
    let id = it.ask(1).await.id;
    it.decide(id, "ops", Verdict::Approve).await.unwrap();
    it.settle().await;
    it.pass(almost(conformance::APPROVED_FOR)).await;
    assert_eq!(it.status(id).await, "approved");
    it.pass(TICK).await;
    assert_eq!(it.status(id).await, "expired");
}

#[tokio::test]
async fn a_withdrawn_request_is_quiet() {
    let it = Process::started().await;
    let id = it.ask(1).await.id;
    let cancelled = it.approvals.cancel(id, "coder".into(), "not needed".into(), None).await;
    assert!(matches!(cancelled.unwrap(), Applied::Done { .. }));
    it.pass(120 * MINUTE).await;
    assert_eq!(it.status(id).await, "cancelled");
    assert_eq!(it.inbox.audiences(), ["ops"]);
}

#[tokio::test]
async fn a_parked_request_waits_without_a_clock_for_whoever_was_asked() {
    let it = Process::started().await;
    let mut request = conformance::request(1);
    request.chain.fallback = Fallback::Park;
    let id = it.approvals.submit(request).await.unwrap().approval.id;
    for _ in 0..4 {
        it.pass(15 * MINUTE).await;
    }
    assert_eq!(it.status(id).await, "parked");
    it.pass(9999 * MINUTE).await;
    it.decide(id, "lead", Verdict::Reject).await.unwrap();
    assert_eq!(it.status(id).await, "rejected");
}
