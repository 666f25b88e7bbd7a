//! A process that asks for approvals: its tasks, its people, and a clock that is moved by hand.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use gov_core::{
    ActionDigest, AgentId, ApprovalId, Clock as _, PersonId, Timestamp, clock::ManualClock,
    id::uuid::Uuid,
};
use gov_escalation::{
    Approvals, AuditorConfig, DbEscalationScheduler, Directory, EscalationAuditor, Notifier,
    NotifyError, Roster, SchedulerConfig, Sender, SenderConfig, Target,
    approval::{Approval, ApprovalRequest, Decider, Notification, Verdict},
    approvals::{ApprovalsConfig, DecideError, Decided, Decision},
    grant::Use,
    store::{
        Applied, ApprovalFilter, ApprovalStore, Edits, Firing, Grants, Pulse, Replaced, StoreError,
        Submitted, conformance, memory::MemoryApprovalStore,
    },
    transition::{Change, Edit},
};
use parking_lot::Mutex;
use tokio::{sync::Notify, task::JoinSet};
use tokio_util::sync::CancellationToken;

pub(crate) const MINUTE: Duration = Duration::from_mins(1);

/// The people of these tests: `ops`, `lead`, and `owner`, who has both roles and the agent.
#[derive(Debug, Default)]
pub(crate) struct People {
    disabled: Mutex<Vec<PersonId>>,
}

impl People {
    pub(crate) fn disable(&self, person: PersonId) {
        self.disabled.lock().push(person);
    }
}

pub(crate) fn person(name: &str) -> PersonId {
    let number = ["ops", "lead", "owner", "guest", "stranger"].iter().position(|it| *it == name);
    PersonId::from_uuid(Uuid::from_u128(number.unwrap() as u128 + 1))
}

impl Directory for People {
    fn roster(&self) -> Arc<Roster> {
        let roles: [(&str, &[&str]); 4] =
            [("ops", &["ops"]), ("lead", &["lead"]), ("owner", &["ops", "lead"]), ("guest", &[])];
        let mut roster = Roster::default();
        for (name, roles) in roles {
            let roles = roles.iter().map(|it| it.parse().unwrap()).collect();
            roster.members.insert(person(name), roles);
        }
        for disabled in &*self.disabled.lock() {
            roster.members.remove(disabled);
        }
        roster.owners.insert("coder".parse().unwrap(), vec![person("owner")]);
        Arc::new(roster)
    }
}

/// Keeps what it is given, and then fails or hangs if it is told to.
#[derive(Debug, Default)]
pub(crate) struct Inbox {
    messages: Mutex<Vec<Notification>>,
    pub(crate) fails: AtomicBool,
    pub(crate) hangs: AtomicBool,
}

impl Inbox {
    /// What came since the last call.
    pub(crate) fn take(&self) -> Vec<Notification> {
        std::mem::take(&mut self.messages.lock())
    }

    /// Who was asked since the last call.
    pub(crate) fn audiences(&self) -> Vec<String> {
        let told = self.take();
        told.iter().map(|it| it.content["audience"].as_str().unwrap().to_owned()).collect()
    }
}

#[async_trait]
impl Notifier for Inbox {
    async fn notify(&self, notification: &Notification) -> Result<(), NotifyError> {
        self.messages.lock().push(notification.clone());
        if self.hangs.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
        if self.fails.load(Ordering::SeqCst) {
            return Err(NotifyError::retry("answer lost"));
        }
        Ok(())
    }
}

/// A store that can be away, that can be slow, and that counts what it is asked.
#[derive(Debug, Default)]
pub(crate) struct Moody {
    pub(crate) inner: Arc<MemoryApprovalStore>,
    pub(crate) is_away: AtomicBool,
    pub(crate) asked: AtomicU32,
    /// Each fire waits for one permit, if there is a gate.
    pub(crate) gate: Mutex<Option<Arc<Notify>>>,
}

impl Moody {
    fn answer(&self) -> Result<(), StoreError> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        if self.is_away.load(Ordering::SeqCst) {
            return Err(StoreError::Unavailable("the disk is away".into()));
        }
        Ok(())
    }
}

#[async_trait]
impl ApprovalStore for Moody {
    async fn submit(&self, it: ApprovalRequest, now: Timestamp) -> Result<Submitted, StoreError> {
        self.answer()?;
        self.inner.submit(it, now).await
    }

    async fn apply(
        &self,
        id: ApprovalId,
        change: Change,
        now: Timestamp,
    ) -> Result<Applied, StoreError> {
        self.answer()?;
        self.inner.apply(id, change, now).await
    }

    async fn fire(&self, now: Timestamp, limit: u32) -> Result<Firing, StoreError> {
        self.answer()?;
        let gate = self.gate.lock().clone();
        if let Some(gate) = gate {
            gate.notified().await;
        }
        self.inner.fire(now, limit).await
    }

    async fn pulse(&self) -> Result<Pulse, StoreError> {
        self.answer()?;
        self.inner.pulse().await
    }

    async fn next_deadline(&self) -> Result<Option<Timestamp>, StoreError> {
        self.answer()?;
        self.inner.next_deadline().await
    }

    async fn get(&self, id: ApprovalId) -> Result<Approval, StoreError> {
        self.answer()?;
        self.inner.get(id).await
    }

    async fn find_open(&self, digest: &ActionDigest) -> Result<Option<Approval>, StoreError> {
        self.inner.find_open(digest).await
    }

    async fn list(
        &self,
        filter: &ApprovalFilter,
        before: Option<ApprovalId>,
        limit: u32,
    ) -> Result<Vec<Approval>, StoreError> {
        self.inner.list(filter, before, limit).await
    }
}

#[async_trait]
impl Grants for Moody {
    async fn grants_of(&self, agent: &AgentId, limit: u32) -> Result<Vec<Approval>, StoreError> {
        self.inner.grants_of(agent, limit).await
    }

    async fn drawn_under(
        &self,
        digest: &ActionDigest,
        key: &str,
    ) -> Result<Option<Use>, StoreError> {
        self.inner.drawn_under(digest, key).await
    }
}

#[async_trait]
impl Edits for Moody {
    async fn replace(
        &self,
        id: ApprovalId,
        edit: Edit,
        now: Timestamp,
    ) -> Result<Replaced, StoreError> {
        self.inner.replace(id, edit, now).await
    }
}

/// One process over a store, its tasks running once they are started.
pub(crate) struct Process {
    pub(crate) clock: ManualClock,
    pub(crate) store: Arc<Moody>,
    pub(crate) people: Arc<People>,
    pub(crate) inbox: Arc<Inbox>,
    pub(crate) approvals: Approvals,
    pub(crate) shutdown: CancellationToken,
    pub(crate) tasks: JoinSet<()>,
}

impl Process {
    /// No task runs yet.
    pub(crate) fn new() -> Self {
        Self::beside(&ManualClock::default(), Arc::default())
    }

    /// Another process over the same store, under the same clock.
    pub(crate) fn beside(clock: &ManualClock, store: Arc<Moody>) -> Self {
        let (clock, people) = (clock.clone(), Arc::<People>::default());
        let approvals = Approvals::new(
            store.clone(),
            people.clone(),
            Arc::new(clock.clone()),
            ApprovalsConfig { max_waiters: 2, ..ApprovalsConfig::default() },
        );
        let (inbox, shutdown) = (Arc::default(), CancellationToken::new());
        Self { clock, store, people, inbox, approvals, shutdown, tasks: JoinSet::new() }
    }

    /// Scheduler and sender run.
    pub(crate) async fn started() -> Self {
        let mut it = Self::new();
        it.start_scheduler(SchedulerConfig::default());
        it.start_sender();
        it.settle().await;
        it
    }

    pub(crate) fn scheduler(&self, config: SchedulerConfig) -> DbEscalationScheduler {
        let clock = Arc::new(self.clock.clone());
        DbEscalationScheduler::new(self.store.clone(), clock, self.approvals.alarm(), config)
    }

    pub(crate) fn start_scheduler(&mut self, config: SchedulerConfig) {
        let scheduler = self.scheduler(config);
        self.tasks.spawn(scheduler.run(self.shutdown.clone()));
    }

    pub(crate) fn auditor(&self) -> EscalationAuditor {
        let (store, clock) = (self.store.inner.clone(), Arc::new(self.clock.clone()));
        EscalationAuditor::new(store, clock, self.approvals.alarm(), AuditorConfig::default())
    }

    pub(crate) fn sender(&self) -> Sender {
        self.sender_to([("log", Target::new(self.inbox.clone()))])
    }

    pub(crate) fn sender_to<const N: usize>(&self, targets: [(&str, Target); N]) -> Sender {
        let targets = targets.map(|(name, target)| (name.to_owned(), target));
        let clock = Arc::new(self.clock.clone());
        let outbox = self.store.inner.clone();
        let (targets, alarm) = (BTreeMap::from(targets), self.approvals.alarm());
        Sender::new(outbox, targets, clock, alarm, SenderConfig::default())
    }

    pub(crate) fn start_sender(&mut self) {
        let sender = self.sender();
        self.tasks.spawn(sender.run(self.shutdown.clone()));
    }

    /// Lets every task act until it waits again.
    pub(crate) async fn settle(&self) {
        for _ in 0..32 {
            tokio::task::yield_now().await;
        }
    }

    pub(crate) async fn pass(&self, span: Duration) {
        self.clock.advance(span);
        self.settle().await;
    }

    /// Ends every task, which must not wait for anything.
    pub(crate) async fn stop(self) {
        self.shutdown.cancel();
        let stopped = tokio::time::timeout(Duration::from_mins(1), self.tasks.join_all()).await;
        stopped.expect("a task still waits");
    }

    pub(crate) async fn ask(&self, number: u32) -> Approval {
        let submitted = self.approvals.submit(conformance::request(number)).await.unwrap();
        self.settle().await;
        submitted.approval
    }

    pub(crate) async fn status(&self, id: ApprovalId) -> &'static str {
        self.store.inner.get(id).await.unwrap().status.as_str()
    }

    pub(crate) async fn decide(
        &self,
        id: ApprovalId,
        name: &str,
        verdict: Verdict,
    ) -> Result<Decided, DecideError> {
        let digest = self.store.inner.get(id).await.unwrap().request.digest;
        let decision = Decision { verdict, digest, comment: None };
        self.approvals.decide(id, decision, Decider { person_id: person(name) }).await
    }
}

impl fmt::Debug for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Process").finish_non_exhaustive()
    }
}

/// Just before `span` is over.
pub(crate) fn almost(span: Duration) -> Duration {
    span.saturating_sub(Duration::from_micros(1))
}

pub(crate) const TICK: Duration = Duration::from_micros(1);

pub(crate) fn now(it: &Process) -> Timestamp {
    it.clock.now()
}
