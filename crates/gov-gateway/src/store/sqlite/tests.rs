//! The contract, and what only this backend can break.

use std::sync::Arc;

use gov_core::{AgentId, Timestamp};
use gov_store::fresh_database::{self, SqliteFile};

use super::*;
use crate::store::{
    conformance::{self, for_each_rule},
    edit::Effect,
};

fn fresh() -> (SqliteFile, Arc<dyn GatewayStore>) {
    let file = fresh_database::sqlite(&[&COMPONENT]);
    let store = Arc::new(SqliteGatewayStore::new(&file.database));
    (file, store)
}

macro_rules! rule {
    ($name:ident) => {
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $name() {
            let (_file, store) = fresh();
            conformance::$name(store).await;
        }
    };
}

for_each_rule!(rule);

async fn by_hand(file: &SqliteFile, sql: &'static str) -> bool {
    let write = file.database.writer.write(Sync::Full, |tx| tx.execute(sql, []));
    write.await.is_ok()
}

fn edit(effect: Effect) -> Edit {
    Edit::new(effect, "test", Timestamp::UNIX_EPOCH).unwrap()
}

#[tokio::test]
async fn a_policy_that_was_changed_by_hand_is_refused() {
    let (file, store) = fresh();
    let policy = StoredPolicy {
        version: 1,
        name: "own".into(),
        text: "permit".into(),
        activated_at: Timestamp::UNIX_EPOCH,
    };
    store.apply(edit(Effect::ActivatePolicy { policy, again: false })).await.unwrap();
    assert!(by_hand(&file, "update gateway_policy set text = 'permit all'").await);
    let read = store.active_policy().await;
    assert!(matches!(read, Err(StoreError::Corrupt { column: "text", .. })), "{read:?}");
}

#[tokio::test]
async fn the_history_cannot_be_rewritten() {
    let (file, store) = fresh();
    let id: AgentId = "a".parse().unwrap();
    store.apply(edit(Effect::RegisterAgent(id))).await.unwrap();
    assert!(!by_hand(&file, "update gateway_history set at = 0").await);
}

#[tokio::test]
async fn a_time_that_is_none_is_refused_and_not_taken_for_absent() {
    let (file, store) = fresh();
    let run = Run { boot_id: "b".into(), started_at: Timestamp::UNIX_EPOCH, ended_at: None };
    store.put_run("n", run, None).await.unwrap();
    assert!(by_hand(&file, "update gateway_run set ended_at = -1").await);
    let read = store.last_run("n").await;
    assert!(matches!(read, Err(StoreError::Corrupt { column: "ended_at", .. })), "{read:?}");
}
