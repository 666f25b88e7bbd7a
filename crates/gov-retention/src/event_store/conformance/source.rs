//! What an ordered source may rely on.

use std::time::Duration;

use gov_core::{AuditEvent, Payload, event::MAX_PAYLOAD_BYTES};

use super::sample::{DAY, all, event, events, start};
use crate::event_store::{Appended, AuditEventStore, Durability, StoreError};

const LOG: &str = "localhost.invalid/gov/e1";

/// 0 stands for nothing; numbers may leave gaps.
pub async fn a_source_begins_at_0_and_its_cursor_is_its_last_seq(store: &dyn AuditEventStore) {
    assert_eq!(store.cursor(LOG).await.unwrap(), 0);
    let done = store.append_from(LOG, numbered(&[1, 2, 7])).await.unwrap();
    assert_eq!(done, Appended { new: 3, known: 0 });
    assert_eq!(store.cursor(LOG).await.unwrap(), 7);
    assert_eq!(all(store).await, plain(&[1, 2, 7]));
}

/// Even if it brings an event that was never there: the cursor decides.
pub async fn what_is_at_or_behind_the_cursor_is_skipped(store: &dyn AuditEventStore) {
    store.append_from(LOG, numbered(&[5])).await.unwrap();
    for seqs in [&[5][..], &[1, 4], &[4, 5]] {
        let done = store.append_from(LOG, numbered(seqs)).await.unwrap();
        assert_eq!(done, Appended { new: 0, known: seqs.len() as u64 });
    }
    assert_eq!(store.cursor(LOG).await.unwrap(), 5);
    assert_eq!(all(store).await, plain(&[5]));
}

/// The usual case after a crash of who brings them.
pub async fn a_batch_that_overlaps_the_cursor_is_kept_from_there(store: &dyn AuditEventStore) {
    store.append_from(LOG, numbered(&[1, 2, 3])).await.unwrap();
    let done = store.append_from(LOG, numbered(&[2, 3, 4, 5])).await.unwrap();
    assert_eq!(done, Appended { new: 2, known: 2 });
    assert_eq!(store.cursor(LOG).await.unwrap(), 5);
    assert_eq!(all(store).await, plain(&[1, 2, 3, 4, 5]));
}

/// The order is that of `seq`, not that of the days: late events come between others.
pub async fn a_source_whose_events_span_days_back_and_forth_is_kept_whole(
    store: &dyn AuditEventStore,
) {
    let days = [2, 2, 0, 1, 1, 2, 0, 3];
    let batch: Vec<_> =
        (1..).zip(days).map(|(n, day)| (n, event(n, start() + DAY * day))).collect();
    let done = store.append_from(LOG, batch.clone()).await.unwrap();
    assert_eq!(done, Appended { new: 8, known: 0 });
    assert_eq!(store.cursor(LOG).await.unwrap(), 8);
    let mut kept: Vec<_> = batch.iter().map(|(_, it)| it.clone()).collect();
    kept.sort_by_key(|it| (it.at, it.id));
    assert_eq!(all(store).await, kept);

    let done = store.append_from(LOG, batch).await.unwrap();
    assert_eq!(done, Appended { new: 0, known: 8 });
    assert_eq!(all(store).await, kept);
}

/// One source's numbers say nothing about another's.
pub async fn cursors_of_two_sources_are_apart(store: &dyn AuditEventStore) {
    let other = "localhost.invalid/gov/e2";
    store.append_from(LOG, numbered(&[10])).await.unwrap();
    assert_eq!(store.cursor(other).await.unwrap(), 0);
    let done = store.append_from(other, vec![(3, event(3, start() + DAY))]).await.unwrap();
    assert_eq!(done, Appended { new: 1, known: 0 });
    assert_eq!(store.cursor(LOG).await.unwrap(), 10);
    assert_eq!(store.cursor(other).await.unwrap(), 3);
}

/// It is there from another door; the source need not bring it again.
pub async fn an_event_that_is_there_already_still_moves_the_cursor(store: &dyn AuditEventStore) {
    store.append(plain(&[1]), Durability::Spooled).await.unwrap();
    let done = store.append_from(LOG, numbered(&[1])).await.unwrap();
    assert_eq!(done, Appended { new: 0, known: 1 });
    assert_eq!(store.cursor(LOG).await.unwrap(), 1);
}

/// A seq that falls, stands still, is 0, or does not fit into a column.
pub async fn a_source_out_of_order_is_refused_and_nothing_of_it_is_kept(
    store: &dyn AuditEventStore,
) {
    for seqs in [&[2, 1][..], &[1, 1], &[0], &[1, 1 << 63]] {
        let error = store.append_from(LOG, numbered(seqs)).await.unwrap_err();
        assert!(matches!(error, StoreError::OutOfOrder { .. }), "{seqs:?}: {error:?}");
    }
    assert_eq!(store.cursor(LOG).await.unwrap(), 0);
    assert_eq!(all(store).await, []);
}

/// It is asked before anything is written, also what stands before it.
pub async fn a_refused_event_of_a_source_moves_no_cursor(store: &dyn AuditEventStore) {
    let mut batch = numbered(&[1, 2]);
    let payload = Payload::from_parts(vec![b' '; MAX_PAYLOAD_BYTES + 1], [0; 16]);
    batch.push((3, AuditEvent { payload, ..event(3, start() + DAY) }));
    let error = store.append_from(LOG, batch).await.unwrap_err();
    assert!(matches!(error, StoreError::TooLarge { .. }), "{error:?}");
    assert_eq!(store.cursor(LOG).await.unwrap(), 0);
    assert_eq!(all(store).await, []);
}

/// Two of the same kind at once, as when one is thought dead and is not.
pub async fn the_same_batch_of_a_source_twice_at_once_is_kept_once(store: &dyn AuditEventStore) {
    let batch: Vec<_> = (1..).zip(events(30, Duration::from_hours(4))).collect();
    let append = || store.append_from(LOG, batch.clone());
    let (a, b, c) = tokio::join!(append(), append(), append());
    let done = [a, b, c].map(Result::unwrap);
    assert_eq!(done.iter().map(|it| it.new).sum::<u64>(), 30);
    assert!(done.iter().all(|it| it.new + it.known == 30), "{done:?}");
    assert_eq!(store.cursor(LOG).await.unwrap(), 30);
    assert_eq!(all(store).await, batch.into_iter().map(|(_, it)| it).collect::<Vec<_>>());
}

/// One event for each seq, all of one day and in that order.
fn numbered(seqs: &[u64]) -> Vec<(u64, AuditEvent)> {
    seqs.iter().copied().zip(plain(seqs)).collect()
}

fn plain(numbers: &[u64]) -> Vec<AuditEvent> {
    numbers.iter().map(|n| event(*n, start() + Duration::from_secs(n % 1000))).collect()
}
