//! What a scheduler asks of its store while nothing is due.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use async_trait::async_trait;
use gov_core::{
    ActionDigest, AgentId, ApprovalId, Clock as _, PersonId, Role, SystemClock, Timestamp,
};
use gov_escalation::{
    Approvals, DbEscalationScheduler, Directory, SchedulerConfig,
    approval::{Approval, ApprovalRequest},
    approvals::ApprovalsConfig,
    store::{
        Applied, ApprovalFilter, ApprovalStore, Fired, StoreError, Submitted, conformance::Backend,
        sqlite::SqliteApprovalStore,
    },
    transition::Change,
};
use gov_store::fresh_database::SqliteFile;
use tokio_util::sync::CancellationToken;

use super::{Settings, ours, round, say};

/// Counts what it is asked: each question is one statement or more.
#[derive(Debug)]
struct Counting {
    store: Arc<dyn Backend>,
    asked: AtomicU32,
}

impl Counting {
    fn ask(&self) -> &dyn Backend {
        self.asked.fetch_add(1, Ordering::Relaxed);
        &*self.store
    }
}

#[async_trait]
impl ApprovalStore for Counting {
    async fn submit(&self, it: ApprovalRequest, now: Timestamp) -> Result<Submitted, StoreError> {
        self.ask().submit(it, now).await
    }

    async fn apply(
        &self,
        id: ApprovalId,
        change: Change,
        now: Timestamp,
    ) -> Result<Applied, StoreError> {
        self.ask().apply(id, change, now).await
    }

    async fn fire_due(&self, now: Timestamp, limit: u32) -> Result<Fired, StoreError> {
        self.ask().fire_due(now, limit).await
    }

    async fn next_deadline(&self) -> Result<Option<Timestamp>, StoreError> {
        self.ask().next_deadline().await
    }

    async fn get(&self, id: ApprovalId) -> Result<Approval, StoreError> {
        self.ask().get(id).await
    }

    async fn find_open(&self, digest: &ActionDigest) -> Result<Option<Approval>, StoreError> {
        self.ask().find_open(digest).await
    }

    async fn list(
        &self,
        filter: &ApprovalFilter,
        before: Option<ApprovalId>,
        limit: u32,
    ) -> Result<Vec<Approval>, StoreError> {
        self.ask().list(filter, before, limit).await
    }
}

#[derive(Debug)]
struct Nobody;

impl Directory for Nobody {
    fn roles_of(&self, _person: PersonId) -> Option<Vec<Role>> {
        None
    }

    fn owners_of(&self, _agent: &AgentId) -> Vec<PersonId> {
        Vec::new()
    }
}

/// With as many armed as else are due, over some safety polls; in the quick form over none.
pub(crate) async fn statements_per_second(settings: &Settings, file: &SqliteFile) {
    let (writer, readers) = (file.database.writer.clone(), file.database.readers.clone());
    let store: Arc<dyn Backend> = Arc::new(SqliteApprovalStore::new(writer, readers));
    let clock = Arc::new(SystemClock);
    ours::arm_at(&store, settings.timers, clock.now()).await;
    let counting = Arc::new(Counting { store, asked: AtomicU32::new(0) });
    let config = SchedulerConfig::default();
    let service = Approvals::new(
        counting.clone(),
        Arc::new(Nobody),
        clock.clone(),
        ApprovalsConfig::default(),
    );
    let scheduler =
        DbEscalationScheduler::new(counting.clone(), clock.clone(), service.alarm(), config);
    let shutdown = CancellationToken::new();
    let running = tokio::spawn(scheduler.run(shutdown.clone()));
    // The first pass finds out what there is; it is no idling.
    while counting.asked.load(Ordering::Relaxed) == 0 {
        tokio::task::yield_now().await;
    }
    let polls = if settings.once { 0 } else { 4 };
    let span = config.safety_poll * polls + Duration::from_secs(1);
    let (started, before) = (Instant::now(), counting.asked.load(Ordering::Relaxed));
    clock.sleep_until(clock.now() + span).await;
    let asked = counting.asked.load(Ordering::Relaxed) - before;
    let rate = f64::from(asked) / started.elapsed().as_secs_f64();
    shutdown.cancel();
    running.await.unwrap();
    say(&serde_json::json!({
        "bench": "escalation",
        "case": format!("{} timers armed and none due: what the store is asked", settings.timers),
        "ours": round(rate), "baseline": null, "unit": "calls/s", "ratio": null,
        "goal": "<=0.2", "met": null,
    }));
}
