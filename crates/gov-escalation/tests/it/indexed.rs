//! A PostgreSQL database that may use its indexes.
//!
//! The one that each other test gets may not, so that no order comes by luck; with thousands of
//! approvals in it that is slow.

use gov_escalation::store::postgres::COMPONENT;
use gov_store::fresh_database;
use sqlx::{PgPool, Row as _, postgres::PgConnectOptions};

/// Makes a database; with it its name, for [`connect`].
pub(crate) async fn postgres() -> Option<(PgPool, String)> {
    let pool = fresh_database::postgres(&[&COMPONENT]).await?;
    let row = sqlx::query("select current_database()").fetch_one(&pool).await.unwrap();
    let name: String = row.get(0);
    pool.close().await;
    Some((connect(&name).await, name))
}

/// Opens a database that is there.
pub(crate) async fn connect(name: &str) -> PgPool {
    let server: PgConnectOptions = std::env::var("GOV_TEST_POSTGRES_URL").unwrap().parse().unwrap();
    PgPool::connect_with(server.database(name)).await.unwrap()
}
