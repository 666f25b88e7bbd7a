//! The memory store against the contract.

use gov_escalation::{
    for_each_rule,
    store::{conformance, memory::MemoryApprovalStore},
};

macro_rules! rule {
    ($name:ident) => {
        #[tokio::test]
        async fn $name() {
            conformance::$name(&MemoryApprovalStore::default()).await;
        }
    };
}

for_each_rule!(rule);
