//! What a halt does to the clock, and what it does not.

use super::{
    edits::{edit, replaced},
    *,
};
use crate::{
    approval::Status,
    store::{Bounds, Findings, Mended, Pulse},
};

/// How long the halts of these rules last.
const HALT: Duration = Duration::from_hours(3);

/// Halts after `span`; the answer is when.
async fn halt(store: &dyn Backend, now: Timestamp, span: Duration) -> Timestamp {
    let at = now + span;
    assert!(store.halt(at).await.unwrap(), "halted already");
    at
}

/// Ends the halt that began at `halted_at` after [`HALT`]; the answer is when.
async fn resume(store: &dyn Backend, halted_at: Timestamp) -> Timestamp {
    let at = halted_at + HALT;
    assert_eq!(store.resume(halted_at, at).await.unwrap(), Some(HALT));
    at
}

/// Whatever the clock on the wall says meanwhile.
pub async fn a_halt_fires_nothing_and_its_end_gives_back_exactly_that_time(store: &dyn Backend) {
    let now = ManualClock::default().now();
    let before = submit(store, 1, now).await;
    let halted_at = halt(store, now, Duration::from_mins(5)).await;
    for late in [now + RUNG, now + TIMEOUT, halted_at + HALT] {
        assert_eq!(fire(store, late).await, Fired::default());
        assert_eq!(store.get(before.id).await.unwrap().status_at(late), Status::Pending);
    }
    assert_eq!(store.clock().await.unwrap().halted_at, Some(halted_at));

    resume(store, halted_at).await;
    let after = store.get(before.id).await.unwrap();
    assert_eq!(after.due_at, Some(now + HALT + RUNG));
    assert_eq!(after.expires_at, Some(now + HALT + TIMEOUT));
    assert_eq!((after.submitted_at, after.generation), (now, before.generation));
    assert_eq!(store.next_deadline().await.unwrap(), after.due_at);
    assert_eq!(fire(store, just_before(now + HALT + RUNG)).await, Fired::default());
    assert_eq!(fire(store, now + HALT + RUNG).await.escalated, 1);
    let it = store.get(before.id).await.unwrap();
    assert_eq!((it.rung, it.arrived_at), (1, now + HALT + RUNG));
    assert_eq!(fire(store, just_before(now + HALT + TIMEOUT)).await, Fired::default());
    assert_eq!(fire(store, now + HALT + TIMEOUT).await.fell_back, 1);
}

/// Between two rungs and on the last one: what was given back once stays.
pub async fn two_halts_give_back_both(store: &dyn Backend) {
    let now = ManualClock::default().now();
    let id = submit(store, 1, now).await.id;
    resume(store, halt(store, now, Duration::from_mins(5)).await).await;
    assert_eq!(fire(store, now + HALT + RUNG).await.escalated, 1);
    let second = halt(store, now, HALT + RUNG + Duration::from_mins(1)).await;
    resume(store, second).await;
    let it = store.get(id).await.unwrap();
    let end = now + HALT + HALT + TIMEOUT;
    assert_eq!((it.due_at, it.expires_at), (Some(end), Some(end)));
    assert_eq!(it.arrived_at, now + HALT + HALT + RUNG);
    assert_eq!(store.clock().await.unwrap().given_back, HALT * 2);
    assert_eq!(fire(store, just_before(end)).await, Fired::default());
    assert_eq!(fire(store, end).await.fell_back, 1);
}

/// While it lasts, and when it is heard of once more after its end: several servers hear of each.
pub async fn a_second_halt_keeps_the_first(store: &dyn Backend) {
    let now = ManualClock::default().now();
    let id = submit(store, 1, now).await.id;
    let halted_at = halt(store, now, Duration::from_mins(5)).await;
    assert!(!store.halt(halted_at).await.unwrap());
    assert!(!store.halt(halted_at + Duration::from_mins(1)).await.unwrap());
    assert_eq!(store.clock().await.unwrap().halted_at, Some(halted_at));

    let resumed_at = resume(store, halted_at).await;
    assert!(!store.halt(halted_at).await.unwrap(), "the same halt again");
    assert_eq!(store.resume(halted_at, resumed_at).await.unwrap(), None, "its end again");
    assert_eq!(store.get(id).await.unwrap().due_at, Some(now + HALT + RUNG));

    let again = halt(store, resumed_at, Duration::from_mins(1)).await;
    assert_eq!(store.resume(halted_at, again + HALT).await.unwrap(), None, "the end of the first");
    assert_eq!(store.clock().await.unwrap().halted_at, Some(again));
}

/// However many say it at once.
pub async fn of_concurrent_halts_and_ends_each_counts_once(store: &dyn Backend) {
    let now = ManualClock::default().now();
    let id = submit(store, 1, now).await.id;
    let halted = all((0..8).map(|_| store.halt(now))).await;
    assert_eq!(halted.into_iter().filter(|it| *it.as_ref().unwrap()).count(), 1);
    let ended = all((0..8).map(|_| store.resume(now, now + HALT))).await;
    assert_eq!(ended.into_iter().filter(|it| it.as_ref().unwrap().is_some()).count(), 1);
    assert_eq!(store.get(id).await.unwrap().due_at, Some(now + HALT + RUNG));
}

/// Nor one that ended before it began: two servers, two clocks.
pub async fn a_resume_without_a_halt_changes_nothing(store: &dyn Backend) {
    let now = ManualClock::default().now();
    let before = submit(store, 1, now).await;
    assert_eq!(store.resume(now, now + HALT).await.unwrap(), None);
    assert_eq!(store.get(before.id).await.unwrap(), before);

    let halted_at = halt(store, now, Duration::from_mins(5)).await;
    let early = store.resume(halted_at, just_before(halted_at)).await.unwrap();
    assert_eq!(early, Some(Duration::ZERO));
    assert_eq!(store.get(before.id).await.unwrap(), before);
    assert_eq!(fire(store, now + RUNG).await.escalated, 1);
}

/// A yes that is given meanwhile may be used for its whole time afterwards.
pub async fn a_decision_during_a_halt_counts(store: &dyn Backend) {
    let now = ManualClock::default().now();
    let id = submit(store, 1, now).await.id;
    let other = submit(store, 2, now).await.id;
    let halted_at = halt(store, now, Duration::from_mins(5)).await;
    let late = halted_at + TIMEOUT;
    let yes = done(store, id, answer(Verdict::Approve, 1), late).await;
    assert_eq!((yes.status, yes.answer.map(|it| it.at)), (Status::Approved, Some(late)));
    let no = done(store, other, answer(Verdict::Reject, 2), late).await;
    assert_eq!(no.status, Status::Rejected);

    let resumed_at = resume(store, halted_at).await;
    let end = resumed_at + APPROVED_FOR;
    assert_eq!(store.get(id).await.unwrap().expires_at, Some(end));
    assert_eq!(fire(store, just_before(end)).await, Fired::default());
    done(store, id, consume(1, None), just_before(end)).await;
}

/// And its people hear of it at once: messages go out whatever is halted.
pub async fn an_approval_opened_during_a_halt_has_its_whole_time(store: &dyn Backend) {
    let now = ManualClock::default().now();
    let halted_at = halt(store, now, Duration::ZERO).await;
    let late = now + Duration::from_mins(5);
    let it = submit(store, 1, late).await;
    assert_eq!(it.submitted_at, late);
    assert_eq!(store.get(it.id).await.unwrap(), it);
    assert_eq!(lease(store, late).await.len(), 1);
    let resumed_at = resume(store, halted_at).await;
    let it = store.get(it.id).await.unwrap();
    assert_eq!((it.due_at, it.arrived_at), (Some(resumed_at + RUNG), resumed_at));
    assert_eq!(it.expires_at, Some(resumed_at + TIMEOUT));
}

/// The time that is left of a yes is left afterwards.
pub async fn an_approved_one_expires_later_by_the_halt(store: &dyn Backend) {
    let now = ManualClock::default().now();
    let id = approved(store, 1, now).await.id;
    let unused = approved(store, 2, now).await.id;
    let halted_at = halt(store, now, APPROVED_FOR.saturating_sub(Duration::from_micros(1))).await;
    assert_eq!(fire(store, halted_at + HALT).await, Fired::default());
    resume(store, halted_at).await;
    done(store, id, consume(1, None), just_before(now + HALT + APPROVED_FOR)).await;
    assert_eq!(fire(store, now + HALT + APPROVED_FOR).await.expired, 1);
    let it = store.get(unused).await.unwrap();
    assert_eq!((it.status, it.expires_at), (Status::Expired, None));
}

/// It has no time left that could be given back; nobody answers it any more, and it fires when the
/// halt is over.
pub async fn what_is_due_when_all_is_halted_is_due_when_it_ends(store: &dyn Backend) {
    let now = ManualClock::default().now();
    let id = submit(store, 1, now).await.id;
    assert_eq!(fire(store, now + RUNG).await.escalated, 1);
    let halted_at = halt(store, now, TIMEOUT).await;
    assert_eq!(fire(store, halted_at).await, Fired::default());
    let late = refused(store, id, answer(Verdict::Approve, 1), halted_at + RUNG).await;
    assert_eq!(late, Refusal::Status(Status::TimedOut));
    let resumed_at = resume(store, halted_at).await;
    assert_eq!(store.next_deadline().await.unwrap(), Some(resumed_at));
    assert_eq!(fire(store, resumed_at).await.fell_back, 1);
}

/// Its new clock begins where the old one stands.
pub async fn what_is_asked_again_during_a_halt_has_its_whole_time(store: &dyn Backend) {
    let now = ManualClock::default().now();
    let id = approved(store, 1, now).await.id;
    let halted_at = halt(store, now, Duration::from_mins(5)).await;
    let mut stricter = chain();
    "strict".clone_into(&mut stricter.name);
    stricter.rungs[0].roles = vec!["security".parse().unwrap()];
    let change = Change::Reopen { chain: stricter, policy_version: 4, roster: roster() };
    done(store, id, change, halted_at + RUNG).await;
    let resumed_at = resume(store, halted_at).await;
    let it = store.get(id).await.unwrap();
    assert_eq!((it.status, it.due_at), (Status::Pending, Some(resumed_at + RUNG)));
    assert_eq!(it.expires_at, Some(resumed_at + TIMEOUT));
}

/// What stands in its place begins where the clock of the first one stands.
pub async fn what_is_edited_during_a_halt_has_its_whole_time(store: &dyn Backend) {
    let now = ManualClock::default().now();
    let id = submit(store, 1, now).await.id;
    let halted_at = halt(store, now, Duration::from_mins(5)).await;
    let mut change = edit("ann", 2);
    change.request.chain.rungs[0].quorum = 2;
    let new = replaced(store, id, change, halted_at + RUNG).await.1.id;
    let resumed_at = resume(store, halted_at).await;
    let it = store.get(new).await.unwrap();
    assert_eq!((it.status, it.due_at), (Status::Pending, Some(resumed_at + RUNG)));
    assert_eq!(it.expires_at, Some(resumed_at + TIMEOUT));
}

/// Who sleeps to the next deadline sleeps through; messages still wake the sender.
pub async fn the_pulse_knows_no_deadline_during_a_halt(store: &dyn Backend) {
    let now = ManualClock::default().now();
    submit(store, 1, now).await;
    let halted_at = halt(store, now, Duration::from_mins(5)).await;
    let wanted = Pulse { next_deadline: None, next_unsent: Some(now) };
    assert_eq!(store.pulse().await.unwrap(), wanted);
    assert_eq!(store.next_deadline().await.unwrap(), None);
    resume(store, halted_at).await;
    assert_eq!(store.pulse().await.unwrap().next_deadline, Some(now + HALT + RUNG));
}

/// What stands still is not late, and after the halt it is late from its new deadline on.
pub async fn a_timer_that_a_halt_froze_is_not_overdue(store: &dyn Backend) {
    let now = ManualClock::default().now();
    let bounds = Bounds { unsent: Duration::from_hours(1000), ..Bounds::default() };
    let found = async |at| store.findings(at, bounds).await.unwrap();
    submit(store, 1, now).await;
    let late = Duration::from_mins(1);
    let halted_at = halt(store, now, RUNG + late).await;
    assert_eq!(found(halted_at + HALT).await, Findings::default());
    resume(store, halted_at).await;
    let just = now + HALT + RUNG + bounds.overdue;
    assert_eq!(found(just).await, Findings::default());
    let wanted = Findings { overdue: 1, ..Findings::default() };
    assert_eq!(found(just + Duration::from_micros(1)).await, wanted);
}

/// A clock that was lost meanwhile stands where all others do.
pub async fn a_clock_that_is_mended_during_a_halt_gives_back_its_rest(store: &dyn Backend) {
    let now = ManualClock::default().now();
    let (lost, stopped) = (submit(store, 1, now).await.id, submit(store, 2, now).await.id);
    resume(store, halt(store, now, Duration::ZERO).await).await;
    let now = now + HALT;
    let halted_at = halt(store, now, Duration::from_mins(5)).await;
    store.lose_timer(lost).await;
    store.set_due(stopped, None).await;
    let mended = store.mend(halted_at + RUNG, 100).await.unwrap();
    assert_eq!(mended, Mended { armed: 2, ..Mended::default() });
    assert_eq!(store.get(lost).await.unwrap().arrived_at, halted_at);
    let resumed_at = resume(store, halted_at).await;
    assert_eq!(store.get(lost).await.unwrap().due_at, Some(resumed_at + RUNG));
    assert_eq!(store.get(stopped).await.unwrap().due_at, Some(now + HALT + RUNG));
}
