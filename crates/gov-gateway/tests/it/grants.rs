//! `/v1/grants`, and the calls that a grant lets happen.

use serde_json::{Value, json};

use crate::{
    deciders::{Deciding, OWNED, REFUSES, asks},
    http::Reply,
    running::AGENT,
};

/// At most two deployments of anything to at most three hosts.
fn terms() -> Value {
    json!({
        "tool": "deploy_service",
        "arguments": {"service": "any", "hosts": {"at_most": 3}},
        "calls": 2,
        "lasts": "30m",
    })
}

fn check(arguments: &Value) -> String {
    let action = json!({
        "kind": "tool_call", "server": null, "tool": "deploy_service", "arguments": arguments,
    });
    json!({"agent_id": AGENT, "action": action}).to_string()
}

async fn ask(it: &Deciding, token: &str, terms: &Value) -> Reply {
    it.it.post("/v1/grants", token, &terms.to_string()).await
}

/// Asked for by the agent, and approved by Ann.
async fn granted(it: &Deciding, terms: &Value) -> String {
    let reply = ask(it, &it.it.agent, terms).await;
    assert_eq!(reply.status, 201, "{reply:?}");
    let id = reply.json()["id"].as_str().unwrap().to_owned();
    it.approve(&id).await;
    id
}

async fn deploy(it: &Deciding, arguments: &Value) -> Value {
    it.it.check(&check(arguments)).await.json()
}

async fn grants(it: &Deciding, token: &str, query: &str) -> Vec<Value> {
    let reply = it.it.get(&format!("/v1/grants{query}"), token).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    reply.json()["items"].as_array().unwrap().clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_grant_lets_its_calls_happen_one_by_one_and_no_other() {
    let it = Deciding::start("").await;
    let reply = ask(&it, &it.it.agent, &terms()).await;
    let view = reply.json();
    assert_eq!((reply.status, &view["status"]), (201, &json!("pending")), "{view}");
    assert_eq!(view["record"]["durability"], "durable");
    let id = view["id"].as_str().unwrap();
    let mut shown = terms();
    shown["kind"] = json!("grant");
    shown["server"] = json!(null);
    assert_eq!((&view["action"], &view["context"]["asked_by"]), (&shown, &json!(AGENT)));
    // Asked twice is asked once, and nothing happens before somebody says yes.
    assert_eq!(ask(&it, &it.it.agent, &terms()).await.json()["id"], *id);
    let asked = json!({"service": "shop", "hosts": 1});
    let held = deploy(&it, &asked).await;
    assert_eq!(held["decision"], "require_approval", "{held}");

    it.approve(id).await;
    let first = deploy(&it, &asked).await;
    assert_eq!((&first["decision"], &first["approval"]["id"]), (&json!("allow"), &json!(id)));
    assert_eq!(
        (&first["approval"]["status"], &first["approval"]["calls_left"]),
        (&json!("approved"), &json!(1))
    );
    assert_eq!(first["record"]["durability"], "durable");
    assert_eq!(first["approval"]["expires_at"], it.approval(id).await["expires_at"]);
    for other in [
        json!({"service": "shop", "hosts": 4}),
        json!({"service": "shop", "hosts": 1.0}),
        json!({"service": "shop", "hosts": 1, "force": true}),
        json!({"service": "shop"}),
    ] {
        let json = deploy(&it, &other).await;
        assert_eq!(json["decision"], "require_approval", "{other}: {json}");
        assert_ne!(json["approval"]["id"], *id);
    }
    let last = deploy(&it, &json!({"service": "mail", "hosts": -1})).await;
    assert_eq!(
        (&last["approval"]["status"], &last["approval"]["calls_left"]),
        (&json!("consumed"), &json!(0))
    );
    assert_eq!(last["approval"]["expires_at"], json!(null));
    let json = deploy(&it, &json!({"service": "mail", "hosts": 2})).await;
    assert_eq!(json["decision"], "require_approval", "the third of two: {json}");
    let view = it.approval(id).await;
    assert_eq!((&view["status"], &view["grant"]["calls_left"]), (&json!("consumed"), &json!(0)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_call_of_a_grant_is_in_the_log_with_its_own_action() {
    let it = Deciding::start("").await;
    let id = granted(&it, &terms()).await;
    let mut answers = Vec::new();
    for hosts in [1, 2] {
        answers.push(deploy(&it, &json!({"service": "shop", "hosts": hosts})).await);
    }
    // The server runs: what is not in the log now was answered too early.
    let db = rusqlite::Connection::open(it.it.home.path().join("gov/audit-log.db")).unwrap();
    let mut rows = db.prepare("select entry from audit_log_entry order by seq").unwrap();
    let entries: Vec<Value> = rows
        .query_map([], |row| row.get::<_, Vec<u8>>(0))
        .unwrap()
        .map(|it| serde_json::from_slice(&it.unwrap()).unwrap())
        .collect();
    let mut digests = Vec::new();
    for answer in &answers {
        let record = &answer["record"]["id"];
        let entry = entries.iter().find(|it| it["id"] == *record).unwrap();
        assert_eq!(
            (&entry["kind"], &entry["decision"]),
            (&json!("approval.consumed"), &json!("allow"))
        );
        assert_eq!(
            (&entry["agent"], &entry["action_kind"]),
            (&json!(AGENT), &json!("tool_call")),
            "{entry}"
        );
        digests.push(entry["digest"].clone());
    }
    assert_ne!(digests[0], digests[1], "{digests:?}");
    assert_ne!(digests[0], it.approval(&id).await["digest"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_repeat_under_the_same_key_gets_the_same_answer_and_is_no_second_call() {
    let it = Deciding::start("").await;
    let id = granted(&it, &terms()).await;
    let body = check(&json!({"service": "shop", "hosts": 1}));
    let first = it.check_under("k1", &body).await.json();
    assert_eq!(first["approval"]["calls_left"], 1, "{first}");
    assert_eq!(it.check_under("k1", &body).await.json(), first);
    let last = it.check_under("k2", &body).await.json();
    assert_eq!(last["approval"]["calls_left"], 0, "{last}");
    // Also behind the end of the grant.
    assert_eq!(it.check_under("k1", &body).await.json(), first);
    assert_eq!(it.check_under("k2", &body).await.json(), last);
    assert_eq!(it.check_under("k3", &body).await.json()["decision"], "require_approval");
    it.activate(REFUSES).await;
    assert_eq!(it.check_under("k1", &body).await.json()["rule_id"], "no");

    it.activate(&asks("")).await;
    let revoked = granted(&it, &terms()).await;
    assert_ne!(revoked, id);
    let other = check(&json!({"service": "mail", "hosts": 1}));
    assert_eq!(it.check_under("k4", &other).await.json()["approval"]["id"], json!(revoked));
    let path = format!("/v1/approvals/{revoked}/cancel");
    assert_eq!(it.it.post(&path, &it.it.admin, "{}").await.status, 200);
    assert_eq!(it.check_under("k4", &other).await.json()["decision"], "require_approval");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_concurrent_calls_no_more_happen_than_the_grant_has() {
    let it = Deciding::start("").await;
    let id = granted(&it, &terms()).await;
    let bodies: Vec<_> =
        (0..8).map(|it| check(&json!({"service": format!("s{it}"), "hosts": 1}))).collect();
    let checks = bodies.iter().map(|body| it.it.check(body));
    let answers = crate::releases::futures_join(checks.collect()).await;
    let allowed = answers.iter().filter(|it| it.json()["decision"] == "allow").count();
    assert_eq!(allowed, 2, "{answers:?}");
    assert_eq!(it.approval(&id).await["status"], "consumed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_policy_of_now_is_asked_at_every_call() {
    let it = Deciding::start("[[chains.prod.rungs]]\nquorum = 2\n").await;
    let id = granted(&it, &terms()).await;
    let asked = json!({"service": "shop", "hosts": 1});
    it.activate(REFUSES).await;
    assert_eq!(deploy(&it, &asked).await["decision"], "refuse");
    it.activate(&asks("@chain(\"prod\")")).await;
    let json = deploy(&it, &asked).await;
    assert_eq!(json["decision"], "require_approval", "one vote is not enough any more: {json}");
    it.activate(&asks("")).await;
    let held = json["approval"]["id"].as_str().unwrap();
    let json = deploy(&it, &asked).await;
    assert_eq!(
        (&json["decision"], &json["approval"]["id"]),
        (&json!("allow"), &json!(id)),
        "{held}"
    );
    assert_eq!(json["policy_version"], 4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_decided_or_owns_the_agent_or_runs_the_server_ends_a_grant() {
    let it = Deciding::start("").await;
    let operator = it.it.create_token(r#"{"scope":"operator"}"#).await;
    let agent = it.it.create_token(&json!({"scope": "agent", "agent_id": OWNED}).to_string()).await;
    let auditor = it.it.create_token(r#"{"scope":"auditor"}"#).await;
    let mut wanted = terms();
    wanted["agent_id"] = json!(OWNED);
    for (who, status) in [
        (&it.ann, 200),
        (&it.kim, 200),
        (&it.bob, 200),
        (&operator, 200),
        (&it.it.admin, 200),
        (&agent, 409),
        (&it.it.agent, 404),
        (&auditor, 403),
    ] {
        let id = ask(&it, &operator, &wanted).await.json()["id"].as_str().unwrap().to_owned();
        let view = it.approval(&id).await;
        assert!(
            view["context"]["asked_by"].as_str().is_some_and(|it| it.starts_with("tok_")),
            "{view}"
        );
        if view["status"] == "pending" {
            let own = it.decide(&id, &it.kim, "approve").await;
            assert_eq!(own.status, 403, "nobody grants their own agent anything");
            it.approve(&id).await;
        }
        let reply = it.it.post(&format!("/v1/approvals/{id}/cancel"), who, "{}").await;
        assert_eq!(reply.status, status, "{reply:?}");
        let action = json!({
            "kind": "tool_call", "server": null, "tool": "deploy_service",
            "arguments": {"service": "s", "hosts": 1},
        });
        if status == 200 {
            let body = json!({"agent_id": OWNED, "action": action}).to_string();
            let json = it.it.post("/v1/actions/check", &agent, &body).await.json();
            assert_eq!(json["decision"], "require_approval", "{json}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_waits_for_people_is_released_by_a_grant_and_nobody_is_asked_any_more() {
    let it = Deciding::start("").await;
    let asked = json!({"service": "shop", "hosts": 1});
    let held = deploy(&it, &asked).await;
    let waiting = held["approval"]["id"].as_str().unwrap().to_owned();
    let mut named: Value = serde_json::from_str(&check(&asked)).unwrap();
    named["approval_id"] = json!(waiting);
    let named = named.to_string();
    let json = it.it.check(&named).await.json();
    assert_eq!(json["approval"]["id"], json!(waiting), "{json}");

    let id = granted(&it, &terms()).await;
    let first = it.check_under("k1", &named).await.json();
    assert_eq!((&first["decision"], &first["approval"]["id"]), (&json!("allow"), &json!(id)));
    assert_eq!(it.check_under("k1", &named).await.json(), first, "the answer was lost");
    assert_eq!(it.approval(&waiting).await["status"], "cancelled");
    let json = it.check_under("k2", &named).await.json();
    assert_eq!(json["rule_id"], "approval-cancelled", "the call has been made: {json}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_grant_is_asked_for_while_everything_is_halted() {
    let it = Deciding::start("").await;
    let reason = r#"{"reason":"smoke in rack 4"}"#;
    it.it.post("/v1/halt", &it.it.admin, reason).await;
    let (status, code, _, json) = ask(&it, &it.it.agent, &terms()).await.problem();
    assert_eq!((status, &*code), (409, "conflict"), "{json}");
    assert!(json["detail"].as_str().unwrap().contains("smoke in rack 4"), "{json}");
    assert_eq!(grants(&it, &it.ann, "").await, Vec::<Value>::new());
    it.it.post("/v1/resume", &it.it.admin, reason).await;
    assert_eq!(ask(&it, &it.it.agent, &terms()).await.status, 201);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_secret_in_the_reason_for_a_grant_is_redacted() {
    let it = Deciding::start("").await;
    let mut wanted = terms();
    wanted["reason"] = json!("log in with password=hunter2-hunter2");
    let view = ask(&it, &it.it.agent, &wanted).await.json();
    let reason = view["context"]["reason"].as_str().unwrap();
    assert!(reason.starts_with("log in with password=[redacted:"), "{reason}");
    assert!(!view.to_string().contains("hunter2"), "{view}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn grants_are_listed_with_what_is_left_of_them() {
    let it = Deciding::start("").await;
    let operator = it.it.create_token(r#"{"scope":"operator"}"#).await;
    it.ask().await;
    let mine = granted(&it, &terms()).await;
    deploy(&it, &json!({"service": "shop", "hosts": 1})).await;
    let mut other = terms();
    other["agent_id"] = json!(OWNED);
    let other = ask(&it, &operator, &other).await.json()["id"].clone();
    let list = grants(&it, &it.ann, "").await;
    let ids: Vec<_> = list.iter().map(|it| it["id"].clone()).collect();
    assert_eq!(ids, [other.clone(), json!(mine)]);
    let grant = &list[1]["grant"];
    assert_eq!((&grant["calls"], &grant["calls_left"]), (&json!(2), &json!(1)));
    assert_eq!((&grant["tool"], &grant["lasts"]), (&json!("deploy_service"), &json!("30m")));
    assert_eq!(grant["arguments"], terms()["arguments"]);
    assert_eq!(grants(&it, &operator, "?status=pending").await[0]["id"], other);
    let own = grants(&it, &it.it.agent, "").await;
    assert_eq!((own.len(), &own[0]["id"]), (1, &json!(mine)), "an agent sees its own");
    let reply = it.it.get(&format!("/v1/grants?agent={OWNED}"), &it.it.agent).await;
    assert_eq!(reply.status, 403, "{reply:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_grant_that_cannot_be_is_named() {
    let it = Deciding::start("").await;
    let with = |name: &str, value: Value| {
        let mut terms = terms();
        terms[name] = value;
        terms.to_string()
    };
    for (body, status, field) in [
        ("[]".to_owned(), 422, "body"),
        ("{".to_owned(), 400, ""),
        (with("tool", json!(null)), 422, "tool"),
        (with("tool", json!("")), 422, "tool"),
        (with("calls", json!(21)), 422, "calls"),
        (with("calls", json!(0)), 422, "calls"),
        (with("calls", json!("2")), 422, "calls"),
        (with("lasts", json!("61m")), 422, "lasts"),
        (with("lasts", json!(30)), 422, "lasts"),
        (with("arguments", json!([])), 422, "arguments"),
        (with("arguments", json!({"a": {"like": "x"}})), 422, "arguments.a"),
        (with("arguments", json!({"token": {"equals": "hunter2"}})), 422, "arguments.token"),
        (with("arguments", json!({"a": {"one_of": []}})), 422, "arguments"),
        (with("chain", json!("nobody")), 422, "chain"),
        (with("reason", json!("a\nb")), 422, "reason"),
        (with("session_id", json!("")), 422, "session_id"),
        (with("agent_id", json!("other")), 403, "agent_id"),
        (with("for", json!("ever")), 422, "for"),
    ] {
        let (got, _, got_field, json) =
            it.it.post("/v1/grants", &it.it.agent, &body).await.problem();
        assert_eq!((got, &*got_field), (status, field), "{body}: {json}");
    }
    for (token, body, status, field) in [
        (&it.ann, terms().to_string(), 403, "scope"),
        (&it.it.admin, terms().to_string(), 422, "agent_id"),
        (&it.it.admin, with("agent_id", json!("nobody")), 422, "agent_id"),
    ] {
        let (got, _, got_field, json) = it.it.post("/v1/grants", token, &body).await.problem();
        assert_eq!((got, &*got_field), (status, field), "{body}: {json}");
    }
    assert_eq!(grants(&it, &it.ann, "").await, Vec::<Value>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_grant_is_for_one_session_where_it_or_the_chain_says_so() {
    let it = Deciding::start("[chains.bound]\nbind = \"session\"\n").await;
    let mut one = terms();
    one["session_id"] = json!("s1");
    let every = granted(&it, &terms()).await;
    let bound = granted(&it, &one).await;
    let in_session = |session: Value, service: &str| {
        let mut body: Value =
            serde_json::from_str(&check(&json!({"service": service, "hosts": 1}))).unwrap();
        body["session_id"] = session;
        body.to_string()
    };
    it.activate(&asks("@chain(\"bound\")")).await;
    let json = it.it.check(&in_session(json!("s1"), "a")).await.json();
    assert_eq!(json["approval"]["id"], json!(bound), "{json}");
    let json = it.it.check(&in_session(json!("s2"), "a")).await.json();
    assert_eq!(json["decision"], "require_approval", "{json}");
    it.activate(&asks("")).await;
    let json = it.it.check(&in_session(json!("s3"), "a")).await.json();
    assert_eq!(json["approval"]["id"], json!(every), "{json}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn grants_survive_a_restart_with_what_is_left_of_them() {
    let it = Deciding::start("").await;
    let id = granted(&it, &terms()).await;
    let body = check(&json!({"service": "shop", "hosts": 1}));
    let first = it.check_under("k1", &body).await.json();
    let Deciding { it, ann, bob, kim, ann_id } = it;
    let (admin, agent) = (it.admin.clone(), it.agent.clone());
    let (_, home) = it.stop().await;
    let it = crate::running::Running::start_on(home, "", admin, agent).await;
    let it = Deciding { it, ann, bob, kim, ann_id };
    assert_eq!(it.check_under("k1", &body).await.json(), first);
    let json = it.check_under("k2", &body).await.json();
    assert_eq!((&json["approval"]["id"], &json["approval"]["calls_left"]), (&json!(id), &json!(0)));
}
