//! What the outbox promises about its targets.

use std::collections::BTreeSet;

use super::*;
use crate::store::{TargetState, Waiting};

const SECOND: Duration = Duration::from_secs(1);

/// One message every ten seconds, and two at once.
const SLOW: Lane<'_> = Lane { target: "log", pace: Pace { every: TEN, burst: 2 } };
const TEN: Duration = Duration::from_secs(10);

const CHAT: Lane<'_> = Lane { target: "chat", pace: Pace::UNLIMITED };

/// However many wait for the other.
pub async fn a_target_gets_its_own_messages_and_no_others(store: &dyn Backend) {
    let now = tell_both(store, 3).await;
    for lane in [LOG, CHAT] {
        let leases = lease_for(store, lane, now).await;
        assert_eq!(leases.len(), 3);
        assert!(leases.iter().all(|it| it.notification.notifier == lane.target));
    }
    assert_eq!(lease_for(store, Lane::unpaced("nobody"), now).await, []);
}

/// What one waits for says nothing about the other; who has nothing to wait for is not there.
pub async fn a_target_waits_for_its_own_messages_only(store: &dyn Backend) {
    assert_eq!(store.waiting().await.unwrap(), []);
    let now = tell_both(store, 1).await;
    let lease = lease_for(store, CHAT, now).await.remove(0);
    assert_eq!(waiting(store).await, [("chat".to_owned(), now + LEASE), ("log".to_owned(), now)]);
    store.mark_sent(&lease, now).await.unwrap();
    assert_eq!(waiting(store).await, [("log".to_owned(), now)]);
}

/// Nobody gets it again, its target says so, and so does the history of its approval.
pub async fn a_message_that_is_given_up_is_over_counted_and_recorded(store: &dyn Backend) {
    let now = ManualClock::default().now();
    let id = submit(store, 1, now).await.id;
    let first = lease(store, now).await.remove(0);
    store.give_up(&first, "no answer, ten times", now + SECOND).await.unwrap();
    assert_eq!(lease(store, now + LEASE * 9).await, []);
    assert_eq!(store.waiting().await.unwrap(), []);
    let state = state(store).await;
    assert_eq!((state.given_up, state.waiting, state.failures), (1, 0, 1));
    assert_eq!(state.last_error.as_deref(), Some("no answer, ten times"));

    let row = store.of_approval(id).await.unwrap().pop().unwrap();
    assert_eq!((row.kind, row.at), (AuditEventKind::NotifyGivenUp, now + SECOND));
    assert_eq!(row.actor, "system:sender");
    let content: serde_json::Value = serde_json::from_slice(row.payload.as_bytes()).unwrap();
    assert_eq!(
        content,
        json!({
            "approval_id": id, "notification_id": first.notification.id, "target": "log",
            "rung": 0, "tries": 1, "why": "no answer, ten times",
        })
    );
    assert_eq!(row.position, store.end().await.unwrap(), "the history is not dense");
    // The approval itself stays as it is, and may be answered.
    done(store, id, answer(Verdict::Approve, 1), now).await;

    assert!(store.enable_target("log").await.unwrap());
    assert_eq!(store.targets().await.unwrap(), [], "what was seen is told again");
}

/// Its message waits too, and everything goes on as soon as it is enabled.
pub async fn a_disabled_target_gets_nothing_until_it_is_enabled(store: &dyn Backend) {
    let now = tell_both(store, 2).await;
    let first = store.lease_unsent(LOG, now, LEASE, 1).await.unwrap().remove(0);
    store.disable_target(&first, "410", now).await.unwrap();
    assert_eq!(lease(store, now + LEASE * 9).await, []);
    assert_eq!(waiting(store).await, [("chat".to_owned(), now)], "it is waited for");
    let state = state(store).await;
    assert_eq!((state.waiting, state.disabled), (2, Some((now, "410".to_owned()))));
    assert_eq!(lease_for(store, CHAT, now).await.len(), 2, "another target is disabled too");
    let last = rows(store).await.pop().unwrap();
    assert_eq!(last.kind, AuditEventKind::NotifyDisabled);
    assert_eq!(last.approval_id, first.notification.approval_id);

    assert!(store.enable_target("log").await.unwrap());
    assert!(!store.enable_target("log").await.unwrap());
    assert!(!store.enable_target("nobody").await.unwrap());
    let again = lease(store, now).await;
    assert_eq!(again.len(), 2);
    assert_eq!(again[0].notification, first.notification);
}

/// The first reason stays, and the history says it once.
pub async fn a_target_is_disabled_once(store: &dyn Backend) {
    let now = tell_both(store, 2).await;
    let leases = lease(store, now).await;
    store.disable_target(&leases[0], "first", now).await.unwrap();
    let end = store.end().await.unwrap();
    store.disable_target(&leases[1], "second", now + SECOND).await.unwrap();
    assert_eq!(state(store).await.disabled, Some((now, "first".to_owned())));
    assert_eq!(store.end().await.unwrap(), end);
    store.enable_target("log").await.unwrap();
    assert_eq!(lease(store, now + SECOND).await.len(), 2, "the second kept its lease");
}

/// Whose lease was taken over changes neither the message nor the target.
pub async fn a_stale_lease_gives_up_and_disables_nothing(store: &dyn Backend) {
    let now = ManualClock::default().now();
    submit(store, 1, now).await;
    let stale = lease(store, now).await.remove(0);
    let fresh = lease(store, now + LEASE).await.remove(0);
    let end = store.end().await.unwrap();
    for outcome in [
        store.give_up(&stale, "why", now).await,
        store.disable_target(&stale, "why", now).await,
        fail(store, &stale, now).await,
    ] {
        assert!(matches!(outcome, Err(StoreError::LeaseLost(_))), "{outcome:?}");
    }
    assert_eq!(store.end().await.unwrap(), end);
    let TargetState { failures, given_up, disabled, .. } = state(store).await;
    assert_eq!((failures, given_up, disabled), (0, 0, None));
    store.mark_sent(&fresh, now + LEASE).await.unwrap();
}

/// Not even a message that was never tried goes there, and never sooner than it asked for last.
pub async fn a_target_that_asks_to_be_left_alone_is(store: &dyn Backend) {
    let now = tell_both(store, 3).await;
    let leases = store.lease_unsent(LOG, now, LEASE, 2).await.unwrap();
    for (lease, seconds) in leases.iter().zip([60, 30]) {
        let hold_until = Some(now + SECOND * seconds);
        let failure = Failure { retry_at: now, hold_until, why: "429" };
        store.mark_failed(lease, failure).await.unwrap();
    }
    let until = now + SECOND * 60;
    assert_eq!(state(store).await.held_until, Some(until));
    assert_eq!(waiting(store).await[1], ("log".to_owned(), until));
    assert_eq!(lease(store, just_before(until)).await, [], "it is not left alone");
    assert_eq!(lease_for(store, CHAT, now).await.len(), 3, "another target is left alone too");
    let after = lease(store, until).await;
    assert_eq!(after.len(), 3);
    store.mark_sent(&after[0], until).await.unwrap();
    assert_eq!(store.targets().await.unwrap().len(), 2);
    assert_eq!(state(store).await.held_until, None);
}

/// Two at once, then one every ten seconds; what is not there is not paid.
pub async fn a_target_gets_no_more_than_its_pace(store: &dyn Backend) {
    let now = ManualClock::default().now();
    assert_eq!(lease_for(store, SLOW, now).await, []);
    for number in 0..4 {
        submit(store, number, now).await;
    }
    assert_eq!(lease_for(store, SLOW, now).await.len(), 2);
    assert_eq!(lease_for(store, SLOW, just_before(now + TEN)).await, []);
    let Waiting { paid_until, .. } = store.waiting().await.unwrap().remove(0);
    assert_eq!(SLOW.pace.opens_at(paid_until, now), now + TEN);
    assert_eq!(lease_for(store, SLOW, now + TEN).await.len(), 1);
    assert_eq!(lease_for(store, SLOW, now + TEN).await, []);
    // The target is enabled by hand: that is no reason to overrun it.
    store.enable_target("log").await.unwrap();
    assert_eq!(lease_for(store, SLOW, now + TEN).await, []);
    assert_eq!(lease_for(store, SLOW, now + TEN * 2).await.len(), 1);
}

/// Each of them may pay; together they pay no more.
pub async fn concurrent_senders_share_one_pace(store: &dyn Backend) {
    let now = ManualClock::default().now();
    for number in 0..12 {
        submit(store, number, now).await;
    }
    let mut ids = BTreeSet::new();
    for _round in 0..4 {
        for leases in all((0..4).map(|_| store.lease_unsent(SLOW, now, LEASE, 1))).await {
            ids.extend(leases.unwrap().into_iter().map(|it| it.notification.id));
        }
    }
    assert_eq!(ids.len(), 2);
}

/// With the last reason; a success forgets both.
pub async fn failures_are_counted_until_a_message_is_sent(store: &dyn Backend) {
    let now = ManualClock::default().now();
    submit(store, 1, now).await;
    for wanted in 1..=3 {
        let lease = lease(store, now).await.remove(0);
        fail(store, &lease, now).await.unwrap();
        let state = state(store).await;
        assert_eq!((state.failures, state.last_error.as_deref()), (wanted, Some("no answer")));
    }
    let lease = lease(store, now).await.remove(0);
    store.mark_sent(&lease, now).await.unwrap();
    assert_eq!(store.targets().await.unwrap(), []);
}

/// So many approvals, each told to `log` and to `chat`; the answer is when.
async fn tell_both(store: &dyn Backend, count: u32) -> Timestamp {
    let now = ManualClock::default().now();
    for number in 0..count {
        let mut request = request(number);
        request.chain.rungs[0].notify = vec!["log".to_owned(), "chat".to_owned()];
        store.submit(request, now).await.unwrap();
    }
    now
}

async fn state(store: &dyn Backend) -> TargetState {
    let states = store.targets().await.unwrap();
    states.into_iter().find(|it| it.name == "log").unwrap_or_default()
}

async fn waiting(store: &dyn Backend) -> Vec<(String, Timestamp)> {
    let waiting = store.waiting().await.unwrap();
    waiting.into_iter().map(|it| (it.target, it.free_at)).collect()
}
