//! The approvals with what works on them: the follower that carries their history to the log.

use std::sync::Arc;

use gov_core::{Clock, Timestamp};
use gov_deferred_audit::{DeferredAuditQueue, FeedFollower, FollowerConfig, FollowerHandle};
use gov_escalation::store::{ApprovalStore, History};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing::{error, warn};

use crate::{
    approvals::{ApprovalFeed, Desk, DeskConfig},
    config::{Choose as _, Config, Silence},
};

/// Asks people, and gives silence its consequences.
#[derive(Debug)]
pub(super) struct Approvals {
    pub(super) desk: Desk,
    history: Arc<dyn History>,
    follower: FollowerHandle,
    following: JoinHandle<()>,
    stop_following: CancellationToken,
}

impl Approvals {
    /// Starts what works on `store`, whichever backend that is.
    pub(super) fn open<S: ApprovalStore + History + 'static>(
        store: Arc<S>,
        config: &Config,
        queue: DeferredAuditQueue,
        clock: &Arc<dyn Clock>,
    ) -> Self {
        warn_of_silence(config);
        let history: Arc<dyn History> = Arc::clone(&store) as _;
        let feed = Arc::new(ApprovalFeed::new(Arc::clone(&history)));
        let task = FeedFollower::new(feed, queue, Arc::clone(clock), FollowerConfig::default());
        let (follower, stop_following) = (task.handle(), CancellationToken::new());
        let desk_config =
            DeskConfig { chains: config.chains.clone(), durability: config.durability.approval };
        let log = Arc::new(follower.clone());
        Self {
            desk: Desk::new(store, log, Arc::clone(clock), desk_config),
            history,
            follower,
            following: tokio::spawn(task.run(stop_following.clone())),
            stop_following,
        }
    }

    /// Ends in order; true if the log has the whole history by `until`.
    pub(super) async fn close(self, clock: &dyn Clock, until: Timestamp) -> bool {
        let followed = tokio::select! {
            followed = self.follow_to_the_end() => followed,
            () = clock.sleep_until(until) => false,
        };
        self.stop_following.cancel();
        if let Err(error) = self.following.await {
            error!(%error, "the follower of the approvals ended badly");
        }
        followed
    }

    async fn follow_to_the_end(&self) -> bool {
        match self.history.end().await {
            Ok(end) => {
                self.follower.nudge();
                self.follower.logged(end).await;
                true
            }
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                error!(error, "cannot read the history of the approvals");
                false
            }
        }
    }
}

/// Whoever starts a server whose silence is a yes is told so at every start.
fn warn_of_silence(config: &Config) {
    use gov_escalation::chain::Fallback;
    for (name, _) in config.chains.iter().filter(|(_, it)| it.fallback == Fallback::Allow) {
        let fallback = Silence::Allow.word();
        warn!(chain = %name, fallback, "what nobody answers in time is allowed");
    }
}
