//! The memory store against the contract.

use std::sync::Arc;

use gov_escalation::{
    for_each_rule,
    store::{conformance, memory::MemoryApprovalStore},
};

macro_rules! rule {
    ($name:ident) => {
        #[tokio::test]
        async fn $name() {
            let people = Arc::new(conformance::roster());
            let store = MemoryApprovalStore::default().with_directory(people);
            conformance::$name(&store).await;
        }
    };
}

for_each_rule!(rule);
