//! Every database against the one list of rules.

use gov_deferred_audit::{for_each_log_rule, signed_log::conformance};

mod sqlite {
    use std::sync::Arc;

    use async_trait::async_trait;
    use gov_core::Clock;
    use gov_deferred_audit::{LogConfig, SignedLog};
    use tempfile::TempDir;

    use super::*;
    use crate::support::JumpingClock;

    #[derive(Debug)]
    struct OneFile {
        folder: TempDir,
        clock: Arc<JumpingClock>,
    }

    #[async_trait]
    impl conformance::Deployment for OneFile {
        async fn open(&self) -> SignedLog {
            SignedLog::open(LogConfig::in_dir(self.folder.path()), self.clock()).await.unwrap()
        }

        fn clock(&self) -> Arc<dyn Clock> {
            self.clock.clone()
        }
    }

    macro_rules! rule {
        ($name:ident) => {
            #[tokio::test]
            async fn $name() {
                let folder = tempfile::tempdir().unwrap();
                let clock = Arc::new(JumpingClock::new());
                conformance::$name(&OneFile { folder, clock }).await;
            }
        };
    }
    for_each_log_rule!(rule);
}

mod postgres {
    use super::*;
    use crate::nodes::Nodes;

    macro_rules! rule {
        ($name:ident) => {
            #[tokio::test]
            async fn $name() {
                let Some(nodes) = Nodes::new().await else { return };
                conformance::$name(&nodes).await;
            }
        };
    }
    for_each_log_rule!(rule);
}
