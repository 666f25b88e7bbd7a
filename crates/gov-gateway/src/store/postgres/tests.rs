//! The contract, and what only this backend can break.

use std::sync::Arc;

use gov_core::Timestamp;
use gov_store::fresh_database;

use super::*;
use crate::store::{
    conformance::{self, for_each_rule},
    edit::Effect,
};

/// `None` where there is no server to test with.
async fn fresh() -> Option<(PgPool, Arc<dyn GatewayStore>)> {
    let pool = fresh_database::postgres(&[&COMPONENT]).await?;
    Some((pool.clone(), Arc::new(PgGatewayStore::new(pool))))
}

macro_rules! rule {
    ($name:ident) => {
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $name() {
            let Some((_, store)) = fresh().await else { return };
            conformance::$name(store).await;
        }
    };
}

for_each_rule!(rule);

fn edit(effect: Effect) -> Edit {
    Edit::new(effect, "test", Timestamp::UNIX_EPOCH).unwrap()
}

#[tokio::test]
async fn a_policy_that_was_changed_by_hand_is_refused() {
    let Some((pool, store)) = fresh().await else { return };
    let policy = StoredPolicy {
        version: 1,
        name: "own".into(),
        text: "permit".into(),
        activated_at: Timestamp::UNIX_EPOCH,
    };
    store.apply(edit(Effect::ActivatePolicy { policy, again: false })).await.unwrap();
    let change = "update gateway_policy set text = 'permit all'";
    sqlx::query(change).execute(&pool).await.unwrap();
    let read = store.active_policy().await;
    assert!(matches!(read, Err(StoreError::Corrupt { column: "text", .. })), "{read:?}");
}

#[tokio::test]
async fn the_history_cannot_be_rewritten() {
    let Some((pool, store)) = fresh().await else { return };
    store.apply(edit(Effect::RegisterAgent("a".parse().unwrap()))).await.unwrap();
    let rewrite = "update gateway_history set kind = ''";
    assert!(sqlx::query(rewrite).execute(&pool).await.is_err());
}

#[tokio::test]
async fn each_server_has_a_run_of_its_own() {
    let Some((_, store)) = fresh().await else { return };
    let run = |boot: &str| Run {
        boot_id: boot.to_owned(),
        started_at: Timestamp::UNIX_EPOCH,
        ended_at: None,
    };
    store.put_run("a", run("1"), None).await.unwrap();
    store.put_run("b", run("2"), None).await.unwrap();
    assert_eq!(store.last_run("a").await.unwrap(), Some(run("1")));
    assert_eq!(store.last_run("b").await.unwrap(), Some(run("2")));
}

/// Whoever changes something while another change is open waits, and so has the later position.
#[tokio::test]
async fn a_position_is_never_seen_before_a_smaller_one() {
    let Some((pool, store)) = fresh().await else { return };
    let mut first = PgGatewayStore::new(pool.clone()).change().await.unwrap();
    let early = edit(Effect::RegisterAgent("early".parse().unwrap()));
    assert_eq!(apply(&mut first, &early).await.unwrap(), Some(1));

    let late = edit(Effect::RegisterAgent("late".parse().unwrap()));
    let waiting = tokio::spawn({
        let store = Arc::clone(&store);
        async move { store.apply(late).await.unwrap() }
    });
    // It stands in the queue of the lock.
    let waits = "select exists (select from pg_stat_activity
                 where wait_event_type = 'Lock' and datname = current_database())";
    while !sqlx::query_scalar::<_, bool>(waits).fetch_one(&pool).await.unwrap() {
        tokio::task::yield_now().await;
    }
    assert_eq!(store.history_after(0, 9).await.unwrap(), []);
    first.commit().await.unwrap();
    assert_eq!(waiting.await.unwrap(), Some(2));
    assert_eq!(store.history_after(0, 9).await.unwrap().len(), 2);
}
