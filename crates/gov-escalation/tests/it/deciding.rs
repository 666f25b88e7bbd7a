//! Who may decide, and about what.

use gov_core::{ApprovalId, PersonId};
use gov_escalation::{
    approval::{Decider, Status, Verdict},
    approvals::{CommentProblem, DecideError, Decision, MAX_COMMENT_BYTES, Objection},
    store::{History as _, conformance},
    transition::Refusal,
};

use crate::support::{MINUTE, Process, now, person};

#[tokio::test]
async fn only_those_who_were_asked_so_far_may_decide() {
    let it = Process::started().await;
    let id = it.ask(1).await.id;
    for (name, audience) in [("guest", "ops"), ("lead", "ops")] {
        let reason = objection(it.decide(id, name, Verdict::Approve).await);
        let wanted = Objection::NotAsked { person: person(name), audience: audience.to_owned() };
        assert_eq!(reason, wanted);
    }
    it.pass(15 * MINUTE).await;
    let reason = objection(it.decide(id, "guest", Verdict::Approve).await);
    let text = format!("`{}` is not among those who are asked: ops, lead", person("guest"));
    assert_eq!(reason.to_string(), text);

    // Who was asked first may still answer, and who is asked now may too.
    assert_eq!(it.decide(id, "ops", Verdict::Approve).await.unwrap().position, 4);
    let other = it.ask(2).await.id;
    it.pass(15 * MINUTE).await;
    it.decide(other, "lead", Verdict::Reject).await.unwrap();
}

#[tokio::test]
async fn nobody_decides_about_an_agent_of_their_own() {
    let it = Process::new();
    let id = it.ask(1).await.id;
    for verdict in [Verdict::Approve, Verdict::Reject] {
        let reason = objection(it.decide(id, "owner", verdict).await);
        assert_eq!(reason, Objection::OwnsAgent(person("owner")));
    }
    let mut request = conformance::request(2);
    request.agent_id = "helper".parse().unwrap();
    let id = it.approvals.submit(request).await.unwrap().approval.id;
    it.decide(id, "owner", Verdict::Approve).await.unwrap();
}

#[tokio::test]
async fn an_unknown_and_a_disabled_person_decide_nothing() {
    let it = Process::new();
    let id = it.ask(1).await.id;
    let reason = objection(it.decide(id, "stranger", Verdict::Approve).await);
    assert_eq!(reason, Objection::Unknown(person("stranger")));
    it.people.disable(person("ops"));
    let reason = objection(it.decide(id, "ops", Verdict::Approve).await);
    assert_eq!(reason.to_string(), format!("`{}` is unknown or disabled", person("ops")));
    assert_eq!(it.status(id).await, "pending");
    assert_eq!(it.store.inner.end().await.unwrap(), 2);
}

#[tokio::test]
async fn a_person_may_be_named_by_the_chain_itself() {
    let it = Process::new();
    let mut request = conformance::request(1);
    request.chain.rungs[0].people = vec![person("guest")];
    let id = it.approvals.submit(request).await.unwrap().approval.id;
    let decided = it.decide(id, "guest", Verdict::Approve).await.unwrap();
    assert_eq!(decided.approval.answer.unwrap().actor, person("guest").to_string());
}

#[tokio::test]
async fn a_decision_must_name_the_digest_and_an_approval_that_exists() {
    let it = Process::new();
    let id = it.ask(1).await.id;
    let about = |number, comment: Option<String>| Decision {
        verdict: Verdict::Approve,
        digest: conformance::digest(number),
        comment,
    };
    let ops = Decider { person_id: person("ops") };
    let other = it.approvals.decide(id, about(2, None), ops).await;
    assert!(matches!(other, Err(DecideError::Refused(Refusal::OtherDigest))));
    let unknown = ApprovalId::at(now(&it));
    let missing = it.approvals.decide(unknown, about(1, None), ops).await;
    assert!(matches!(missing, Err(DecideError::NotFound(id)) if id == unknown));
    it.approvals.decide(id, about(1, None), ops).await.unwrap();
    let late = it.approvals.decide(id, about(1, None), ops).await;
    assert!(matches!(late, Err(DecideError::Refused(Refusal::Status(Status::Approved)))));
}

#[tokio::test]
async fn of_many_answers_a_bad_one_does_not_spoil_the_rest() {
    let it = Process::new();
    let (first, own) = (it.ask(1).await.id, it.ask(2).await.id);
    let (last, unknown) = (it.ask(3).await.id, ApprovalId::at(now(&it)));
    let about = |number| Decision {
        verdict: Verdict::Approve,
        digest: conformance::digest(number),
        comment: None,
    };
    let decisions = vec![
        (first, about(1)),
        (own, about(9)),
        (unknown, about(1)),
        (first, about(1)),
        (last, about(3)),
    ];
    let outcomes = it.approvals.decide_all(decisions, Decider { person_id: person("ops") }).await;
    let ids: Vec<_> = outcomes.iter().map(|(id, _)| *id).collect();
    assert_eq!(ids, [first, own, unknown, first, last]);
    let [one, other_digest, missing, twice, five]: [_; 5] =
        outcomes.into_iter().map(|(_, outcome)| outcome).collect::<Vec<_>>().try_into().unwrap();
    assert!(one.is_ok() && five.is_ok());
    assert!(matches!(other_digest, Err(DecideError::Refused(Refusal::OtherDigest))));
    assert!(matches!(missing, Err(DecideError::NotFound(id)) if id == unknown));
    assert!(matches!(twice, Err(DecideError::Refused(Refusal::Status(Status::Approved)))));
    assert_eq!(it.status(own).await, "pending");
}

#[tokio::test]
async fn a_comment_is_kept_whole_or_refused() {
    let it = Process::new();
    let id = it.ask(1).await.id;
    let ops = Decider { person_id: person("ops") };
    let decide = |comment: String| {
        let digest = conformance::digest(1);
        let decision = Decision { verdict: Verdict::Reject, digest, comment: Some(comment) };
        it.approvals.decide(id, decision, ops)
    };
    let long = decide("é".repeat(MAX_COMMENT_BYTES / 2) + "x").await.unwrap_err();
    assert_eq!(long.to_string(), "`comment` must be at most 4096 bytes long; received 4097");
    let steers = decide("fine\u{1b}[2J".to_owned()).await.unwrap_err();
    assert!(matches!(steers, DecideError::Comment(CommentProblem::Control(0x1b))));
    let comment = "é".repeat(2000) + "\n\ton two lines";
    let decided = decide(comment.clone()).await.unwrap();
    assert_eq!(decided.approval.answer.unwrap().comment, Some(comment));
}

fn objection<T: std::fmt::Debug>(outcome: Result<T, DecideError>) -> Objection {
    match outcome {
        Err(DecideError::NotAllowed { reason }) => reason,
        outcome => panic!("not an objection: {outcome:?}"),
    }
}

#[test]
fn the_people_of_these_tests_are_different() {
    let ids: std::collections::BTreeSet<PersonId> =
        ["ops", "lead", "owner", "guest", "stranger"].map(person).into();
    assert_eq!(ids.len(), 5);
}
