//! Each rule of one approval, alone.
#![expect(clippy::unwrap_used, reason = "the helpers of these tests panic as the tests do")]

use std::time::Duration;

use gov_core::{ApprovalId, Clock as _, clock::ManualClock};

use super::*;
use crate::{
    approval::ApprovalRequest,
    chain::{Chain, Fallback, Span},
    clock::RunningClock,
    store::conformance::{APPROVED_FOR, RUNG, TIMEOUT, answer, chain, consume, request},
};

#[test]
fn opening_asks_the_first_rung_and_says_who_asked_for_what() {
    let now = now();
    let step = open(ApprovalId::at(now), request(1), None, RunningClock::default(), now);
    let it = &step.approval;
    assert_eq!((it.status, it.rung, it.generation), (Status::Pending, 0, 1));
    assert_eq!((it.due_at, it.expires_at), (Some(now + RUNG), Some(now + TIMEOUT)));
    let [requested, routed] = step.history.try_into().unwrap();
    assert_eq!(requested.kind, AuditEventKind::ApprovalRequested);
    assert_eq!((requested.actor.as_str(), requested.policy_version), ("coder", Some(3)));
    assert_eq!(requested.content["action"], request(1).content);
    assert_eq!(routed.kind, AuditEventKind::ApprovalRouted);
    assert_eq!((routed.from_role, routed.to_role.as_deref()), (None, Some("ops")));
    assert_eq!(step.outbox.len(), 1);
    assert_eq!(step.outbox[0].content["action"], request(1).content);
}

#[test]
fn a_single_rung_waits_for_the_time_out() {
    let mut request = request(1);
    request.chain.rungs.truncate(1);
    let it = open(ApprovalId::at(now()), request, None, RunningClock::default(), now()).approval;
    assert_eq!(it.due_at, Some(now() + TIMEOUT));
}

#[test]
fn a_deadline_beyond_all_time_never_fires_rather_than_at_once() {
    let mut request = request(1);
    request.chain.rungs.truncate(1);
    request.chain.timeout = Span(Duration::MAX);
    let it = open(ApprovalId::at(now()), request, None, RunningClock::default(), now()).approval;
    assert_eq!(it.due_at, Some(Timestamp::MAX));
    assert_eq!(fire(&it, None, now() + Duration::from_hours(1_000_000)), None);
}

#[test]
fn a_yes_lives_for_a_while_and_a_no_for_ever() {
    let it = pending();
    let later = now() + RUNG;
    let yes = apply(&it, &answer(Verdict::Approve, 1), later).unwrap().approval;
    let end = Some(later + APPROVED_FOR);
    assert_eq!((yes.status, yes.due_at, yes.expires_at), (Status::Approved, end, end));
    let no = apply(&it, &answer(Verdict::Reject, 1), later).unwrap().approval;
    assert_eq!((no.status, no.due_at, no.expires_at), (Status::Rejected, None, None));
}

#[test]
fn a_decision_needs_the_digest_that_was_shown() {
    let refusal = apply(&pending(), &answer(Verdict::Reject, 2), now()).unwrap_err();
    assert_eq!(refusal, Refusal::OtherDigest);
}

#[test]
fn a_decision_counts_until_the_time_out_and_not_at_it() {
    let (it, yes) = (pending(), answer(Verdict::Approve, 1));
    assert!(apply(&it, &yes, just_before(now() + TIMEOUT)).is_ok());
    assert_eq!(apply(&it, &yes, now() + TIMEOUT), Err(Refusal::Status(Status::TimedOut)));
}

#[test]
fn after_the_time_out_only_a_parked_request_takes_an_answer_be_its_timer_late_or_not() {
    for (fallback, refusal) in [
        (Fallback::Deny, Some(Status::TimedOut)),
        (Fallback::Allow, Some(Status::Approved)),
        (Fallback::Park, None),
    ] {
        let it = pending_with(fallback);
        let fired = fire(&it, None, now() + TIMEOUT).unwrap().approval;
        for late in [it, fired] {
            assert_eq!(late.status_at(now() + TIMEOUT), refusal.unwrap_or(Status::Parked));
            let outcome = apply(&late, &answer(Verdict::Reject, 1), now() + TIMEOUT);
            assert_eq!(outcome.err(), refusal.map(Refusal::Status), "{fallback:?}");
        }
    }
}

#[test]
fn every_change_raises_the_generation_by_one() {
    let (it, yes) = (pending(), approved());
    assert_eq!((it.generation, yes.generation), (1, 2));
    let parked = fire(&pending_with(Fallback::Park), None, now() + TIMEOUT).unwrap();
    for (before, step) in [
        (&it, apply(&it, &answer(Verdict::Reject, 1), now()).unwrap()),
        (&it, apply(&it, &cancel(), now()).unwrap()),
        (&it, fire(&it, None, now() + RUNG).unwrap()),
        (&it, fire(&it, None, now() + TIMEOUT).unwrap()),
        (&it, parked),
        (&yes, apply(&yes, &consume(1, None), now()).unwrap()),
        (&yes, fire(&yes, None, now() + APPROVED_FOR).unwrap()),
    ] {
        assert_eq!(step.approval.generation, before.generation + 1);
    }
}

#[test]
fn nothing_fires_before_its_time_and_nothing_that_is_over() {
    let it = pending();
    assert_eq!(fire(&it, None, just_before(now() + RUNG)), None);
    for change in [answer(Verdict::Reject, 1), cancel()] {
        let over = apply(&it, &change, now()).unwrap().approval;
        assert_eq!(fire(&over, None, Timestamp::MAX), None);
    }
    // A timer that other hands left on a closed approval does nothing either.
    let over = apply(&it, &cancel(), now()).unwrap().approval;
    assert_eq!(fire(&Approval { due_at: Some(now()), ..over }, None, now()), None);
}

#[test]
fn a_rung_that_is_due_is_asked_and_told_and_the_time_out_stays() {
    let late = now() + RUNG + Duration::from_mins(1);
    let step = fire(&pending(), None, late).unwrap();
    let it = step.approval;
    assert_eq!((it.rung, it.arrived_at, it.generation), (1, now() + RUNG, 2));
    assert_eq!((it.due_at, it.expires_at), (Some(now() + TIMEOUT), Some(now() + TIMEOUT)));
    let [escalated] = step.history.try_into().unwrap();
    let (from, to) = (escalated.from_role.as_deref(), escalated.to_role.as_deref());
    assert_eq!((from, to), (Some("ops"), Some("lead")));
    assert_eq!((step.outbox.len(), step.outbox[0].rung), (1, 1));
}

#[test]
fn silence_is_answered_by_the_system_in_the_words_of_the_chain() {
    for (fallback, status, actor) in [
        (Fallback::Deny, Status::TimedOut, Some(SYSTEM_TIMEOUT)),
        (Fallback::Allow, Status::Approved, Some(SYSTEM_TIMEOUT)),
        (Fallback::Park, Status::Parked, None),
    ] {
        let step = fire(&pending_with(fallback), None, now() + TIMEOUT).unwrap();
        assert_eq!(step.approval.status, status);
        assert_eq!(step.approval.answer.as_ref().map(|it| it.actor.as_str()), actor);
        assert_eq!(step.approval.due_at.is_some(), status == Status::Approved);
        let [row] = step.history.try_into().unwrap();
        let wanted = (AuditEventKind::ApprovalTimedOut, SYSTEM_TIMEOUT);
        assert_eq!((row.kind, row.actor.as_str()), wanted);
        assert_eq!(row.content["fallback"], json!(fallback));
    }
}

#[test]
fn a_stored_chain_that_lost_its_rungs_falls_back() {
    let mut it = pending();
    it.request.chain.rungs.clear();
    let step = fire(&it, None, now() + RUNG).unwrap();
    assert_eq!(step.approval.status, Status::TimedOut);
}

#[test]
fn a_yes_is_used_once_for_its_own_action_and_in_time() {
    let yes = approved();
    let end = yes.expires_at.unwrap();
    assert_eq!(apply(&yes, &consume(2, None), now()), Err(Refusal::OtherDigest));
    assert_eq!(apply(&yes, &consume(1, None), end), Err(Refusal::Status(Status::Expired)));
    let used = apply(&yes, &consume(1, None), now()).unwrap();
    let over = Refusal::Status(Status::Consumed);
    assert_eq!(apply(&used.approval, &consume(1, None), now()), Err(over));
    let [row] = used.history.try_into().unwrap();
    assert_eq!((row.actor.as_str(), row.policy_version), ("coder", Some(4)));
    assert_eq!(row.content["requested_under_policy"], json!(3));
    assert_eq!(row.content["approved_by"], json!(yes.answer.unwrap().actor));
}

#[test]
fn a_use_is_repeated_only_under_the_key_it_had() {
    let used = apply(&approved(), &consume(1, Some("k")), now()).unwrap().approval;
    assert_eq!(apply(&used, &consume(1, Some("k")), Timestamp::MAX), Err(Refusal::Replayed));
    assert_eq!(apply(&used, &consume(2, Some("k")), now()), Err(Refusal::OtherDigest));
    for key in [None, Some("K")] {
        let refusal = apply(&used, &consume(1, key), now()).unwrap_err();
        assert_eq!(refusal, Refusal::Status(Status::Consumed));
    }
}

#[test]
fn what_is_open_can_be_withdrawn_and_what_is_closed_cannot() {
    let parked = fire(&pending_with(Fallback::Park), None, now() + TIMEOUT).unwrap().approval;
    for open in [pending(), parked, approved()] {
        let step = apply(&open, &cancel(), now()).unwrap();
        assert_eq!((step.approval.status, step.approval.due_at), (Status::Cancelled, None));
        assert_eq!(step.history[0].policy_version, Some(9));
        assert_eq!(step.outbox, []);
        let refusal = apply(&step.approval, &cancel(), now()).unwrap_err();
        assert_eq!(refusal, Refusal::Status(Status::Cancelled));
    }
}

#[test]
fn a_refusal_says_what_to_look_at() {
    let texts = [Refusal::Status(Status::TimedOut), Refusal::OtherDigest, Refusal::Replayed]
        .map(|it| it.to_string());
    assert_eq!(texts[0], "the approval is `timed_out`");
    assert_eq!(texts[1], "the digest is not the one of this approval");
    assert_eq!(texts[2], "the approval was consumed under this key before");
}

#[test]
fn every_status_has_a_word_of_its_own() {
    for status in Status::ALL {
        assert_eq!(Status::from_word(status.as_str()), Some(status));
    }
    assert_eq!(Status::from_word("Pending"), None);
}

fn now() -> Timestamp {
    ManualClock::default().now()
}

fn just_before(at: Timestamp) -> Timestamp {
    Timestamp::from_micros_clamped(at.as_micros() - 1)
}

fn pending() -> Approval {
    pending_with(Fallback::Deny)
}

fn pending_with(fallback: Fallback) -> Approval {
    let request = ApprovalRequest { chain: Chain { fallback, ..chain() }, ..request(1) };
    open(ApprovalId::at(now()), request, None, RunningClock::default(), now()).approval
}

fn approved() -> Approval {
    apply(&pending(), &answer(Verdict::Approve, 1), now()).unwrap().approval
}

fn cancel() -> Change {
    let (actor, reason) = ("system:policy".to_owned(), "another policy".to_owned());
    Change::Cancel { actor, reason, policy_version: Some(9) }
}
