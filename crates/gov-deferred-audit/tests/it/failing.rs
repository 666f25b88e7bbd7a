//! A log that takes nothing: who must not wait is told so.

use std::{future::poll_fn, task::Poll, time::Duration};

use gov_core::{Health as _, HealthState};
use gov_deferred_audit::DeferredAuditSink as _;
use rusqlite::Connection;

use crate::{fixture::Fixture, nodes::until_dead};

const BOUND: Duration = Duration::from_mins(1);

async fn now<T>(it: &mut (impl Future<Output = T> + Unpin)) -> Option<T> {
    poll_fn(|cx| match std::pin::Pin::new(&mut *it).poll(cx) {
        Poll::Ready(told) => Poll::Ready(Some(told)),
        Poll::Pending => Poll::Ready(None),
    })
    .await
}

#[tokio::test]
async fn who_must_not_wait_is_told_once_nothing_was_appended_for_so_long() {
    let it = Fixture::new();
    let log = it.open().await;
    let mut early = Box::pin(log.failing_for(Duration::ZERO));
    assert_eq!(now(&mut early).await, None, "it works");

    let other = Connection::open(&it.config.database).unwrap();
    other.execute_batch("begin immediate").unwrap();
    let (mut sink, batch) = (log.sink(), vec![it.record(0)]);
    let appending = tokio::spawn(async move { sink.append(&batch).await });
    tokio::time::timeout(BOUND, until_dead(&log)).await.unwrap();
    let mut told = Box::pin(log.failing_for(Duration::from_secs(2)));
    assert_eq!(now(&mut told).await, None);
    assert!(now(&mut early).await.is_some());
    it.clock.advance(Duration::from_millis(1_999));
    assert_eq!(now(&mut told).await, None);
    it.clock.advance(Duration::from_millis(1));
    let why = now(&mut told).await.unwrap();
    assert!(why.contains("locked"), "{why}");
    let mut late = Box::pin(log.failing_for(Duration::from_secs(2)));
    assert!(now(&mut late).await.is_some(), "who asks later waits no second time");

    other.execute_batch("rollback").unwrap();
    let freed = async {
        while !appending.is_finished() {
            it.clock.advance(Duration::from_secs(1));
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(BOUND, freed).await.unwrap();
    assert_eq!(log.health(), HealthState::Healthy);
    let mut again = Box::pin(log.failing_for(Duration::ZERO));
    assert_eq!(now(&mut again).await, None, "it works again");
}
