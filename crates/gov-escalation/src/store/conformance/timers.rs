//! What the clock promises.

use std::collections::BTreeSet;

use super::{requests::cancel, *};
use crate::{approval::Status, transition::SYSTEM_TIMEOUT};

/// Nothing one microsecond early, one step at the time, and nothing again.
pub async fn a_due_timer_fires_once_and_not_before_its_time(store: &dyn Backend) {
    let now = ManualClock::default().now();
    let it = submit(store, 1, now).await;
    let almost = just_before(now + RUNG);
    assert_eq!(fire(store, almost).await, Fired::default());
    assert_eq!(store.get(it.id).await.unwrap(), it, "fired too early");
    assert_eq!(fire(store, now + RUNG).await, Fired { escalated: 1, ..Fired::default() });
    assert_eq!(fire(store, now + RUNG).await, Fired::default(), "fired twice");
    assert_eq!(store.get(it.id).await.unwrap().generation, 2);
}

/// The next rung is reached, recorded, told and timed in one change.
pub async fn firing_writes_rung_history_message_and_next_deadline_together(store: &dyn Backend) {
    let now = ManualClock::default().now();
    let id = submit(store, 1, now).await.id;
    let late = now + (RUNG + Duration::from_secs(3));
    assert_eq!(fire(store, late).await.escalated, 1);

    let it = store.get(id).await.unwrap();
    assert_eq!((it.status, it.rung, it.arrived_at), (Status::Pending, 1, now + RUNG));
    assert_eq!((it.due_at, it.expires_at), (Some(now + TIMEOUT), Some(now + TIMEOUT)));
    assert_eq!(store.next_deadline().await.unwrap(), Some(now + TIMEOUT));
    let row = store.of_approval(id).await.unwrap().pop().unwrap();
    assert_eq!((row.kind, row.at), (AuditEventKind::ApprovalEscalated, late));
    assert_eq!((row.from_role.as_deref(), row.to_role.as_deref()), (Some("ops"), Some("lead")));
    let rungs: Vec<_> = lease(store, late).await.iter().map(|it| it.notification.rung).collect();
    assert_eq!(rungs, [0, 1]);
}

/// The most overdue first; of equal ones the smaller id.
pub async fn due_timers_fire_by_deadline_and_equal_ones_by_id(store: &dyn Backend) {
    let now = ManualClock::default().now();
    let mut wanted = Vec::new();
    // Deadlines against the order of submitting, and each of them thrice.
    for (number, wait) in (0..9).zip([30, 20, 10].into_iter().cycle()) {
        let mut request = request(number);
        request.chain.rungs[1].after = Span(Duration::from_secs(wait));
        let it = store.submit(request, now).await.unwrap().approval;
        wanted.push((it.due_at, it.id));
    }
    wanted.sort_unstable();
    let end = store.end().await.unwrap();
    for _batch in 0..5 {
        store.fire_due(now + RUNG, 2).await.unwrap();
    }
    let fired = store.rows_after(end, 100).await.unwrap();
    let order: Vec<_> = fired.iter().map(|it| it.approval_id).collect();
    let wanted: Vec<_> = wanted.into_iter().map(|(_, id)| id).collect();
    assert_eq!(order, wanted);
    let told: Vec<_> =
        lease(store, now + RUNG).await[9..].iter().map(|it| it.notification.approval_id).collect();
    assert_eq!(told, wanted);
}

/// A limit of zero fires nothing.
pub async fn a_batch_fires_no_more_than_its_limit(store: &dyn Backend) {
    let now = ManualClock::default().now();
    for number in 0..5 {
        submit(store, number, now).await;
    }
    for (limit, escalated) in [(0, 0), (2, 2), (2, 2), (2, 1), (2, 0)] {
        let fired = store.fire_due(now + RUNG, limit).await.unwrap();
        assert_eq!(fired, Fired { escalated, ..Fired::default() });
    }
}

/// Passes at the same moment fire every timer once between them.
pub async fn of_concurrent_passes_each_timer_fires_once(store: &dyn Backend) {
    let now = ManualClock::default().now();
    for number in 0..20 {
        submit(store, number, now).await;
    }
    let mut fired = 0;
    // A pass may leave to another what the other holds, and then comes back.
    for _round in 0..20 {
        let passes = all((0..4).map(|_| store.fire_due(now + RUNG, 7))).await;
        fired += passes.into_iter().map(|it| it.unwrap().escalated).sum::<u32>();
    }
    assert_eq!(fired, 20);
    assert_eq!(lease(store, now + RUNG).await.len(), 40);
    for it in store.list(&crate::store::ApprovalFilter::default(), None, 100).await.unwrap() {
        assert_eq!((it.rung, it.generation), (1, 2));
    }
}

/// What was answered does not escalate, even if its timer is looked at late.
pub async fn a_decision_beats_a_late_fire(store: &dyn Backend) {
    let now = ManualClock::default().now();
    let id = submit(store, 1, now).await.id;
    // The rung's time is over, and nobody has fired it yet.
    let late = now + RUNG;
    let before = done(store, id, answer(Verdict::Reject, 1), late).await;
    assert_eq!(fire(store, late).await, Fired::default());
    assert_eq!(store.get(id).await.unwrap(), before);
    assert_eq!(lease(store, late).await.len(), 1);
}

/// After the time-out an answer comes too late, fired or not.
pub async fn a_fire_beats_a_late_decision(store: &dyn Backend) {
    let now = ManualClock::default().now();
    let late = now + TIMEOUT;
    let id = submit(store, 1, now).await.id;
    for fires in [false, true] {
        if fires {
            assert_eq!(fire(store, late).await.fell_back, 1);
        }
        let refusal = refused(store, id, answer(Verdict::Approve, 1), late).await;
        assert_eq!(refusal, Refusal::Status(Status::TimedOut), "fired: {fires}");
    }
}

/// An answer at the last moment and the fallback at the time-out: one of them wins, and only one
/// stands in the history.
pub async fn a_decision_and_the_fallback_never_both_win(store: &dyn Backend) {
    let now = ManualClock::default().now();
    for number in 0..20 {
        let id = submit(store, number, now).await.id;
        let before = just_before(now + TIMEOUT);
        let (fired, decided) = tokio::join!(
            fire(store, now + TIMEOUT),
            store.apply(id, answer(Verdict::Approve, number), before),
        );
        let decided = matches!(decided.unwrap(), Applied::Done { .. });
        // A pass may leave to the decision what the decision holds.
        let fell_back = fired.fell_back == 1 || fire(store, now + TIMEOUT).await.fell_back == 1;
        assert_ne!(decided, fell_back);
        let it = store.get(id).await.unwrap();
        let status = if decided { Status::Approved } else { Status::TimedOut };
        assert_eq!((it.status, it.generation), (status, 2));
        assert_eq!(store.of_approval(id).await.unwrap().len(), 3);
        if decided {
            done(store, id, cancel(), before).await;
        }
    }
}

/// Silence means no, said by the system.
pub async fn the_time_out_denies_as_the_system(store: &dyn Backend) {
    let (id, at) = timed_out(store, Fallback::Deny).await;
    let it = store.get(id).await.unwrap();
    assert_eq!((it.status, it.due_at, it.expires_at), (Status::TimedOut, None, None));
    let silence = it.answer.unwrap();
    assert_eq!((silence.actor.as_str(), silence.at), (SYSTEM_TIMEOUT, at));
}

/// Where the chain acknowledged the risk, silence is a yes that can be used once, for a while.
pub async fn the_time_out_allows_where_the_chain_says_so(store: &dyn Backend) {
    let (id, at) = timed_out(store, Fallback::Allow).await;
    let it = store.get(id).await.unwrap();
    assert_eq!((it.status, it.answer.unwrap().actor.as_str()), (Status::Approved, SYSTEM_TIMEOUT));
    assert_eq!((it.due_at, it.expires_at), (Some(at + APPROVED_FOR), Some(at + APPROVED_FOR)));
    done(store, id, consume(1, None), at).await;
}

/// A parked one has no clock any more, and takes an answer whenever it comes.
pub async fn the_time_out_parks_where_the_chain_says_so(store: &dyn Backend) {
    let (id, at) = timed_out(store, Fallback::Park).await;
    let it = store.get(id).await.unwrap();
    assert_eq!((it.status, it.answer, it.due_at), (Status::Parked, None, None));
    assert_eq!(store.next_deadline().await.unwrap(), None);
    let much_later = at + Duration::from_hours(1000);
    assert_eq!(fire(store, much_later).await, Fired::default());
    assert_eq!(submit(store, 1, much_later).await.id, id, "parked is open");
    let it = done(store, id, answer(Verdict::Approve, 1), much_later).await;
    assert_eq!(it.expires_at, Some(much_later + APPROVED_FOR));
}

/// After a long downtime nobody is asked who has no time left to answer.
pub async fn a_timer_later_than_the_time_out_falls_back_at_once(store: &dyn Backend) {
    let now = ManualClock::default().now();
    let id = submit(store, 1, now).await.id;
    let fired = fire(store, now + TIMEOUT + Duration::from_hours(9)).await;
    assert_eq!(fired, Fired { fell_back: 1, ..Fired::default() });
    assert_eq!(store.get(id).await.unwrap().rung, 0);
    assert_eq!(lease(store, now + TIMEOUT).await.len(), 1);
}

/// A yes that nobody used is over at its end.
pub async fn an_unused_approval_expires(store: &dyn Backend) {
    let now = ManualClock::default().now();
    let it = approved(store, 1, now).await;
    let almost = just_before(now + APPROVED_FOR);
    assert_eq!(fire(store, almost).await, Fired::default());
    let fired = fire(store, now + APPROVED_FOR).await;
    assert_eq!(fired, Fired { expired: 1, ..Fired::default() });
    let over = store.get(it.id).await.unwrap();
    assert_eq!((over.status, over.answer), (Status::Expired, it.answer));
    let last = store.of_approval(it.id).await.unwrap().pop().unwrap();
    assert_eq!((last.kind, last.actor.as_str()), (AuditEventKind::ApprovalExpired, SYSTEM_TIMEOUT));
}

/// Whatever closes an approval takes its timer along.
pub async fn the_timer_of_a_closed_approval_is_gone(store: &dyn Backend) {
    let now = ManualClock::default().now();
    let rejected = submit(store, 1, now).await.id;
    done(store, rejected, answer(Verdict::Reject, 1), now).await;
    let used = approved(store, 2, now).await.id;
    done(store, used, consume(2, None), now).await;
    let cancelled = submit(store, 3, now).await.id;
    done(store, cancelled, cancel(), now).await;
    assert_eq!(store.next_deadline().await.unwrap(), None);
    assert_eq!(fire(store, Timestamp::MAX).await, Fired::default());
}

/// The earliest of all armed timers, of whatever kind; none, where none is armed.
pub async fn the_next_deadline_is_the_earliest(store: &dyn Backend) {
    let now = ManualClock::default().now();
    assert_eq!(store.next_deadline().await.unwrap(), None);
    submit(store, 1, now + Duration::from_mins(1)).await;
    submit(store, 2, now).await;
    assert_eq!(store.next_deadline().await.unwrap(), Some(now + RUNG));
    approved(store, 3, now).await;
    assert_eq!(store.next_deadline().await.unwrap(), Some(now + APPROVED_FOR));
    fire(store, now + RUNG).await;
    let next = now + (RUNG + Duration::from_mins(1));
    assert_eq!(store.next_deadline().await.unwrap(), Some(next));
}

/// A corrected clock repeats nothing; the next deadline stays where it was.
pub async fn a_clock_that_jumps_back_fires_nothing(store: &dyn Backend) {
    let now = ManualClock::default().now();
    submit(store, 1, now).await;
    assert_eq!(fire(store, now + RUNG).await.escalated, 1);
    for back in [now + RUNG, now, Timestamp::UNIX_EPOCH] {
        assert_eq!(fire(store, back).await, Fired::default());
    }
    assert_eq!(store.next_deadline().await.unwrap(), Some(now + TIMEOUT));
    let tried: BTreeSet<_> =
        lease(store, now + RUNG).await.into_iter().map(|it| it.notification.rung).collect();
    assert_eq!(tried, [0, 1].into());
}

/// A request that nobody answered, and when its fallback was applied.
async fn timed_out(store: &dyn Backend, fallback: Fallback) -> (ApprovalId, Timestamp) {
    let now = ManualClock::default().now();
    let wanted = ApprovalRequest { chain: Chain { fallback, ..chain() }, ..request(1) };
    let id = store.submit(wanted, now).await.unwrap().approval.id;
    let at = now + TIMEOUT;
    assert_eq!(fire(store, at).await, Fired { fell_back: 1, ..Fired::default() });
    assert_eq!(fire(store, at).await, Fired::default());
    let row = store.of_approval(id).await.unwrap().pop().unwrap();
    assert_eq!((row.kind, row.actor.as_str()), (AuditEventKind::ApprovalTimedOut, SYSTEM_TIMEOUT));
    (id, at)
}
