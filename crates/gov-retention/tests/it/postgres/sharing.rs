//! Several processes on one database, and its partitions.

use std::time::Duration;

use gov_retention::event_store::{
    AuditEventStore, Durability, StoreError,
    conformance::sample::{DAY, all, event, events, start},
    postgres::{COMPONENT, PgEventStore},
};
use gov_store::fresh_database;
use sqlx::{PgPool, Row as _};

use super::run;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_stores_on_one_database_keep_each_event_once_and_each_partition_once() {
    let Some(pool) = fresh_database::postgres(&[&COMPONENT]).await else { return };
    let [a, b] = [(); 2].map(|()| PgEventStore::new(pool.clone()));
    let kept = events(40, Duration::from_hours(6));
    for part in kept.chunks(10) {
        let reversed: Vec<_> = part.iter().rev().cloned().collect();
        let (from_a, from_b) = tokio::join!(
            a.append(part.to_vec(), Durability::Spooled),
            b.append(reversed, Durability::Spooled)
        );
        assert_eq!(from_a.unwrap().new + from_b.unwrap().new, 10);
    }
    assert_eq!(all(&a).await, kept);
    assert_eq!(partitions(&pool).await.len(), 10);
    a.close().await;
    b.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_stores_that_follow_one_source_keep_it_once_and_in_order() {
    let Some(pool) = fresh_database::postgres(&[&COMPONENT]).await else { return };
    let [a, b] = [(); 2].map(|()| PgEventStore::new(pool.clone()));
    let kept: Vec<_> = (1..).zip(events(60, Duration::from_hours(2))).collect();
    for end in [7, 20, 41, 60] {
        // Both bring everything so far, as after a takeover.
        let batch = kept.get(..end).unwrap();
        let (from_a, from_b) = tokio::join!(
            a.append_from("log", batch.to_vec()),
            b.append_from("log", batch.to_vec())
        );
        let (from_a, from_b) = (from_a.unwrap(), from_b.unwrap());
        assert!(from_a.new == 0 || from_b.new == 0, "{from_a:?} {from_b:?}");
        assert_eq!(a.cursor("log").await.unwrap(), end as u64);
    }
    assert_eq!(all(&b).await, kept.into_iter().map(|(_, it)| it).collect::<Vec<_>>());
    a.close().await;
    b.close().await;
}

#[tokio::test]
async fn a_source_whose_transaction_fails_keeps_nothing_of_it_and_its_cursor_stays() {
    let Some(pool) = fresh_database::postgres(&[&COMPONENT]).await else { return };
    let store = PgEventStore::new(pool.clone());
    store.append_from("log", vec![(1, event(1, start()))]).await.unwrap();
    run(&pool, "alter table retention_event add constraint no_7 check (payload <> '{\"n\":7}')")
        .await;
    let batch: Vec<_> = (2..=9).map(|n| (n, event(n, start() + DAY))).collect();
    let error = store.append_from("log", batch.clone()).await.unwrap_err();
    assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}");
    assert_eq!(store.cursor("log").await.unwrap(), 1);
    assert_eq!(all(&store).await, [event(1, start())]);
    run(&pool, "alter table retention_event drop constraint no_7").await;
    assert_eq!(store.append_from("log", batch).await.unwrap().new, 8);
    store.close().await;
}

#[tokio::test]
async fn each_day_has_a_partition_of_its_own_made_when_its_first_event_comes() {
    let Some(pool) = fresh_database::postgres(&[&COMPONENT]).await else { return };
    let store = PgEventStore::new(pool.clone());
    assert_eq!(partitions(&pool).await, [] as [(String, i64); 0]);
    let midnight = start() + DAY;
    let last = start() + Duration::from_micros(86_399_999_999);
    let batch = vec![event(1, start()), event(2, last), event(3, midnight)];
    store.append(batch, Durability::Spooled).await.unwrap();
    let wanted = [("retention_event_20260101", 2), ("retention_event_20260102", 1)];
    assert_eq!(partitions(&pool).await, wanted.map(|(name, rows)| (name.to_owned(), rows)));
    store.close().await;
}

#[tokio::test]
async fn a_partition_that_has_gone_away_is_made_again_by_the_next_try() {
    let Some(pool) = fresh_database::postgres(&[&COMPONENT]).await else { return };
    let store = PgEventStore::new(pool.clone());
    store.append(vec![event(1, start())], Durability::Spooled).await.unwrap();
    run(&pool, "drop table retention_event_20260101").await;
    let batch = vec![event(2, start())];
    let error = store.append(batch.clone(), Durability::Spooled).await.unwrap_err();
    assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}");
    store.append(batch.clone(), Durability::Spooled).await.unwrap();
    assert_eq!(all(&store).await, batch);
    store.close().await;
}

/// Their names, and how many rows they hold.
async fn partitions(pool: &PgPool) -> Vec<(String, i64)> {
    let sql = "select inhrelid::regclass::text as name, count(it.at) as rows
         from pg_inherits left join retention_event it on it.tableoid = inhrelid
         where inhparent = 'retention_event'::regclass group by 1 order by 1";
    let rows = sqlx::query(sql).fetch_all(pool).await.unwrap();
    rows.iter().map(|it| (it.try_get("name").unwrap(), it.try_get("rows").unwrap())).collect()
}
