//! How messages reach their notifier, or come again.

use std::{sync::atomic::Ordering, time::Duration};

use gov_escalation::{
    LogNotifier, Notifier as _, SendReport,
    store::{Outbox as _, conformance::request},
};

use crate::support::{MINUTE, Process, TICK, almost, now};

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test]
async fn a_failed_message_comes_again_with_growing_pauses_under_the_same_id() {
    let mut it = Process::new();
    it.inbox.fails.store(true, Ordering::SeqCst);
    it.start_sender();
    it.ask(1).await;
    let first = it.inbox.take();
    assert_eq!(first.len(), 1);
    for pause in [SECOND, 2 * SECOND, 4 * SECOND] {
        it.pass(almost(pause)).await;
        assert_eq!(it.inbox.take(), [], "came again too early");
        it.pass(TICK).await;
        assert_eq!(it.inbox.take(), first);
    }
    it.inbox.fails.store(false, Ordering::SeqCst);
    it.pass(8 * SECOND).await;
    assert_eq!(it.inbox.take(), first);
    it.pass(60 * MINUTE).await;
    assert_eq!(it.inbox.take(), [], "came again after a success");
    it.stop().await;
}

#[tokio::test]
async fn the_pause_between_two_tries_has_an_end() {
    let it = Process::new();
    it.inbox.fails.store(true, Ordering::SeqCst);
    it.ask(1).await;
    let sender = it.sender();
    for _ in 0..40 {
        assert_eq!(sender.run_once().await.unwrap().failed, 1);
        it.clock.advance(5 * MINUTE);
    }
}

#[tokio::test]
async fn a_notifier_that_hangs_holds_nobody_for_long() {
    let mut it = Process::new();
    it.inbox.hangs.store(true, Ordering::SeqCst);
    it.ask(1).await;
    it.ask(2).await;
    it.start_sender();
    it.settle().await;
    assert_eq!(it.inbox.take().len(), 1);
    it.pass(almost(10 * SECOND)).await;
    assert_eq!(it.inbox.take().len(), 0);
    it.pass(TICK).await;
    assert_eq!(it.inbox.take().len(), 1, "the second waits for the first");
}

#[tokio::test]
async fn a_message_whose_lease_was_taken_over_is_left_to_the_new_holder() {
    let it = Process::new();
    it.ask(1).await;
    it.ask(2).await;
    it.inbox.hangs.store(true, Ordering::SeqCst);
    let (sender, store) = (it.sender(), it.store.inner.clone());
    let pass = tokio::spawn(async move { sender.run_once().await });
    it.settle().await;
    // This process is held up for longer than its lease, and another one takes over.
    it.clock.advance(MINUTE);
    let taken = store.lease_unsent(now(&it), MINUTE, 10).await.unwrap();
    assert_eq!(taken.len(), 2);
    it.settle().await;
    assert!(pass.is_finished(), "still waits for the notifier");
    let report = pass.await.unwrap().unwrap();
    assert_eq!(report, SendReport { lost: 2, ..SendReport::default() });
    assert_eq!(it.inbox.take().len(), 1, "the second was not ours any more");
    for lease in taken {
        store.mark_sent(&lease, now(&it)).await.unwrap();
    }
}

#[tokio::test]
async fn a_notifier_that_is_gone_keeps_the_message_until_it_is_back() {
    let it = Process::new();
    let mut request = request(1);
    request.chain.rungs[0].notify = vec!["chat".to_owned(), "log".to_owned()];
    it.approvals.submit(request).await.unwrap();
    let report = it.sender().run_once().await.unwrap();
    assert_eq!(report, SendReport { sent: 1, failed: 1, lost: 0 });
    assert_eq!(it.store.inner.next_unsent().await.unwrap(), Some(now(&it) + SECOND));
}

#[tokio::test]
async fn a_sender_that_ends_gives_back_what_it_has_not_begun() {
    let mut it = Process::new();
    for number in 0..3 {
        it.ask(number).await;
    }
    it.inbox.hangs.store(true, Ordering::SeqCst);
    it.start_sender();
    it.settle().await;
    let (store, clock) = (it.store.inner.clone(), it.clock.clone());
    it.shutdown.cancel();
    it.pass(10 * SECOND).await;
    assert_eq!(it.inbox.take().len(), 1);
    it.stop().await;
    let left = store.lease_unsent(gov_core::Clock::now(&clock), MINUTE, 10).await.unwrap();
    assert_eq!(left.len(), 2, "they wait for a lease that nobody holds");
}

#[tokio::test]
async fn the_log_notifier_takes_every_message() {
    let it = Process::new();
    it.ask(1).await;
    let lease = it.store.inner.lease_unsent(now(&it), MINUTE, 1).await.unwrap().remove(0);
    LogNotifier.notify(&lease.notification).await.unwrap();
}
