//! What cannot be recorded is refused in so many words.

use std::{collections::BTreeMap, sync::Arc};

use async_trait::async_trait;
use axum::{body::Body, http::Request};
use gov_core::{AuditEventKind, Clock, Redactor, SystemClock, Timestamp};
use gov_deferred_audit::{DeadLetters, LogConfig, LogRecord, SignedLog};
use gov_escalation::{
    Approvals, approvals::ApprovalsConfig, chain::Chain, sender::health::SenderHealth,
    store::memory::MemoryApprovalStore,
};
use gov_gateway::{
    approvals::{Desk, DeskConfig, LogWait},
    check::{Gate, GateConfig, Keepers, Recorded, Recorder, RecorderError},
    config::{Config, RefusalDurability},
    data_dir::DataDir,
    events::{Events, EventsConfig},
    http::{Door, Guard, Parts, ServedLog},
    identity::Directory,
    meters::Meters,
    notifications::Notifications,
    outlet::StoreOutlet,
    page::{Page, log_status::LogStatus},
    policies::Policies,
    policy::{PolicySet, Starter},
    registry::{NewToken, Registry},
    storage::Storage,
};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};

use crate::{
    check_door::{ALLOWED, ASKED, REFUSED, WARNED},
    event_double::{Double, Mood},
};

/// A log on a full disk.
#[derive(Debug)]
struct Broken;

#[async_trait]
impl Recorder for Broken {
    async fn record(&self, _: LogRecord, _: RefusalDurability) -> Result<Recorded, RecorderError> {
        Err(RecorderError::NotTaken("no space left on device".into()))
    }
}

/// A log that answers never.
#[derive(Debug)]
struct Stuck;

#[async_trait]
impl Recorder for Stuck {
    async fn record(&self, _: LogRecord, _: RefusalDurability) -> Result<Recorded, RecorderError> {
        std::future::pending().await
    }
}

/// A log that holds nothing.
#[derive(Debug)]
struct Empty;

#[async_trait]
impl LogStatus for Empty {
    fn origin(&self) -> String {
        String::new()
    }

    fn size(&self) -> u64 {
        0
    }

    async fn last_at(&self) -> Option<Timestamp> {
        None
    }
}

struct It {
    door: Door,
    token: String,
    events: Arc<Double>,
    _home: tempfile::TempDir,
    _storage: Storage,
}

/// Carries the history of approvals to nowhere, and says so: at once or never.
#[derive(Debug)]
struct Nowhere {
    ever: bool,
}

#[async_trait]
impl LogWait for Nowhere {
    fn nudge(&self) {}

    async fn logged(&self, _: u64) {
        if !self.ever {
            std::future::pending::<()>().await;
        }
    }
}

/// A desk in memory.
fn desk(log: Nowhere, directory: &Arc<Directory>, clock: &Arc<dyn Clock>) -> Desk {
    let store = Arc::new(MemoryApprovalStore::default());
    let service = Approvals::new(
        Arc::clone(&store) as _,
        Arc::clone(directory) as _,
        Arc::clone(clock),
        ApprovalsConfig::default(),
    );
    let chains = [("default".to_owned(), Chain::standard())].into();
    let config = DeskConfig { chains, ..DeskConfig::default() };
    Desk::new(service, store, Arc::new(log), Arc::clone(clock), config)
}

async fn start(recorder: Arc<dyn Recorder>, policy: bool, auto_register: bool) -> It {
    start_with(recorder, Nowhere { ever: true }, policy, auto_register, &[]).await
}

async fn start_requiring(
    recorder: Arc<dyn Recorder>,
    policy: bool,
    auto_register: bool,
    required: &[AuditEventKind],
) -> It {
    start_with(recorder, Nowhere { ever: true }, policy, auto_register, required).await
}

async fn start_with(
    recorder: Arc<dyn Recorder>,
    log: Nowhere,
    policy: bool,
    auto_register: bool,
    required: &[AuditEventKind],
) -> It {
    let home = tempfile::tempdir().unwrap();
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let dir = DataDir::open_or_create(&home.path().join("gov")).unwrap();
    let config = Config::default().database;
    let storage = Storage::open(&config, &dir, &clock).await.unwrap();
    let (gov_store, directory) = (Arc::clone(&storage.store), Arc::new(Directory::default()));
    let registry =
        Registry::new(Arc::clone(&gov_store), Arc::clone(&directory), Arc::clone(&clock), None);
    let new = NewToken::read("agent", Some("coder"), None, None, false).unwrap();
    let token = registry.create_token(new, "test").await.unwrap().view.token;
    let meters = Arc::new(Meters::install().unwrap());
    let config = GateConfig { durability: RefusalDurability::Durable, auto_register };
    let store = Arc::<Double>::default();
    let required = EventsConfig { required: required.to_vec(), ..EventsConfig::default() };
    let outlet = Arc::new(StoreOutlet::new(Arc::clone(&store) as _));
    let events = Events::new(outlet, Arc::clone(&clock), required);
    let desk = desk(log, &directory, &clock);
    let gate = Gate::new(
        registry.clone(),
        Keepers { recorder, events },
        desk.clone(),
        Redactor::new([0; 32]),
        Arc::clone(&meters),
        Arc::clone(&clock),
        config,
    );
    if policy {
        gate.activate(PolicySet::compile(Starter::Balanced.text(), 1).unwrap());
    }
    let signed = SignedLog::open(LogConfig::in_dir(dir.path()), Arc::clone(&clock)).await.unwrap();
    let parts = Parts {
        dead_letters: DeadLetters::new(signed.clone(), dir.path()),
        log: ServedLog { signed, public: false },
        gate: Arc::new(gate),
        directory,
        registry,
        policies: Policies::new(gov_store, Arc::default(), Arc::clone(&clock), None),
        buffer: None,
        event_store: Arc::clone(&store) as _,
        longest_wait: std::time::Duration::ZERO,
        health: Arc::new([]),
        page: Arc::new(Page::new(desk.clone(), Arc::new(Empty))),
        desk,
        notifications: notifications(&clock),
        slack: None,
        meters,
        clock,
        metrics_public: false,
    };
    let guard = Guard::new("127.0.0.1:7180".parse().unwrap(), &[], &[]);
    let door = Door::new(parts, guard, std::time::Duration::from_millis(300));
    It { door, token, events: store, _home: home, _storage: storage }
}

fn notifications(clock: &Arc<dyn Clock>) -> Notifications {
    let outbox = Arc::new(MemoryApprovalStore::default());
    let health = Arc::new(SenderHealth::new(Arc::clone(&outbox) as _));
    Notifications::new(outbox, BTreeMap::new(), health, Arc::clone(clock))
}

impl It {
    async fn check(&self, command: &str) -> (u16, Value) {
        let action = json!({"kind": "bash", "command": command, "cwd": "/home/me/p"});
        let request = Request::post("/v1/actions/check")
            .header("host", "localhost")
            .header("authorization", format!("Bearer {}", self.token))
            .body(Body::from(json!({"agent_id": "coder", "action": action}).to_string()))
            .unwrap();
        let response = self.door.answer(request).await;
        let status = response.status().as_u16();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, serde_json::from_slice(&body).unwrap())
    }
}

#[tokio::test]
async fn a_blocking_answer_that_is_not_on_record_is_503_and_still_says_refuse() {
    let it = start(Arc::new(Broken), true, true).await;
    let (status, json) = it.check(REFUSED).await;
    assert_eq!((status, &json["code"]), (503, &json!("not-recorded")), "{json}");
    assert_eq!(json["decision"], "refuse");
    let detail = json["detail"].as_str().unwrap();
    assert!(detail.contains("no space left on device"), "{detail}");
    assert_eq!(it.check(ALLOWED).await.1["decision"], "allow", "what needs no record goes on");
}

#[tokio::test]
async fn an_answer_that_takes_too_long_is_503_and_says_refuse() {
    let it = start_with(Arc::new(Stuck), Nowhere { ever: false }, true, true, &[]).await;
    for command in [REFUSED, ASKED] {
        let (status, json) = it.check(command).await;
        assert_eq!(
            (status, &json["code"], &json["decision"]),
            (503, &json!("timeout"), &json!("refuse"))
        );
    }
}

/// Keeps the records for the test to see.
#[derive(Debug, Default)]
struct Kept(parking_lot::Mutex<Vec<LogRecord>>);

#[async_trait]
impl Recorder for Kept {
    async fn record(
        &self,
        record: LogRecord,
        _: RefusalDurability,
    ) -> Result<Recorded, RecorderError> {
        let id = record.id;
        self.0.lock().push(record);
        Ok(Recorded::Spooled { id })
    }
}

#[tokio::test]
async fn without_a_policy_everything_is_refused_and_recorded() {
    let kept = Arc::new(Kept::default());
    let it = start(Arc::clone(&kept) as _, false, true).await;
    let (status, json) = it.check(ALLOWED).await;
    assert_eq!((status, &json["decision"]), (200, &json!("refuse")));
    assert_eq!(json["rule_id"], "policy-error");
    assert_eq!(json["reason"], "no policy is loaded");
    assert_eq!(kept.0.lock().len(), 1);
}

#[tokio::test]
async fn an_agent_that_is_not_registered_is_refused_and_recorded() {
    let kept = Arc::new(Kept::default());
    let it = start(Arc::clone(&kept) as _, true, false).await;
    let (status, json) = it.check(ALLOWED).await;
    assert_eq!((status, &json["decision"]), (200, &json!("refuse")));
    assert_eq!(json["rule_id"], "unknown-agent");
    let records = kept.0.lock();
    assert_eq!(
        records[0].verdict.as_ref().unwrap().rule_id.as_ref().unwrap().as_str(),
        "unknown-agent"
    );
}

#[tokio::test]
async fn an_allowed_action_is_answered_though_its_event_is_not_kept() {
    let it = start(Arc::new(Kept::default()), true, true).await;
    it.events.is(Mood::Fails);
    for (command, decision) in [(ALLOWED, "allow"), (WARNED, "warn")] {
        let (status, json) = it.check(command).await;
        assert_eq!((status, &json["decision"]), (200, &json!(decision)), "{json}");
    }
    it.events.is(Mood::Works);
    assert_eq!(it.check(ALLOWED).await.0, 200);
    assert_eq!(it.events.kinds(), ["action.allowed"]);
}

#[tokio::test]
async fn an_allowed_action_whose_required_event_is_not_kept_is_503_and_says_refuse() {
    let required = [AuditEventKind::ActionAllowed];
    let it = start_requiring(Arc::new(Kept::default()), true, true, &required).await;
    it.events.is(Mood::Fails);
    let (status, json) = it.check(ALLOWED).await;
    assert_eq!((status, &json["code"]), (503, &json!("not-recorded")), "{json}");
    assert_eq!(json["decision"], "refuse");
    let detail = json["detail"].as_str().unwrap();
    assert!(detail.contains("the event of the action was not taken"), "{detail}");
    assert_eq!(it.check(WARNED).await.1["decision"], "warn", "the other kind is not required");
}

#[tokio::test]
async fn what_is_refused_or_held_is_no_event_of_the_handler() {
    let it = start(Arc::new(Kept::default()), true, true).await;
    for command in [REFUSED, ASKED] {
        it.check(command).await;
    }
    assert_eq!(it.events.kinds(), Vec::<String>::new(), "it comes through the log");
}
