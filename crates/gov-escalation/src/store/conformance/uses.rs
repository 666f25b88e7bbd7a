//! What deciding, using and withdrawing promise.

use super::{requests::cancel, *};
use crate::approval::Status;

/// The person and the comment are kept, and from then on the yes has an end.
pub async fn a_decision_is_kept_with_its_person_and_comment(store: &dyn Backend) {
    let clock = ManualClock::default();
    for (verdict, status, number) in
        [(Verdict::Approve, Status::Approved, 1), (Verdict::Reject, Status::Rejected, 2)]
    {
        let id = submit(store, number, clock.now()).await.id;
        clock.advance(Duration::from_mins(1));
        let person_id = PersonId::at(clock.now());
        let change = said(verdict, number, person_id, only(person_id), Some("seen"));
        done(store, id, change, clock.now()).await;

        let it = store.get(id).await.unwrap();
        assert_eq!((it.status, it.generation), (status, 2));
        let given = it.answer.unwrap();
        assert_eq!((given.actor, given.at), (person_id.to_string(), clock.now()));
        assert_eq!(given.comment.as_deref(), Some("seen"));
        let end = (status == Status::Approved).then(|| clock.now() + APPROVED_FOR);
        assert_eq!((it.expires_at, it.due_at), (end, end));
        let last = store.of_approval(id).await.unwrap().pop().unwrap();
        assert_eq!(last.actor, person_id.to_string());
    }
}

/// The first answer stays, whatever the second one says.
pub async fn a_second_decision_changes_nothing(store: &dyn Backend) {
    let now = ManualClock::default().now();
    let id = approved(store, 1, now).await.id;
    for verdict in [Verdict::Reject, Verdict::Approve] {
        let refusal = refused(store, id, answer(verdict, 1), now).await;
        assert_eq!(refusal, Refusal::Status(Status::Approved));
    }
}

/// Who saw another action has not decided about this one.
pub async fn a_decision_about_another_digest_changes_nothing(store: &dyn Backend) {
    let now = ManualClock::default().now();
    let id = submit(store, 1, now).await.id;
    let refusal = refused(store, id, answer(Verdict::Approve, 2), now).await;
    assert_eq!(refusal, Refusal::OtherDigest);
}

/// Of a yes and a no at the same moment one is kept; the other one's caller is told.
pub async fn of_concurrent_decisions_exactly_one_counts(store: &dyn Backend) {
    let now = ManualClock::default().now();
    for number in 0..10 {
        let id = submit(store, number, now).await.id;
        let verdicts =
            (0..8).map(|it| if it % 2 == 0 { Verdict::Approve } else { Verdict::Reject });
        let answers = all(verdicts.map(|it| store.apply(id, answer(it, number), now))).await;
        let done = answers.iter().flatten().filter(|it| matches!(it, Applied::Done { .. })).count();
        assert_eq!((answers.iter().flatten().count(), done), (8, 1));
        assert_eq!(store.of_approval(id).await.unwrap().len(), 3);
        assert_eq!(store.get(id).await.unwrap().generation, 2);
    }
}

/// Used is used.
pub async fn an_approval_is_consumed_once(store: &dyn Backend) {
    let now = ManualClock::default().now();
    let id = approved(store, 1, now).await.id;
    let used = done(store, id, consume(1, None), now).await;
    assert_eq!((used.status, used.due_at, used.expires_at), (Status::Consumed, None, None));
    assert_eq!(store.get(id).await.unwrap(), used);
    // Without a key nobody can be told from a thief.
    for key in [None, Some("late")] {
        let refusal = refused(store, id, consume(1, key), now).await;
        assert_eq!(refusal, Refusal::Status(Status::Consumed));
    }
    assert_eq!(kinds(store, id).await.last(), Some(&AuditEventKind::ApprovalConsumed));
}

/// One of many gets it, and the others are told that it is gone.
pub async fn of_concurrent_consumers_exactly_one_is_done(store: &dyn Backend) {
    let now = ManualClock::default().now();
    for number in 0..10 {
        let id = approved(store, number, now).await.id;
        let keys: Vec<_> = (0..8).map(|it| format!("key-{it}")).collect();
        let uses = keys.iter().map(|key| store.apply(id, consume(number, Some(key)), now));
        let answers: Vec<_> = all(uses).await.into_iter().map(Result::unwrap).collect();
        let done = answers.iter().filter(|it| matches!(it, Applied::Done { .. })).count();
        let over = Refusal::Status(Status::Consumed);
        let gone = answers
            .iter()
            .filter(|it| matches!(it, Applied::Refused { refusal, .. } if *refusal == over))
            .count();
        assert_eq!((done, gone), (1, 7));
        assert_eq!(store.of_approval(id).await.unwrap().len(), 4);
    }
}

/// A yes to one action is no yes to another.
pub async fn consuming_is_bound_to_the_digest(store: &dyn Backend) {
    let now = ManualClock::default().now();
    let id = approved(store, 1, now).await.id;
    let refusal = refused(store, id, consume(2, Some("key")), now).await;
    assert_eq!(refusal, Refusal::OtherDigest);
    done(store, id, consume(1, Some("key")), now).await;
    let refusal = refused(store, id, consume(2, Some("key")), now).await;
    assert_eq!(refusal, Refusal::OtherDigest, "another action must not replay");
}

/// A repeat under the same key gets the answer of then, and writes nothing.
pub async fn a_use_is_replayed_only_under_its_own_key(store: &dyn Backend) {
    let now = ManualClock::default().now();
    let id = approved(store, 1, now).await.id;
    done(store, id, consume(1, Some("mine")), now).await;
    // Long after the yes would have expired, too.
    for at in [now, now + TIMEOUT] {
        assert_eq!(refused(store, id, consume(1, Some("mine")), at).await, Refusal::Replayed);
    }
    for key in [Some("Mine"), Some(""), None] {
        let refusal = refused(store, id, consume(1, key), now).await;
        assert_eq!(refusal, Refusal::Status(Status::Consumed), "{key:?}");
    }
}

/// No yes, no use; and a yes is over at its end even if its timer is late.
pub async fn what_is_not_approved_cannot_be_consumed(store: &dyn Backend) {
    let now = ManualClock::default().now();
    let id = submit(store, 1, now).await.id;
    let refusal = refused(store, id, consume(1, None), now).await;
    assert_eq!(refusal, Refusal::Status(Status::Pending));
    done(store, id, answer(Verdict::Reject, 1), now).await;
    let refusal = refused(store, id, consume(1, None), now).await;
    assert_eq!(refusal, Refusal::Status(Status::Rejected));

    let id = approved(store, 2, now).await.id;
    let refusal = refused(store, id, consume(2, None), now + APPROVED_FOR).await;
    assert_eq!(refusal, Refusal::Status(Status::Expired));
}

/// A cancelled approval takes no answer, no use and no clock; cancelling twice says so.
pub async fn what_was_cancelled_is_over(store: &dyn Backend) {
    let now = ManualClock::default().now();
    let waiting = submit(store, 1, now).await.id;
    let given = approved(store, 2, now).await.id;
    for (id, number) in [(waiting, 1), (given, 2)] {
        let it = done(store, id, cancel(), now).await;
        assert_eq!((it.status, it.due_at, it.expires_at), (Status::Cancelled, None, None));
        for change in [cancel(), answer(Verdict::Approve, number), consume(number, None)] {
            let refusal = refused(store, id, change, now).await;
            assert_eq!(refusal, Refusal::Status(Status::Cancelled));
        }
        let last = store.of_approval(id).await.unwrap().pop().unwrap();
        assert_eq!((last.kind, last.actor.as_str()), (AuditEventKind::ApprovalCancelled, "coder"));
    }
    assert_eq!(store.next_deadline().await.unwrap(), None);
    assert_eq!(fire(store, now + TIMEOUT).await, Fired::default());
}
