//! What the outbox promises.

use std::collections::BTreeSet;

use super::*;
use crate::approval::Notification;

/// Oldest first, also when an older one comes back after its lease.
pub async fn messages_are_leased_in_the_order_they_were_written(store: &dyn Backend) {
    let now = ManualClock::default().now();
    write(store, 9, now).await;
    let written = notifications(lease(store, now).await);
    let order: Vec<_> = written.iter().map(|it| it.content["action"]["command"].clone()).collect();
    let wanted: Vec<_> = (0..9).map(|number| json!(format!("deploy {number}"))).collect();
    assert_eq!(order, wanted);

    // These three are the freshest rows afterwards, and still the first in order.
    let first = store.lease_unsent(LOG, now + LEASE, LEASE, 3).await.unwrap();
    let again = store.lease_unsent(LOG, now + LEASE * 2, LEASE, 3).await.unwrap();
    let all = lease(store, now + LEASE * 3).await;
    for (leases, count) in [(first, 3), (again, 3), (all, 9)] {
        assert_eq!(notifications(leases), written[..count]);
    }
}

/// Each notifier of a rung has its own message, and the rungs come in their order.
pub async fn two_messages_of_one_approval_keep_their_order(store: &dyn Backend) {
    let now = ManualClock::default().now();
    let names = ["c", "a", "d", "b", "log"];
    let mut wanted = request(1);
    for rung in &mut wanted.chain.rungs {
        rung.notify = names.map(str::to_owned).to_vec();
    }
    store.submit(wanted, now).await.unwrap();
    fire(store, now + RUNG).await;
    for name in names {
        let leases = lease_for(store, Lane::unpaced(name), now + RUNG).await;
        let leases = notifications(leases);
        let told: Vec<_> = leases.iter().map(|it| (it.rung, it.notifier.as_str())).collect();
        assert_eq!(told, [(0, name), (1, name)]);
    }
}

/// Everything that the receiver is shown, byte for byte.
pub async fn a_message_reads_back_as_it_was_written(store: &dyn Backend) {
    let now = ManualClock::default().now();
    let mut wanted = request(1);
    wanted.content = json!({"ünïcode": "\u{202e}\u{0}🦀", "null": null, "deep": [{"a": -0.5}]});
    wanted.chain.rungs[0].notify = vec!["chat 🦀".to_owned()];
    let it = store.submit(wanted.clone(), now).await.unwrap().approval;
    let lane = Lane::unpaced("chat 🦀");
    let message = lease_for(store, lane, now).await.remove(0).notification;
    assert_eq!((message.approval_id, message.rung), (it.id, 0));
    assert_eq!(message.notifier, "chat 🦀");
    assert_eq!(
        message.content,
        json!({
            "approval_id": it.id, "agent_id": "coder", "action": wanted.content, "rung": 0,
            "rule_id": "ask-before-deploy", "reason": "deploys wait for a human", "risk": "high",
            "audience": "ops", "expires_at": now + TIMEOUT, "digest": wanted.digest,
        })
    );
}

/// A leased message is nobody else's until the lease runs out.
pub async fn a_lease_excludes_others_until_it_runs_out(store: &dyn Backend) {
    let now = ManualClock::default().now();
    write(store, 1, now).await;
    assert_eq!(lease(store, now).await[0].until, now + LEASE);
    let almost = just_before(now + LEASE);
    assert_eq!(lease(store, almost).await, []);
    assert_eq!(lease(store, now + LEASE).await.len(), 1);
}

/// A retry is the same message under the same key, with a new token.
pub async fn a_message_keeps_its_key_and_counts_its_tries(store: &dyn Backend) {
    let now = ManualClock::default().now();
    write(store, 1, now).await;
    let first = lease(store, now).await.remove(0);
    let again = lease(store, now + LEASE).await.remove(0);
    assert_eq!(again.notification, first.notification);
    assert_ne!(again.token, first.token);
    fail(store, &again, now + LEASE).await.unwrap();
    let third = lease(store, now + LEASE).await.remove(0);
    assert_eq!(third.notification, first.notification);
    assert_eq!([first.attempts, again.attempts, third.attempts], [0, 1, 2]);
}

/// Whose lease was taken over can mark nothing, neither sent nor failed; the new holder can.
pub async fn a_stale_lease_cannot_mark(store: &dyn Backend) {
    let now = ManualClock::default().now();
    write(store, 1, now).await;
    let stale = lease(store, now).await.remove(0);
    let fresh = lease(store, now + LEASE).await.remove(0);
    for outcome in
        [store.mark_sent(&stale, now + LEASE).await, fail(store, &stale, now + LEASE).await]
    {
        let lost = stale.notification.id;
        assert!(matches!(outcome, Err(StoreError::LeaseLost(it)) if it == lost), "{outcome:?}");
    }
    assert_eq!(lease(store, now + LEASE).await, [], "a stale lease gave the message back");
    store.mark_sent(&fresh, now + LEASE).await.unwrap();
}

/// What is marked as sent doesn't come back, and cannot be marked again.
pub async fn a_sent_message_is_never_leased_again(store: &dyn Backend) {
    let now = ManualClock::default().now();
    write(store, 2, now).await;
    let leases = lease(store, now).await;
    store.mark_sent(&leases[0], now).await.unwrap();
    let left = notifications(lease(store, now + LEASE).await);
    assert_eq!(left, [leases[1].notification.clone()]);
    for outcome in [store.mark_sent(&leases[0], now).await, fail(store, &leases[0], now).await] {
        assert!(matches!(outcome, Err(StoreError::LeaseLost(_))), "{outcome:?}");
    }
}

/// Not before `retry_at`, though its lease is over at once; the others do not wait for it.
pub async fn a_failed_message_waits_for_its_retry(store: &dyn Backend) {
    let now = ManualClock::default().now();
    write(store, 2, now).await;
    let failed = store.lease_unsent(LOG, now, LEASE, 1).await.unwrap().remove(0);
    let retry_at = now + LEASE * 10;
    fail(store, &failed, retry_at).await.unwrap();
    let other = lease(store, now).await;
    assert_eq!(other.len(), 1);
    assert_ne!(other[0].notification, failed.notification);
    store.mark_sent(&other[0], now).await.unwrap();
    let almost = just_before(now + LEASE * 10);
    assert_eq!(lease(store, almost).await, [], "tried too early");
    assert_eq!(notifications(lease(store, retry_at).await), [failed.notification]);
}

/// Of several senders at once, each message goes to one.
pub async fn concurrent_senders_share_no_message(store: &dyn Backend) {
    let now = ManualClock::default().now();
    write(store, 20, now).await;
    let mut ids = Vec::new();
    // A sender may pass over what another holds, and then comes back.
    for _round in 0..20 {
        for leases in all((0..4).map(|_| store.lease_unsent(LOG, now, LEASE, 3))).await {
            ids.extend(leases.unwrap().into_iter().map(|it| it.notification.id));
        }
    }
    let once: BTreeSet<_> = ids.iter().collect();
    assert_eq!((ids.len(), once.len()), (20, 20));
}

/// The earliest moment at which there is something to send; none, where all is sent.
pub async fn the_next_unsent_message_is_known(store: &dyn Backend) {
    let now = ManualClock::default().now();
    assert_eq!(store.next_unsent().await.unwrap(), None);
    write(store, 2, now).await;
    assert!(store.next_unsent().await.unwrap().unwrap() <= now);
    let leases = lease(store, now).await;
    assert_eq!(store.next_unsent().await.unwrap(), Some(now + LEASE));
    fail(store, &leases[0], now + LEASE / 2).await.unwrap();
    assert_eq!(store.next_unsent().await.unwrap(), Some(now + LEASE / 2));
    fail(store, &leases[1], now + LEASE * 3).await.unwrap();
    let first = lease(store, now + LEASE / 2).await.remove(0);
    store.mark_sent(&first, now + LEASE / 2).await.unwrap();
    assert_eq!(store.next_unsent().await.unwrap(), Some(now + LEASE * 3));
    let last = lease(store, now + LEASE * 3).await.remove(0);
    store.mark_sent(&last, now + LEASE * 3).await.unwrap();
    assert_eq!(store.next_unsent().await.unwrap(), None);
}

async fn write(store: &dyn Backend, count: u32, now: Timestamp) {
    for number in 0..count {
        submit(store, number, now).await;
    }
}

fn notifications(leases: Vec<Lease>) -> Vec<Notification> {
    leases.into_iter().map(|it| it.notification).collect()
}
