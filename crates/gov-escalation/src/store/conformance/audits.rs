//! What an auditor may rely on, when other hands have been at the rows.

use super::*;
use crate::{
    approval::Status,
    store::{Bounds, Findings, Mended, SetAside},
};

const MENDED_ONE: Mended = Mended { armed: 1, disarmed: 0, set_aside: 0 };

async fn found(store: &dyn Backend, now: Timestamp) -> Findings {
    // Here nobody sends.
    let bounds = Bounds { unsent: Duration::from_hours(1000), ..Bounds::default() };
    store.findings(now, bounds).await.unwrap()
}

async fn mend(store: &dyn Backend, now: Timestamp) -> Mended {
    store.mend(now, 100).await.unwrap()
}

/// Parks what nobody answers.
async fn parked(store: &dyn Backend, number: u32, now: Timestamp) -> Approval {
    let mut request = request(number);
    request.chain.fallback = Fallback::Park;
    let id = store.submit(request, now).await.unwrap().approval.id;
    while fire(store, now + TIMEOUT).await != Fired::default() {}
    store.get(id).await.unwrap()
}

/// Whatever state an approval is in, its own changes leave nothing to mend.
pub async fn nothing_is_found_where_nothing_is_wrong(store: &dyn Backend) {
    let now = ManualClock::default().now();
    parked(store, 1, now).await;
    let now = now + TIMEOUT;
    submit(store, 2, now).await;
    approved(store, 3, now).await;
    let id = approved(store, 4, now).await.id;
    done(store, id, consume(4, None), now).await;
    let id = submit(store, 5, now).await.id;
    done(store, id, answer(Verdict::Reject, 5), now).await;
    assert_eq!(found(store, now).await, Findings::default());
    assert_eq!(mend(store, now).await, Mended::default());
}

/// The deadline comes from the chain, and not from when the damage was found.
pub async fn a_clock_that_was_stopped_runs_again_and_strikes_when_it_would_have(
    store: &dyn Backend,
) {
    let now = ManualClock::default().now();
    let before = submit(store, 1, now).await;
    store.set_due(before.id, None).await;
    let later = now + Duration::from_mins(5);
    assert_eq!(found(store, later).await, Findings { unarmed: 1, ..Findings::default() });

    assert_eq!(mend(store, later).await, MENDED_ONE);
    let after = store.get(before.id).await.unwrap();
    assert_eq!(after, Approval { generation: 2, ..before });
    assert_eq!(found(store, later).await, Findings::default());
    assert_eq!(mend(store, later).await, Mended::default(), "mended twice");
    assert_eq!(fire(store, just_before(now + RUNG)).await, Fired::default());
    assert_eq!(fire(store, now + RUNG).await.escalated, 1);
}

/// Nobody knows when its rung was reached, so that begins anew; the time-out stands.
pub async fn a_timer_that_was_lost_is_there_again_and_strikes_no_earlier(store: &dyn Backend) {
    let now = ManualClock::default().now();
    let id = submit(store, 1, now).await.id;
    let second = submit(store, 2, now).await.id;
    assert_eq!(fire(store, now + RUNG).await.escalated, 2);
    store.lose_timer(id).await;
    assert!(matches!(store.get(id).await, Err(StoreError::NotFound(it)) if it == id));
    let later = now + (RUNG + Duration::from_mins(5));
    assert_eq!(found(store, later).await.unarmed, 1);

    assert_eq!(mend(store, later).await, MENDED_ONE);
    let it = store.get(id).await.unwrap();
    assert_eq!((it.rung, it.arrived_at, it.due_at), (1, later, Some(now + TIMEOUT)));
    let rows = store.of_approval(id).await.unwrap().len() as u64;
    assert_eq!(it.generation, rows + 2, "an older plan could still match");
    done(store, id, answer(Verdict::Approve, 1), later).await;
    assert_eq!(store.get(second).await.unwrap().generation, 2);

    // On the first rung: later than it would have been, and never earlier.
    let id = submit(store, 3, later).await.id;
    store.lose_timer(id).await;
    let later = later + Duration::from_mins(5);
    mend(store, later).await;
    assert_eq!(store.get(id).await.unwrap().due_at, Some(later + RUNG));
}

/// An approval that nobody expires could be used for ever.
pub async fn the_end_of_a_yes_comes_although_its_timer_was_lost(store: &dyn Backend) {
    let now = ManualClock::default().now();
    let (lost, stopped) = (approved(store, 1, now).await.id, approved(store, 2, now).await.id);
    store.lose_timer(lost).await;
    store.set_due(stopped, None).await;
    let late = now + APPROVED_FOR;
    assert_eq!(mend(store, late).await, Mended { armed: 2, ..Mended::default() });
    assert_eq!(fire(store, late).await, Fired { expired: 2, ..Fired::default() });
}

/// A timer without a deadline is a part of every approval.
pub async fn what_is_over_or_parked_can_be_read_again_and_has_no_clock(store: &dyn Backend) {
    let now = ManualClock::default().now();
    let parked = parked(store, 1, now).await;
    let now = now + TIMEOUT;
    let over = submit(store, 2, now).await.id;
    done(store, over, answer(Verdict::Reject, 2), now).await;
    for id in [parked.id, over] {
        store.lose_timer(id).await;
    }
    assert_eq!(found(store, now).await, Findings { unarmed: 2, ..Findings::default() });
    assert_eq!(mend(store, now).await, Mended { armed: 2, ..Mended::default() });
    assert_eq!(store.get(over).await.unwrap().due_at, None);
    let it = store.get(parked.id).await.unwrap();
    assert_eq!((it.status, it.rung, it.due_at), (Status::Parked, 0, None));
    assert_eq!(found(store, now).await, Findings::default());
    done(store, parked.id, answer(Verdict::Approve, 1), now).await;
}

/// And the approval stays as it is.
pub async fn a_clock_that_should_not_run_is_stopped(store: &dyn Backend) {
    let now = ManualClock::default().now();
    let id = submit(store, 1, now).await.id;
    let before = done(store, id, answer(Verdict::Reject, 1), now).await;
    submit(store, 2, now).await;
    store.set_due(id, Some(now + RUNG)).await;
    assert_eq!(found(store, now).await, Findings { stale: 1, ..Findings::default() });
    assert_eq!(mend(store, now).await, Mended { disarmed: 1, ..Mended::default() });
    let generation = before.generation + 1;
    assert_eq!(store.get(id).await.unwrap(), Approval { generation, ..before });
    assert_eq!(found(store, now).await, Findings::default());
    assert_eq!(fire(store, now + RUNG).await, Fired { escalated: 1, ..Fired::default() });
}

/// The rest waits for the next.
pub async fn a_mend_does_no_more_than_its_limit(store: &dyn Backend) {
    let now = ManualClock::default().now();
    for number in 0..5 {
        let id = submit(store, number, now).await.id;
        store.set_due(id, None).await;
        let over = submit(store, number + 10, now).await.id;
        done(store, over, answer(Verdict::Reject, number + 10), now).await;
        store.set_due(over, Some(now + RUNG)).await;
    }
    for (armed, disarmed) in [(2, 2), (2, 2), (1, 1), (0, 0)] {
        let wanted = Mended { armed, disarmed, set_aside: 0 };
        assert_eq!(store.mend(now, 2).await.unwrap(), wanted);
    }
}

/// The generation decides, and a lost row is inserted once.
pub async fn of_concurrent_mends_each_clock_is_mended_once(store: &dyn Backend) {
    let now = ManualClock::default().now();
    let mut ids = Vec::new();
    for number in 0..20 {
        let id = submit(store, number, now).await.id;
        if number % 2 == 0 {
            store.set_due(id, None).await;
        } else {
            store.lose_timer(id).await;
        }
        ids.push(id);
    }
    let mends = all((0..4).map(|_| store.mend(now, 100))).await;
    let mut armed: u32 = mends.into_iter().map(|it| it.unwrap().armed).sum();
    // One may leave to another what the other holds, and then comes back.
    armed += mend(store, now).await.armed;
    assert_eq!(armed, 20);
    for (number, id) in (0..).zip(ids) {
        let generation = if number % 2 == 0 { 2 } else { 4 };
        assert_eq!(store.get(id).await.unwrap().generation, generation);
    }
}

/// At the bound itself it is not late yet.
pub async fn what_should_have_happened_is_counted_from_its_bound_on(store: &dyn Backend) {
    let now = ManualClock::default().now();
    let bounds = Bounds { overdue: Duration::from_secs(5), unsent: Duration::from_hours(2) };
    for number in 0..3 {
        submit(store, number, now).await;
    }
    let sent = lease(store, now).await.remove(0);
    store.mark_sent(&sent, now).await.unwrap();
    let just = now + (RUNG + bounds.overdue);
    let found = async |at| store.findings(at, bounds).await.unwrap();
    assert_eq!(found(just).await, Findings::default());
    let late = just + Duration::from_micros(1);
    assert_eq!(found(late).await, Findings { overdue: 3, ..Findings::default() });

    done(store, sent.notification.approval_id, answer(Verdict::Reject, 0), now).await;
    let just = now + bounds.unsent.saturating_sub(Duration::from_millis(1));
    assert_eq!(found(just).await, Findings { overdue: 2, ..Findings::default() });
    let late = now + (bounds.unsent + Duration::from_millis(1));
    assert_eq!(found(late).await, Findings { overdue: 2, unsent: 2, ..Findings::default() });
}

/// Firing notices it, and the list says why.
pub async fn what_cannot_be_read_is_set_aside_and_listed_with_its_reason(store: &dyn Backend) {
    let now = ManualClock::default().now();
    let ids = [submit(store, 1, now).await.id, submit(store, 2, now).await.id];
    submit(store, 3, now).await;
    assert_eq!(store.set_aside(100).await.unwrap(), []);
    for id in ids {
        store.garble(id).await;
        store.get(id).await.unwrap_err();
    }
    let fired = fire(store, now + RUNG).await;
    assert_eq!(fired, Fired { escalated: 1, set_aside: 2, ..Fired::default() });
    assert_eq!(found(store, now).await, Findings { set_aside: 2, ..Findings::default() });
    let mut wanted = ids.map(|approval_id| {
        let reason = "invalid `chain`".to_owned();
        SetAside { approval_id, reason }
    });
    wanted.sort_by_key(|it| it.approval_id);
    assert_eq!(store.set_aside(100).await.unwrap(), wanted);
    assert_eq!(store.set_aside(1).await.unwrap(), wanted[..1]);
    // There is nothing to mend about it.
    assert_eq!(mend(store, now).await, Mended::default());
}

/// Its deadline is a part of what nobody can read.
pub async fn an_unreadable_approval_without_a_clock_is_set_aside(store: &dyn Backend) {
    let now = ManualClock::default().now();
    let id = submit(store, 1, now).await.id;
    store.set_due(id, None).await;
    store.garble(id).await;
    assert_eq!(found(store, now).await, Findings { unarmed: 1, ..Findings::default() });
    assert_eq!(mend(store, now).await, Mended { set_aside: 1, ..Mended::default() });
    assert_eq!(found(store, now).await, Findings { set_aside: 1, ..Findings::default() });
    assert_eq!(store.set_aside(10).await.unwrap()[0].approval_id, id);
}

/// It is over, one row says who closed it, and its action has an answer again.
pub async fn what_was_discarded_is_recorded_and_can_be_asked_for_again(store: &dyn Backend) {
    let now = ManualClock::default().now();
    let id = submit(store, 1, now).await.id;
    store.garble(id).await;
    let late = now + RUNG;
    assert_eq!(fire(store, late).await.set_aside, 1);

    let position = store.discard(id, "admin-1", "the disk was full", late).await.unwrap();
    assert_eq!(position, store.end().await.unwrap());
    let row = store.of_approval(id).await.unwrap().pop().unwrap();
    assert_eq!((row.position, row.at), (position, late));
    assert_eq!((row.kind, row.actor.as_str()), (AuditEventKind::ApprovalCancelled, "admin-1"));
    let said: serde_json::Value = serde_json::from_slice(row.payload.as_bytes()).unwrap();
    assert_eq!(said["reason"], "the disk was full");
    assert_eq!(store.set_aside(10).await.unwrap(), []);
    assert_eq!(found(store, late).await, Findings::default());
    assert_eq!(fire(store, now + TIMEOUT).await, Fired::default());

    let again = store.submit(request(1), late).await.unwrap();
    assert!(again.position.is_some() && again.approval.id != id);
}

/// What can be read is decided or withdrawn instead.
pub async fn only_what_is_set_aside_can_be_discarded(store: &dyn Backend) {
    let now = ManualClock::default().now();
    let it = submit(store, 1, now).await;
    let unknown = ApprovalId::at(now);
    let end = store.end().await.unwrap();
    for id in [it.id, unknown] {
        let error = store.discard(id, "admin-1", "why not", now).await.unwrap_err();
        assert!(matches!(error, StoreError::NotFound(missing) if missing == id), "{error}");
    }
    assert_eq!(store.get(it.id).await.unwrap(), it);
    assert_eq!(store.end().await.unwrap(), end);

    store.garble(it.id).await;
    fire(store, now + RUNG).await;
    store.discard(it.id, "admin-1", "broken", now).await.unwrap();
    let twice = store.discard(it.id, "admin-1", "broken", now).await.unwrap_err();
    assert!(matches!(twice, StoreError::NotFound(_)), "{twice}");
}
