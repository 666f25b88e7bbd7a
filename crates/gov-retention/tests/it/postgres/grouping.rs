//! Appends that come together.

use std::{task::Poll, time::Duration};

use gov_core::{AuditEvent, EventId, Health as _, HealthState};
use gov_retention::event_store::{
    Appended, AuditEventStore, Durability, EventFilter, StoreError,
    conformance::sample::{all, event, events, start},
    postgres::{COMPONENT, PgEventStore},
};
use gov_store::fresh_database;
use sqlx::{PgPool, Row as _};

use super::run;

/// Queues one append for each event before the task that writes them has its turn.
async fn append_all_at_once(
    store: &PgEventStore,
    appends: &[(AuditEvent, Durability)],
) -> Vec<Result<Appended, StoreError>> {
    let begun = appends.iter().map(|(it, how)| store.append(vec![it.clone()], *how));
    let mut begun: Vec<_> = begun.collect();
    std::future::poll_fn(|cx| {
        assert!(begun.iter_mut().all(|it| it.as_mut().poll(cx).is_pending()));
        Poll::Ready(())
    })
    .await;
    let mut answers = Vec::new();
    for it in begun {
        answers.push(it.await);
    }
    answers
}

fn spooled(events: Vec<AuditEvent>) -> Vec<(AuditEvent, Durability)> {
    events.into_iter().map(|it| (it, Durability::Spooled)).collect()
}

#[tokio::test]
async fn appends_that_wait_together_share_a_transaction_of_at_most_256_events() {
    let Some(pool) = fresh_database::postgres(&[&COMPONENT]).await else { return };
    let store = PgEventStore::new(pool.clone());
    let kept = events(600, Duration::from_secs(1));
    for answer in append_all_at_once(&store, &spooled(kept.clone())).await {
        assert_eq!(answer.unwrap(), Appended { new: 1, known: 0 });
    }
    let sizes = "select count(*) as size from retention_event group by xmin order by 1";
    let sizes = sqlx::query(sizes).fetch_all(&pool).await.unwrap();
    let sizes: Vec<i64> = sizes.iter().map(|it| it.try_get("size").unwrap()).collect();
    assert_eq!(sizes, [88, 256, 256]);
    assert_eq!(all(&store).await, kept);
    store.close().await;
}

#[tokio::test]
async fn a_failed_batch_fails_each_of_its_callers_and_the_next_one_works() {
    let Some(pool) = fresh_database::postgres(&[&COMPONENT]).await else { return };
    let store = PgEventStore::new(pool.clone());
    let kept = spooled(events(3, Duration::from_secs(1)));
    store.append(vec![event(9, start())], Durability::Spooled).await.unwrap();
    run(&pool, "alter table retention_event rename to away").await;
    for answer in append_all_at_once(&store, &kept).await {
        assert!(matches!(answer, Err(StoreError::Unavailable(_))), "{answer:?}");
    }
    assert!(matches!(store.health(), HealthState::Degraded(_)), "{:?}", store.health());
    run(&pool, "alter table away rename to retention_event").await;
    for answer in append_all_at_once(&store, &kept).await {
        assert_eq!(answer.unwrap().new, 1);
    }
    assert_eq!(store.health(), HealthState::Healthy);
    store.close().await;
}

#[tokio::test]
async fn a_commit_waits_for_the_disk_if_anyone_in_it_asked_for_that() {
    let Some(pool) = fresh_database::postgres(&[&COMPONENT]).await else { return };
    run(
        &pool,
        "create table seen (n serial, level text not null);
         create function note_level() returns trigger language plpgsql as $$ begin
             insert into seen (level) values (current_setting('synchronous_commit'));
             return null;
         end $$;
         create trigger note_level after insert on retention_event
             for each statement execute function note_level();",
    )
    .await;
    let store = PgEventStore::new(pool.clone());
    let [a, b, c, d] = [1, 2, 3, 4].map(|n| event(n, start()));
    store.append(vec![a], Durability::Spooled).await.unwrap();
    let mixed = [(b, Durability::Spooled), (c, Durability::Durable)];
    for answer in append_all_at_once(&store, &mixed).await {
        answer.unwrap();
    }
    store.append_from("log", vec![(1, d)]).await.unwrap();
    assert_eq!(levels(&pool).await, ["off", "on", "on"]);
    store.close().await;
}

async fn levels(pool: &PgPool) -> Vec<String> {
    let rows = sqlx::query("select level from seen order by n").fetch_all(pool).await.unwrap();
    rows.iter().map(|it| it.try_get("level").unwrap()).collect()
}

#[tokio::test]
async fn closing_waits_for_what_is_queued_and_then_refuses() {
    let Some(pool) = fresh_database::postgres(&[&COMPONENT]).await else { return };
    let store = PgEventStore::new(pool.clone());
    let kept = events(300, Duration::from_secs(1));
    let begun = spooled(kept.clone());
    let begun = append_all_at_once(&store, &begun);
    let (answers, ()) = tokio::join!(begun, store.close());
    assert!(answers.iter().all(Result::is_ok));
    let error = store.append(kept.clone(), Durability::Spooled).await.unwrap_err();
    assert!(matches!(error, StoreError::Closed), "{error:?}");
    let error = store.append_from("log", vec![(1, event(1, start()))]).await.unwrap_err();
    assert!(matches!(error, StoreError::Closed), "{error:?}");
    assert_eq!(store.count(&EventFilter::default()).await.unwrap(), 300);
    store.close().await;
}

#[tokio::test]
async fn an_append_whose_caller_goes_away_takes_nobody_along() {
    let Some(pool) = fresh_database::postgres(&[&COMPONENT]).await else { return };
    let store = PgEventStore::new(pool);
    let mut abandoned = store.append(vec![event(1, start())], Durability::Spooled);
    let mut other = store.append(vec![event(2, start())], Durability::Spooled);
    std::future::poll_fn(|cx| {
        assert!(abandoned.as_mut().poll(cx).is_pending() && other.as_mut().poll(cx).is_pending());
        Poll::Ready(())
    })
    .await;
    drop(abandoned);
    assert_eq!(other.await.unwrap(), Appended { new: 1, known: 0 });
    assert_eq!(all(&store).await, [event(1, start()), event(2, start())]);
    store.close().await;
}

/// Or two processes with the same events would wait for each other crosswise.
#[tokio::test]
async fn a_batch_is_written_in_the_order_of_its_keys() {
    let Some(pool) = fresh_database::postgres(&[&COMPONENT]).await else { return };
    run(
        &pool,
        "create table seen (n serial, id uuid not null);
         create function note_row() returns trigger language plpgsql as $$ begin
             insert into seen (id) values (new.event_id);
             return new;
         end $$;
         create trigger note_row before insert on retention_event
             for each row execute function note_row();",
    )
    .await;
    let store = PgEventStore::new(pool.clone());
    let batch: Vec<_> = [5, 2, 9, 1, 7].map(|n| event(n, start())).into();
    store.append(batch, Durability::Spooled).await.unwrap();
    let rows = sqlx::query("select id from seen order by n").fetch_all(&pool).await.unwrap();
    let ids: Vec<_> = rows.iter().map(|it| EventId::from_uuid(it.try_get("id").unwrap())).collect();
    assert_eq!(ids, [1, 2, 5, 7, 9].map(|n| event(n, start()).id));
    store.close().await;
}
