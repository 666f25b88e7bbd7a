//! The events of allowed actions: kept before the answer, or counted and written down later.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use gov_core::{
    ActionDigest, AuditEvent, AuditEventKind, Clock as _, Decision, Health as _, HealthState,
    Redactor, clock::ManualClock,
};
use gov_gateway::{
    check::CheckRequest,
    events::{EventError, Events, EventsConfig, WAIT},
    outlet::{EventOutlet, OutletError, StoreOutlet},
    policy::Judgement,
};
use gov_retention::event_store::{Appended, Durability};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::event_double::{Double, Mood};

struct It {
    events: Events,
    store: Arc<Double>,
    clock: ManualClock,
}

fn start(required: &[AuditEventKind]) -> It {
    let store = Arc::<Double>::default();
    let outlet = Arc::new(StoreOutlet::new(Arc::clone(&store) as _));
    It { store, ..start_with(outlet, required) }
}

/// As [`start`], where nothing reaches the store.
fn start_with(outlet: Arc<dyn EventOutlet>, required: &[AuditEventKind]) -> It {
    let (store, clock) = (Arc::<Double>::default(), ManualClock::default());
    let config = EventsConfig { required: required.to_vec(), ..EventsConfig::default() };
    let events = Events::new(outlet, Arc::new(clock.clone()), config);
    It { events, store, clock }
}

fn request(command: &str) -> CheckRequest {
    let body = json!({
        "agent_id": "coder", "session_id": "s-1", "team_id": "core",
        "action": {"kind": "bash", "command": command}, "context": {"password": "hunter22"},
    });
    CheckRequest::parse(body.to_string().as_bytes()).unwrap()
}

fn judgement(decision: Decision) -> Judgement {
    let rule_id = Some("some-rule".parse().unwrap());
    Judgement { decision, rule_id, policy_version: 3, risk: None }
}

fn warning() -> Decision {
    Decision::Warn { rule_id: "some-rule".parse().unwrap(), reason: "look at it".to_owned() }
}

impl It {
    async fn keep(&self, command: &str, decision: Decision) -> Result<(), EventError> {
        let (redactor, now) = (Redactor::new([1; 32]), self.clock.now());
        self.events.keep(request(command), &judgement(decision), &redactor, now).await
    }

    /// As [`It::keep`], with the clock moved on as far as the wait lasts.
    async fn keep_in_vain(&self) -> Result<(), EventError> {
        let asked = self.store.durabilities().len() as u64;
        let later = async {
            self.store.asked(asked + 1).await;
            self.clock.advance(WAIT);
        };
        tokio::join!(self.keep("ls", Decision::Allow), later).0
    }

    fn gaps(&self) -> Vec<Value> {
        let events = self.store.events();
        let gaps = events.iter().filter(|it| it.kind == AuditEventKind::AuditGap);
        gaps.map(|it| serde_json::from_slice(it.payload.as_bytes()).unwrap()).collect()
    }

    fn trouble(&self) -> Option<String> {
        match self.events.health() {
            HealthState::Healthy => None,
            HealthState::Degraded(reason) => Some(reason),
            HealthState::Dead(reason) => panic!("{reason}"),
        }
    }
}

#[tokio::test]
async fn an_allowed_action_is_an_event_before_it_is_answered() {
    let it = start(&[]);
    it.keep("curl -H 'Authorization: Bearer hunter22hunter22'", Decision::Allow).await.unwrap();
    it.keep("ls", warning()).await.unwrap();
    let events = it.store.events();
    assert_eq!(it.store.durabilities(), [Durability::Spooled; 2]);
    let allowed = events.iter().find(|it| it.kind == AuditEventKind::ActionAllowed).unwrap();
    let warned = events.iter().find(|it| it.kind == AuditEventKind::ActionWarned).unwrap();

    assert_eq!(warned.agent_id.as_ref().unwrap().as_str(), "coder");
    assert_eq!(warned.session_id.as_ref().unwrap().as_str(), "s-1");
    assert_eq!(warned.team_id.as_ref().unwrap().as_str(), "core");
    let (agent, ls) = ("coder".parse().unwrap(), request("ls"));
    let digest = ActionDigest::of(&agent, None, &ls.action, ls.context.as_ref()).unwrap();
    let subjects = json!({
        "action_kind": "bash", "digest": digest, "policy_version": "3", "rule_id": "some-rule",
    });
    assert_eq!(serde_json::to_value(&warned.subjects).unwrap(), subjects);
    let payload: Value = serde_json::from_slice(warned.payload.as_bytes()).unwrap();
    assert_eq!(payload["action"]["command"], "ls");
    assert_eq!(payload["reason"], "look at it");

    let text = String::from_utf8_lossy(allowed.payload.as_bytes());
    assert!(!text.contains("hunter22") && text.matches("[redacted:").count() == 2, "{text}");
    assert!(text.ends_with(r#""reason":null}"#), "{text}");
}

#[tokio::test]
async fn a_large_action_leaves_a_word_in_place_of_its_payload() {
    let it = start(&[]);
    it.keep(&"x".repeat(70_000), Decision::Allow).await.unwrap();
    let event = it.store.events().remove(0);
    let payload: Value = serde_json::from_slice(event.payload.as_bytes()).unwrap();
    assert!(payload["omitted"]["bytes"].as_u64().unwrap() > 70_000, "{payload}");
    assert_eq!(payload["digest"].as_str().unwrap().len(), 64);
    assert_eq!(event.subjects["action_kind"], "bash");
}

#[tokio::test]
async fn an_event_that_is_not_kept_is_refused_where_it_is_required() {
    let it = start(&[AuditEventKind::ActionAllowed]);
    it.store.is(Mood::Fails);
    assert!(matches!(it.keep("ls", Decision::Allow).await, Err(EventError::NotTaken(_))));
    assert_eq!(it.trouble(), None, "nothing was done, so nothing is missing");
    it.keep("ls", warning()).await.unwrap();
    assert!(it.trouble().is_some(), "the other kind is not required");
    it.store.is(Mood::Hangs);
    assert!(matches!(it.keep_in_vain().await, Err(EventError::TooLate(WAIT))));
}

/// A buffer without room, which writes down itself what it turned away.
#[derive(Debug)]
struct FullOutlet;

#[async_trait]
impl EventOutlet for FullOutlet {
    fn name(&self) -> &'static str {
        "audit_buffer"
    }

    async fn append(&self, _: Vec<AuditEvent>, _: Durability) -> Result<(), OutletError> {
        Err(OutletError::Full)
    }

    async fn append_from(
        &self,
        _: &str,
        _: Vec<(u64, AuditEvent)>,
    ) -> Result<Appended, OutletError> {
        Err(OutletError::Full)
    }

    async fn cursor(&self, _: &str) -> Result<u64, OutletError> {
        Ok(0)
    }
}

#[tokio::test]
async fn what_a_full_buffer_turns_away_is_not_accounted_for_a_second_time() {
    let it = start_with(Arc::new(FullOutlet), &[AuditEventKind::ActionWarned]);
    it.keep("ls", Decision::Allow).await.unwrap();
    assert_eq!(it.trouble(), None, "the buffer's own gap says it");
    assert_eq!(it.events.write_gaps().await, 0);
    let required = it.keep("ls", warning()).await;
    assert!(matches!(required, Err(EventError::NotTaken(OutletError::Full))), "{required:?}");
}

#[tokio::test]
async fn misses_are_counted_and_become_one_gap_a_kind_once_the_store_works() {
    let it = start(&[]);
    it.store.is(Mood::Fails);
    let first = it.clock.now();
    for _ in 0..3 {
        it.keep("ls", Decision::Allow).await.unwrap();
        it.clock.advance(Duration::from_millis(10));
    }
    it.keep("ls", warning()).await.unwrap();
    let trouble = it.trouble().unwrap();
    assert!(trouble.starts_with("4 events of allowed actions are not kept: "), "{trouble}");
    assert!(trouble.contains("no space left on device"), "{trouble}");
    assert_eq!(it.events.write_gaps().await, 4, "the store still fails");
    assert_eq!(it.gaps(), Vec::<Value>::new());
    // What is missed while the gaps could not be written belongs to the next ones.
    it.keep("ls", Decision::Allow).await.unwrap();

    it.store.is(Mood::Works);
    assert_eq!(it.events.write_gaps().await, 0);
    assert_eq!(it.trouble(), None);
    let mut gaps = it.gaps();
    gaps.sort_by_key(|it| (it["class"].to_string(), it["count"].as_u64().map(|it| 9 - it)));
    let of = |class, count| {
        let mut same = gaps.iter().filter(|it| it["class"] == class && it["count"] == count);
        same.next().unwrap_or_else(|| panic!("{class} {count}: {gaps:?}"))
    };
    assert_eq!(gaps.len(), 3);
    let gap = of("action.allowed", 3);
    assert_eq!((&gap["first"], &gap["cause"]), (&json!(first), &json!("event_store")));
    assert_eq!(gap["last"], json!(first + Duration::from_millis(20)));
    assert!(gap["reason"].as_str().unwrap().ends_with("no space left on device"), "{gap}");
    of("action.allowed", 1);
    of("action.warned", 1);
    assert!(it.store.durabilities().iter().all(|it| *it == Durability::Durable));
    assert_eq!(it.events.write_gaps().await, 0);
    assert_eq!(it.gaps().len(), 3, "a gap is written once");
}

#[tokio::test]
async fn an_answer_does_not_wait_for_a_store_that_hangs() {
    let it = start(&[]);
    it.store.is(Mood::Hangs);
    it.keep_in_vain().await.unwrap();
    let trouble = it.trouble().unwrap();
    assert!(trouble.ends_with("was not kept within 1s"), "{trouble}");
}

#[tokio::test]
async fn the_task_writes_the_gap_by_itself_when_the_store_is_back() {
    let it = start(&[]);
    let shutdown = CancellationToken::new();
    let running = tokio::spawn(it.events.clone().run(shutdown.clone()));
    it.store.is(Mood::Fails);
    it.keep("ls", Decision::Allow).await.unwrap();
    it.store.asked_in_time(4, &it.clock).await;
    it.store.is(Mood::Works);
    it.store.asked_in_time(5, &it.clock).await;
    assert_eq!(it.store.kinds(), ["audit.gap"]);
    shutdown.cancel();
    running.await.unwrap();
    assert_eq!(it.trouble(), None);
}
