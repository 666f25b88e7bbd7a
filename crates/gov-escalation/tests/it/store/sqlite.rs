//! The SQLite store against the contract, and what only it can be asked.

use gov_escalation::{
    for_each_rule,
    store::{
        conformance,
        sqlite::{COMPONENT, SqliteApprovalStore},
    },
};
use gov_store::fresh_database;

macro_rules! rule {
    ($name:ident) => {
        #[tokio::test]
        async fn $name() {
            let file = fresh_database::sqlite(&[&COMPONENT]);
            let (writer, readers) = (file.database.writer.clone(), file.database.readers.clone());
            conformance::$name(&SqliteApprovalStore::new(writer, readers)).await;
        }
    };
}

for_each_rule!(rule);
