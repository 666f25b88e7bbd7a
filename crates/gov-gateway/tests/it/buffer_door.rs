//! `/v1/audit/buffer`: what waits for a sink, what it refused, and what a full buffer answers.

use std::{
    fs,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use axum::{
    Router,
    http::{StatusCode, header::RETRY_AFTER},
};
use gov_audit_buffer::{BufferConfig, EventBuffer};
use gov_core::{AuditEvent, AuditEventKind, Clock as _, EventId, Payload, SystemClock};
use gov_gateway::server::Ended;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::{
    check_door::{ALLOWED, REFUSED, WARNED},
    http::Reply,
    running::Running,
};

/// A sink that nobody listens for.
const AWAY: &str = "buffer.sink = \"http\"\nbuffer.url = \"http://127.0.0.1:9/\"\n";

/// A sink that is always there.
const LINES: &str = "buffer.sink = \"json-lines\"\n";

impl Running {
    async fn buffer(&self, route: &str) -> Reply {
        self.get(&format!("/v1/audit/buffer{route}"), &self.admin).await
    }

    async fn status(&self) -> Value {
        let reply = self.buffer("").await;
        assert_eq!(reply.status, 200, "{reply:?}");
        reply.json()
    }

    /// The status, once it is as wanted: what goes through the log comes a moment later.
    async fn status_once(&self, wanted: impl Fn(&Value) -> bool) -> Value {
        for _ in 0..2000 {
            let status = self.status().await;
            if wanted(&status) {
                return status;
            }
        }
        panic!("never: {}", self.status().await);
    }

    fn lines(&self) -> Vec<Value> {
        lines(&self.home.path().join("gov"))
    }
}

/// The events in the file of lines.
fn lines(data_dir: &Path) -> Vec<Value> {
    let text = fs::read_to_string(data_dir.join("audit-events.jsonl")).unwrap_or_default();
    text.lines().map(|it| serde_json::from_str(it).unwrap()).collect()
}

fn kinds(lines: &[Value]) -> Vec<&str> {
    lines.iter().map(|it| it["type"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn what_was_answered_is_in_the_sink_once_and_in_order() {
    let it = Running::start(LINES).await;
    for command in [ALLOWED, WARNED, REFUSED] {
        assert_eq!(it.check_command(command).await.status, 200, "{command}");
    }
    let refused = |it: &Value| it["type"] == "gov.action.refused";
    for _ in 0..2000 {
        if it.lines().iter().any(refused) {
            break;
        }
        it.status().await;
    }
    let (ended, home) = it.stop().await;
    assert_eq!(ended, Ended::Clean);
    let lines = lines(&home.path().join("gov"));
    for kind in ["gov.action.allowed", "gov.action.warned", "gov.action.refused"] {
        assert_eq!(kinds(&lines).iter().filter(|it| **it == kind).count(), 1, "{kind}: {lines:?}");
    }
    let seqs: Vec<u64> =
        lines.iter().map(|it| it["govseq"].as_str().unwrap().parse().unwrap()).collect();
    assert!(seqs.is_sorted(), "{seqs:?}");
    let store = fs::read_dir(home.path().join("gov/events")).unwrap().count();
    assert!(store <= 3, "nothing was written to the event store beside what opening makes");
}

#[tokio::test]
async fn what_waits_for_a_sink_that_is_away_is_shown_and_left_for_the_next_start() {
    let it = Running::start(&format!("{AWAY}log.flush_timeout = \"0s\"\n")).await;
    it.check_command(ALLOWED).await;
    it.check_command(REFUSED).await;
    let status = it.status_once(|it| it["waiting"].as_u64() >= Some(3)).await;
    assert_eq!((&status["acked"], &status["running"]["sink"]), (&json!(0), &json!("http")));
    assert!(status["oldest_waiting_at"].is_string(), "{status}");
    let waiting = it.buffer("/events?limit=100").await.json();
    let items = waiting["items"].as_array().unwrap();
    assert_eq!(items[0]["seq"], 1, "{waiting}");
    assert!(items.iter().any(|it| it["kind"] == "action.allowed"), "{waiting}");
    assert!(items.iter().all(|it| it["event"]["specversion"] == "1.0"), "{waiting}");
    assert_eq!(it.buffer("/events?limit=1").await.json()["items"].as_array().unwrap().len(), 1);
    let host = [format!("host: {}", it.address)];
    let ready = crate::http::send(it.address, "GET /readyz", &host, b"").await;
    assert_eq!(ready.status, 200, "a sink that is away turns no agent away: {ready:?}");
    assert!(ready.json()["parts"].to_string().contains("audit_buffer"), "{ready:?}");
    assert_eq!(it.stop().await.0, Ended::WorkLeft);
}

/// A sink that wants to be left alone for half an hour, until it is told otherwise.
async fn sink() -> (String, Arc<AtomicBool>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let open = Arc::new(AtomicBool::new(false));
    let asked = Arc::clone(&open);
    let answer = move || async move {
        if asked.load(Ordering::SeqCst) {
            (StatusCode::OK, [(RETRY_AFTER, "0")])
        } else {
            (StatusCode::SERVICE_UNAVAILABLE, [(RETRY_AFTER, "1800")])
        }
    };
    let router = Router::new().fallback(answer);
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    (url, open)
}

#[tokio::test]
async fn what_waits_for_a_sink_that_wanted_to_be_left_alone_is_tried_once_more_at_the_end() {
    let (url, open) = sink().await;
    let it = Running::start(&format!("[buffer]\nsink = \"http\"\nurl = \"{url}\"\n")).await;
    it.check_command(ALLOWED).await;
    let said = it.status_once(|it| it["running"]["breaker"] == "open").await;
    assert!(said["waiting"].as_u64() >= Some(1), "{said}");
    open.store(true, Ordering::SeqCst);
    assert_eq!(it.stop().await.0, Ended::Clean);
}

#[tokio::test]
async fn what_one_sink_did_not_get_the_next_one_gets() {
    let it = Running::start(&format!("{AWAY}log.flush_timeout = \"0s\"\n")).await;
    it.check_command(ALLOWED).await;
    it.check_command(REFUSED).await;
    it.status_once(|it| it["waiting"].as_u64() >= Some(3)).await;
    let (admin, agent) = (it.admin.clone(), it.agent.clone());
    let (_, home) = it.stop().await;
    let it = Running::start_on(home, LINES, admin, agent).await;
    it.status_once(|it| it["waiting"] == 0).await;
    let shipped = it.lines();
    for kind in ["gov.action.allowed", "gov.action.refused"] {
        assert_eq!(kinds(&shipped).iter().filter(|it| **it == kind).count(), 1, "{shipped:?}");
    }
}

#[tokio::test]
async fn a_full_buffer_refuses_what_is_required_and_says_when_to_come_again() {
    let full = format!("{AWAY}buffer.max_rows = 10\naudit.required = [\"action.allowed\"]\n");
    let it = Running::start(&full).await;
    let mut refused = None;
    for _ in 0..200 {
        let reply = it.check_command(ALLOWED).await;
        // On a busy machine an answer may also be late, which is another refusal.
        if reply.status != 200 && it.status().await["running"]["rejected"] != 0 {
            refused = Some(reply);
            break;
        }
    }
    let reply = refused.expect("ten events fill it");
    assert!(reply.head.contains("retry-after: 1"), "{reply:?}");
    let (status, code, _, json) = reply.problem();
    assert_eq!((status, &*code, &json["decision"]), (503, "not-recorded", &json!("refuse")));
    assert!(json["detail"].as_str().unwrap().contains("must not happen"), "{json}");
    let warned = it.check_command(WARNED).await;
    assert_eq!(warned.json()["decision"], "warn", "the other kind is not required");
    assert_eq!(it.check_command(REFUSED).await.json()["decision"], "refuse", "the log has room");
}

#[tokio::test]
async fn the_event_store_as_a_sink_finds_what_was_answered() {
    let it = Running::start("buffer.sink = \"event-store\"").await;
    it.check_command(ALLOWED).await;
    it.check_command(REFUSED).await;
    for kind in ["action.allowed", "action.refused"] {
        let path = format!("/v1/audit/events?kind={kind}");
        let mut found = 0;
        for _ in 0..2000 {
            let page = it.get(&path, &it.admin).await.json();
            found = page["items"].as_array().unwrap().len();
            if found > 0 {
                break;
            }
        }
        assert_eq!(found, 1, "{kind}");
    }
    assert_eq!(it.status_once(|it| it["waiting"] == 0).await["dead_letters"], 0);
    assert_eq!(it.stop().await.0, Ended::Clean);
}

#[tokio::test]
async fn without_a_sink_there_is_no_buffer_and_the_answer_says_why() {
    let it = Running::start("").await;
    for route in ["", "/events", "/dead-letters"] {
        let (status, code, _, json) = it.buffer(route).await.problem();
        assert_eq!((status, &*code), (404, "not-found"));
        assert!(json["detail"].as_str().unwrap().contains("`buffer.sink` is `none`"), "{json}");
    }
    assert!(!it.home.path().join("gov/audit-buffer.db").exists());
}

#[tokio::test]
async fn auditors_look_and_only_operators_send_again_or_give_up() {
    let it = Running::start(AWAY).await;
    let auditor = it.create_token(r#"{"scope":"auditor"}"#).await;
    let operator = it.create_token(r#"{"scope":"operator"}"#).await;
    for route in ["", "/events", "/dead-letters"] {
        let path = format!("/v1/audit/buffer{route}");
        for token in [&auditor, &operator, &it.admin] {
            assert_eq!(it.get(&path, token).await.status, 200, "{route}");
        }
        assert_eq!(it.get(&path, &it.agent).await.problem().0, 403, "{route}");
        assert_eq!(it.get(&path, "gov_x_y").await.problem().0, 401, "{route}");
    }
    for route in ["replay", "discard"] {
        let path = format!("/v1/audit/buffer/{route}");
        for (token, status) in [(&*auditor, 403), (&it.agent, 403), ("gov_x_y", 401)] {
            assert_eq!(it.post(&path, token, r#"{"all":true}"#).await.problem().0, status);
        }
        for token in [&operator, &it.admin] {
            assert_eq!(it.post(&path, token, r#"{"all":true}"#).await.json(), json!({"done": 0}));
        }
        for (body, field) in [
            ("{}", "body"),
            ("[]", "body"),
            (r#"{"all":false}"#, "all"),
            (r#"{"ids":["rec_1"]}"#, "ids"),
            (r#"{"all":true,"ids":[]}"#, "body"),
            (r#"{"some":1}"#, "some"),
        ] {
            let (status, _, of, json) = it.post(&path, &operator, body).await.problem();
            assert_eq!((status, &*of), (422, field), "{body}: {json}");
        }
    }
    assert_eq!(it.buffer("/events?limit=0").await.problem().0, 422);
    assert_eq!(it.buffer("/events?cursor=7").await.problem().0, 422);
}

/// Dead letters in the buffer of a directory whose server does not run.
async fn bury(data_dir: &Path, count: u64) -> Vec<EventId> {
    let path = data_dir.join("audit-buffer.db");
    let buffer = EventBuffer::open(&path, BufferConfig::default(), Arc::new(SystemClock)).unwrap();
    let mut ids = Vec::new();
    for n in 0..count {
        let event = AuditEvent {
            id: EventId::at(SystemClock.now()),
            at: SystemClock.now(),
            kind: AuditEventKind::ActionAllowed,
            agent_id: None,
            session_id: None,
            team_id: None,
            subjects: [("n".to_owned(), n.to_string())].into(),
            trace_id: None,
            payload: Payload::seal(&json!({ "n": n })).unwrap(),
        };
        ids.push(event.id);
        buffer.enqueue(&event).await.unwrap();
    }
    for _ in 0..count {
        let next = buffer.peek(1).await.unwrap().remove(0);
        buffer.dead_letter(next.buffer_seq, "too odd\u{1b}[31m", 8).await.unwrap();
    }
    buffer.close().await;
    ids
}

#[tokio::test]
async fn dead_letters_are_shown_and_sent_again_or_given_up() {
    let it = Running::start(LINES).await;
    let (admin, agent) = (it.admin.clone(), it.agent.clone());
    let (_, home) = it.stop().await;
    let ids = bury(&home.path().join("gov"), 3).await;
    let it = Running::start_on(home, LINES, admin, agent).await;

    let first = it.buffer("/dead-letters?limit=2").await.json();
    let next = first["next"].as_str().unwrap().to_owned();
    let second = it.buffer(&format!("/dead-letters?limit=2&cursor={next}")).await.json();
    let items = |page: &Value| page["items"].as_array().unwrap().clone();
    let all = [items(&first), items(&second)].concat();
    let shown: Vec<_> = all.iter().map(|it| it["id"].as_str().unwrap().to_owned()).collect();
    assert_eq!(shown, ids.iter().map(ToString::to_string).collect::<Vec<_>>());
    assert_eq!((&all[0]["tries"], &all[0]["event"]["data"]["n"]), (&json!(8), &json!(0)));
    assert_eq!(second["next"], Value::Null);

    let path = "/v1/audit/buffer/replay";
    let body = json!({ "ids": [ids[1], EventId::at(SystemClock.now())] }).to_string();
    assert_eq!(it.post(path, &it.admin, &body).await.json(), json!({"done": 1}));
    let done = it.post("/v1/audit/buffer/discard", &it.admin, r#"{"all":true}"#).await;
    assert_eq!(done.json(), json!({"done": 2}));
    let status = it.status_once(|it| it["waiting"] == 0).await;
    assert_eq!(status["dead_letters"], 0, "{status}");
    let lines = it.lines();
    let of = |id: &EventId| lines.iter().filter(|it| it["id"] == id.to_string()).count();
    assert_eq!([of(&ids[0]), of(&ids[1]), of(&ids[2])], [0, 1, 0], "{lines:?}");
    for (kind, count) in [("gov.audit.dead_lettered", 3), ("gov.audit.dead_letter_discarded", 1)] {
        assert_eq!(kinds(&lines).iter().filter(|it| **it == kind).count(), count, "{kind}");
    }
}
