//! What a scheduler learns from one question.

use super::*;
use crate::store::Pulse;

/// In the order of firing; who is not asked anything is not in it.
pub async fn a_firing_names_who_is_asked_now_under_a_stable_key(store: &dyn Backend) {
    let now = ManualClock::default().now();
    let mut slow = request(1);
    slow.chain.rungs[1].after = Span(RUNG + Duration::from_secs(1));
    let second = store.submit(slow, now).await.unwrap().approval.id;
    let first = submit(store, 2, now).await.id;
    approved(store, 3, now).await;
    let late = now + (RUNG + Duration::from_secs(1));
    let firing = store.fire(late, 100).await.unwrap();
    assert_eq!((firing.fired.escalated, firing.fired.expired), (2, 1));
    let keys: Vec<_> = firing.events.iter().map(|it| it.key.clone()).collect();
    assert_eq!(keys, [format!("{first}/2"), format!("{second}/2")]);
    let it = &firing.events[0];
    assert_eq!((it.request_id, it.rung, it.escalation_approvers.as_str()), (first, 1, "lead"));
    assert_eq!(it.team_id, request(2).team_id);

    let over = store.fire(now + (TIMEOUT + TIMEOUT), 100).await.unwrap();
    assert_eq!((over.fired.fell_back, over.events), (2, Vec::new()));
}

/// Both in one look, and neither where there is none.
pub async fn the_pulse_knows_the_next_deadline_and_the_next_message(store: &dyn Backend) {
    let now = ManualClock::default().now();
    assert_eq!(store.pulse().await.unwrap(), Pulse::default());
    let id = submit(store, 1, now).await.id;
    let next_deadline = Some(now + RUNG);
    let wanted = Pulse { next_deadline, next_unsent: Some(now) };
    assert_eq!(store.pulse().await.unwrap(), wanted);
    let sent = lease(store, now).await.remove(0);
    let wanted = Pulse { next_deadline, next_unsent: Some(now + LEASE) };
    assert_eq!(store.pulse().await.unwrap(), wanted);
    store.mark_sent(&sent, now).await.unwrap();
    assert_eq!(store.pulse().await.unwrap(), Pulse { next_deadline, next_unsent: None });
    done(store, id, answer(Verdict::Reject, 1), now).await;
    assert_eq!(store.pulse().await.unwrap(), Pulse::default());
}

/// Or a sender would be woken at each look for what it may not send.
pub async fn the_pulse_waits_for_no_target_that_gets_nothing(store: &dyn Backend) {
    let now = ManualClock::default().now();
    submit(store, 1, now).await;
    let message = lease(store, now).await.remove(0);
    let hold_until = Some(now + LEASE * 3);
    let failure = Failure { retry_at: now + LEASE, hold_until, why: "429" };
    store.mark_failed(&message, failure).await.unwrap();
    assert_eq!(store.pulse().await.unwrap().next_unsent, hold_until);
    let again = lease(store, now + LEASE * 3).await.remove(0);
    store.disable_target(&again, "410", now + LEASE * 3).await.unwrap();
    assert_eq!(store.pulse().await.unwrap().next_unsent, None);
    store.enable_target("log").await.unwrap();
    assert!(store.pulse().await.unwrap().next_unsent.is_some());
}
