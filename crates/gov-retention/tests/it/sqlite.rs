//! The SQLite backend: the contract, and what only it promises.

mod days;
mod files;

use std::{path::Path, sync::Arc};

use gov_core::clock::ManualClock;
use gov_retention::{
    event_store::{conformance, sqlite::SqliteEventStore},
    for_each_rule,
};

macro_rules! rule {
    ($name:ident) => {
        #[tokio::test]
        async fn $name() {
            let folder = tempfile::tempdir().unwrap();
            let store = open(folder.path()).await;
            conformance::$name(&store).await;
            store.close().await;
        }
    };
}
for_each_rule!(rule);

/// The store of `folder` on the first day of the manual clock.
pub(crate) async fn open(folder: &Path) -> SqliteEventStore {
    let clock = Arc::new(ManualClock::default());
    SqliteEventStore::open(&folder.join("events"), clock).await.unwrap()
}
