//! The approvals with what works on them: the scheduler that fires their timers, the sender that
//! tells people, and the follower that carries their history to the log.

use std::{collections::BTreeMap, sync::Arc};

use gov_core::{Clock, Health, Timestamp};
use gov_deferred_audit::{DeferredAuditQueue, FeedFollower, FollowerConfig, FollowerHandle};
use gov_escalation::{
    Alarm, Approvals as Service, AuditorConfig, DbEscalationScheduler, EscalationAuditor,
    SchedulerConfig, Sender, SenderConfig, Target,
    approvals::ApprovalsConfig,
    chain::Fallback,
    store::{
        ApprovalStore, Auditing, HaltClock, History, Outbox,
        postgres::{PgApprovalStore, PgBell},
        sqlite::SqliteApprovalStore,
    },
};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing::{error, warn};

use crate::{
    approvals::{ApprovalFeed, Desk, DeskConfig},
    config::Config,
    identity::Directory,
    notifications::Notifications,
    storage::Kind,
};

/// Asks people, and gives silence its consequences.
#[derive(Debug)]
pub(super) struct Approvals {
    pub(super) desk: Desk,
    pub(super) notifications: Notifications,
    health: Vec<Arc<dyn Health>>,
    history: Arc<dyn History>,
    follower: FollowerHandle,
    following: JoinHandle<()>,
    stop_following: CancellationToken,
    pub(super) clocks: Clocks,
    // The scheduler, the sender, the auditor, and what wakes the other servers.
    work: Vec<JoinHandle<()>>,
    stop_work: CancellationToken,
}

/// The clock of all approvals, and who must know that it runs again.
#[derive(Clone, Debug)]
pub(super) struct Clocks {
    pub(super) store: Arc<dyn HaltClock>,
    pub(super) alarm: Arc<Alarm>,
}

impl Approvals {
    /// Starts what works on the approvals in this database.
    pub(super) fn open(
        kind: &Kind,
        config: &Config,
        targets: BTreeMap<String, Target>,
        queue: DeferredAuditQueue,
        directory: Arc<Directory>,
        clock: &Arc<dyn Clock>,
    ) -> Self {
        let people = Arc::clone(&directory) as _;
        match kind {
            Kind::Embedded { database } => {
                let (writer, readers) = (database.writer.clone(), database.readers.clone());
                let store = SqliteApprovalStore::new(writer, readers).with_directory(people);
                Self::open_on(store, config, targets, queue, directory, clock)
            }
            Kind::Shared { pool, .. } => {
                let store = PgApprovalStore::new(pool.clone()).with_directory(people);
                let mut it = Self::open_on(store.clone(), config, targets, queue, directory, clock);
                let bell = PgBell::new(&store, Arc::clone(&it.clocks.alarm), Arc::clone(clock));
                it.work.push(tokio::spawn(bell.run(it.stop_work.clone())));
                it
            }
        }
    }

    fn open_on<S: ApprovalStore + Outbox + History + Auditing + HaltClock + 'static>(
        store: S,
        config: &Config,
        targets: BTreeMap<String, Target>,
        queue: DeferredAuditQueue,
        directory: Arc<Directory>,
        clock: &Arc<dyn Clock>,
    ) -> Self {
        warn_of_silence(config);
        let store = Arc::new(store);
        let approvals = Arc::clone(&store) as Arc<dyn ApprovalStore>;
        let service = Service::new(
            Arc::clone(&approvals),
            directory,
            Arc::clone(clock),
            ApprovalsConfig::default(),
        );
        let (alarm, stop_work) = (service.alarm(), CancellationToken::new());
        let scheduler = DbEscalationScheduler::new(
            approvals,
            Arc::clone(clock),
            Arc::clone(&alarm),
            SchedulerConfig::default(),
        );
        let auditor = EscalationAuditor::new(
            Arc::clone(&store) as _,
            Arc::clone(clock),
            Arc::clone(&alarm),
            AuditorConfig::default(),
        );
        let sender = Sender::new(
            Arc::clone(&store) as _,
            targets.clone(),
            Arc::clone(clock),
            Arc::clone(&alarm),
            SenderConfig::default(),
        );
        let health: Vec<Arc<dyn Health>> =
            vec![scheduler.health(), sender.health(), auditor.health()];
        let outbox = Arc::clone(&store) as Arc<dyn Outbox>;
        let notifications = Notifications::new(outbox, targets, sender.health(), Arc::clone(clock));
        let work = vec![
            tokio::spawn(scheduler.run(stop_work.clone())),
            tokio::spawn(sender.run(stop_work.clone())),
            tokio::spawn(auditor.run(stop_work.clone())),
        ];
        let history: Arc<dyn History> = Arc::clone(&store) as _;
        let feed = Arc::new(ApprovalFeed::new(Arc::clone(&history)));
        let task = FeedFollower::new(feed, queue, Arc::clone(clock), FollowerConfig::default());
        let (follower, stop_following) = (task.handle(), CancellationToken::new());
        let desk_config =
            DeskConfig { chains: config.chains.clone(), durability: config.durability.approval };
        let log = Arc::new(follower.clone());
        Self {
            clocks: Clocks { store: Arc::clone(&store) as _, alarm },
            desk: Desk::new(service, store, log, Arc::clone(clock), desk_config),
            notifications,
            health,
            history,
            follower,
            following: tokio::spawn(task.run(stop_following.clone())),
            stop_following,
            work,
            stop_work,
        }
    }

    /// What `/readyz` asks.
    pub(super) fn health(&self) -> Vec<Arc<dyn Health>> {
        self.health.clone()
    }

    /// Ends in order: the last timers are fired, the message at hand is sent, and their history
    /// follows. True if the log has all of it by `until`.
    pub(super) async fn close(mut self, clock: &dyn Clock, until: Timestamp) -> bool {
        self.stop_work.cancel();
        for task in &mut self.work {
            if let Err(error) = task.await {
                error!(%error, "a task of the approvals ended badly");
            }
        }
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
    for (name, _) in config.chains.iter().filter(|(_, it)| it.fallback == Fallback::Allow) {
        warn!(chain = %name, "silence allows: what nobody answers in time happens");
    }
}
