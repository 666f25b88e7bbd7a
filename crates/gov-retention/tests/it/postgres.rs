//! The PostgreSQL backend: the contract, and what only it promises.

mod grouping;
mod sharing;

use gov_retention::{
    event_store::{
        conformance,
        postgres::{COMPONENT, PgEventStore},
    },
    for_each_rule,
};
use gov_store::fresh_database;
use sqlx::{AssertSqlSafe, PgPool};

macro_rules! rule {
    ($name:ident) => {
        #[tokio::test]
        async fn $name() {
            let Some(pool) = fresh_database::postgres(&[&COMPONENT]).await else { return };
            let store = PgEventStore::new(pool);
            conformance::$name(&store).await;
            store.close().await;
        }
    };
}
for_each_rule!(rule);

async fn run(pool: &PgPool, sql: &'static str) {
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(pool).await.unwrap();
}
