//! The PostgreSQL store against the contract, and what only it can be asked.

use gov_escalation::{
    for_each_rule,
    store::{
        conformance,
        postgres::{COMPONENT, PgApprovalStore},
    },
};
use gov_store::fresh_database;

macro_rules! rule {
    ($name:ident) => {
        #[tokio::test]
        async fn $name() {
            let Some(pool) = fresh_database::postgres(&[&COMPONENT]).await else { return };
            conformance::$name(&PgApprovalStore::new(pool)).await;
        }
    };
}

for_each_rule!(rule);
