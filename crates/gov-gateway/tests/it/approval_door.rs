//! `/v1/approvals`: who sees what, who decides, and what is not accepted.

use serde_json::{Value, json};

use crate::{
    check_door::{ALLOWED, ASKED},
    deciders::{Deciding, OWNED},
    running::{AGENT, Running},
};

const NOBODY: &str = "/v1/approvals/apr_00000000000000000000000000000000";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_approver_is_shown_the_whole_action_and_what_happened() {
    let it = Deciding::start("").await;
    let command = format!("{ASKED} # {}", "x".repeat(500));
    let action = json!({"kind": "bash", "command": command, "cwd": "/home/me/p"});
    let body = json!({"agent_id": AGENT, "session_id": "s1", "team_id": "core", "action": action,
                      "context": {"ticket": "T-1", "api_key": "hunter22-and-more"}});
    let asked = it.it.check(&body.to_string()).await.json();
    let view = it.approval(asked["approval"]["id"].as_str().unwrap()).await;
    assert_eq!((&view["action"], &view["context"]["ticket"]), (&action, &json!("T-1")));
    assert!(!view.to_string().contains("hunter22"), "{view}");
    for (name, value) in [
        ("status", json!("pending")),
        ("agent_id", json!(AGENT)),
        ("session_id", json!("s1")),
        ("team_id", json!("core")),
        ("rule_id", asked["rule_id"].clone()),
        ("reason", asked["reason"].clone()),
        ("policy_version", json!(1)),
        ("rung", json!(0)),
        ("audience", json!("any approver")),
        ("expires_at", asked["approval"]["expires_at"].clone()),
        ("answer", json!(null)),
    ] {
        assert_eq!(view[name], value, "{name}: {view}");
    }
    assert_eq!(view["chain"]["rungs"], json!([{"audience": "any approver", "after": "0s"}]));
    let kinds: Vec<_> =
        view["history"].as_array().unwrap().iter().map(|it| it["kind"].clone()).collect();
    assert_eq!(kinds, ["approval.requested", "approval.routed"]);
    // The list says that there is more.
    let list = it.it.get("/v1/approvals", &it.ann).await.json();
    let summary = list["items"][0]["summary"].as_str().unwrap();
    assert!(summary.starts_with(ASKED) && summary.ends_with('…'), "{summary}");
    assert_eq!(list["items"][0].get("action"), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rung_that_needs_two_waits_for_the_second_and_shows_who_was_first() {
    let it = Deciding::start("[[chains.default.rungs]]\nquorum = 2\n").await;
    let id = it.ask().await;
    let json = it.decide(&id, &it.ann, "approve").await.json();
    assert_eq!((&json["status"], &json["answer"]), (&json!("pending"), &json!(null)), "{json}");
    let wanted = json!([{
        "person": it.ann_id, "seat": it.ann_id, "decision": "approve", "rung": 0,
        "at": json["votes"][0]["at"], "comment": null,
    }]);
    assert_eq!(json["votes"], wanted);
    let last = json["history"].as_array().unwrap().last().unwrap();
    assert_eq!(last["kind"], "approval.voted");
    assert_eq!(json["record"]["durability"], "durable");
    assert_eq!(it.it.check_command(ASKED).await.json()["decision"], "require_approval");
    assert_eq!(it.decide(&id, &it.bob, "approve").await.json()["status"], "approved");
    assert_eq!(it.it.check_command(ASKED).await.json()["decision"], "allow");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_list_is_filtered_and_paged_the_newest_first() {
    let it = Deciding::start("").await;
    let mut ids = Vec::new();
    for branch in ["a", "b", "c"] {
        let command = format!("{ASKED} {branch}");
        let json = it.it.check_command(&command).await.json();
        ids.push(json["approval"]["id"].as_str().unwrap().to_owned());
    }
    it.approve(&ids[1]).await;
    let list = async |query: &str| {
        let json = it.it.get(&format!("/v1/approvals{query}"), &it.ann).await.json();
        let items = json["items"].as_array().unwrap().clone();
        let found =
            items.iter().map(|it| it["id"].as_str().unwrap().to_owned()).collect::<Vec<_>>();
        (found, json["next"].as_str().map(str::to_owned))
    };
    let [a, b, c] = [ids[0].clone(), ids[1].clone(), ids[2].clone()];
    let all = vec![c.clone(), b.clone(), a.clone()];
    assert_eq!(list("").await, (all.clone(), None));
    assert_eq!(list("?limit=3").await, (all.clone(), None), "a full page is the last one");
    let (page, next) = list("?limit=2").await;
    assert_eq!(page, all[..2]);
    assert_eq!(list(&format!("?limit=2&cursor={}", next.unwrap())).await, (vec![a.clone()], None));
    assert_eq!(list("?status=pending").await.0, [c.clone(), a.clone()]);
    assert_eq!(list("?status=pending&status=approved").await.0, all);
    assert_eq!(list(&format!("?agent={AGENT}&status=approved")).await.0, [b]);
    assert_eq!(list("?agent=nobody").await.0, [""; 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_accepted_is_named_with_what_is() {
    let it = Deciding::start("").await;
    let id = it.ask().await;
    let one = format!("/v1/approvals/{id}");
    for (path, field, detail) in [
        ("/v1/approvals?limit=0", "limit", "a whole number from 1 to 200"),
        ("/v1/approvals?limit=201", "limit", "a whole number from 1 to 200"),
        ("/v1/approvals?limit=1&limit=2", "limit", "must come once"),
        ("/v1/approvals?status=open", "status", "must be one of `pending`, `parked`"),
        ("/v1/approvals?cursor=7", "cursor", "must be the `next` of the page before"),
        ("/v1/approvals?agent=", "agent", "must not be empty"),
        ("/v1/approvals?agnt=a", "agnt", "known are `status`, `agent`, `limit`, `cursor`"),
        ("/v1/approvals/apr_1", "id", "`apr_` and 32 lower-case hex digits"),
        (&format!("{one}?wait=61s"), "wait", "must be a span up to 1m, such as `30s`"),
        (&format!("{one}?wait=30"), "wait", "must be a span up to 1m"),
        (&format!("{one}?wait=1s&wait=1s"), "wait", "must come once"),
        (&format!("{one}?status=pending"), "status", "known are `wait`"),
    ] {
        let (status, code, got, json) = it.it.get(path, &it.ann).await.problem();
        assert_eq!((status, &*code, &*got), (422, "bad-field", field), "{path}: {json}");
        assert!(json["detail"].as_str().unwrap().contains(detail), "{path}: {json}");
    }
    let digest = it.approval(&id).await["digest"].as_str().unwrap().to_owned();
    let long = "x".repeat(4097);
    for (body, status, field, detail) in [
        ("{", 400, "", "EOF"),
        ("[]", 422, "body", "must be an object"),
        ("{}", 422, "decision", "missing field `decision`"),
        (r#"{"decision":"yes"}"#, 422, "decision", "must be `approve` or `reject`"),
        (r#"{"decision":7}"#, 422, "decision", "must be a text"),
        (r#"{"decision":"approve"}"#, 422, "digest", "missing field `digest`"),
        (r#"{"decision":"approve","digest":"7"}"#, 422, "digest", "64 lower-case hex digits"),
        (
            &json!({"decision": "approve", "digest": digest, "comment": long}).to_string(),
            422,
            "comment",
            "at most 4096 bytes",
        ),
        (
            &json!({"decision": "approve", "digest": digest, "comment": "\u{1b}[2J"}).to_string(),
            422,
            "comment",
            "must not contain a control character",
        ),
        (
            &json!({"decision": "approve", "digest": digest, "person": "Ann"}).to_string(),
            422,
            "person",
            "unknown field `person`",
        ),
    ] {
        let reply = it.it.post(&format!("{one}/decision"), &it.ann, body).await;
        let (got, _, got_field, json) = reply.problem();
        assert_eq!((got, &*got_field), (status, field), "{body}: {json}");
        assert!(json["detail"].as_str().unwrap().contains(detail), "{body}: {json}");
    }
    assert_eq!(it.approval(&id).await["status"], "pending");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_an_approver_decides_and_never_an_agent() {
    let it = Deciding::start("").await;
    let id = it.ask().await;
    let mut others = vec![it.it.agent.clone(), it.it.admin.clone()];
    for scope in ["operator", "auditor"] {
        others.push(it.it.create_token(&json!({ "scope": scope }).to_string()).await);
    }
    for token in &others {
        let (status, code, field, json) = it.decide(&id, token, "approve").await.problem();
        assert_eq!((status, &*code, &*field), (403, "forbidden", "scope"), "{json}");
    }
    assert_eq!(it.approval(&id).await["status"], "pending");
    let (status, ..) = it.it.post(&format!("{NOBODY}/decision"), "", "").await.problem();
    assert_eq!(status, 401);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_person_of_the_token_is_who_decided() {
    let it = Deciding::start("").await;
    let id = it.ask().await;
    let digest = it.approval(&id).await["digest"].clone();
    let body = json!({"decision": "reject", "digest": digest, "comment": "not on a Friday"});
    let path = format!("/v1/approvals/{id}/decision");
    let json = it.it.post(&path, &it.ann, &body.to_string()).await.json();
    assert_eq!((&json["status"], &json["expires_at"]), (&json!("rejected"), &json!(null)));
    let answer = &json["answer"];
    assert_eq!(answer["actor"], it.ann_id.to_string());
    assert_eq!(answer["comment"], "not on a Friday");
    assert_eq!(json["record"]["durability"], "durable");
    // Too late.
    let (status, code, field, json) = it.decide(&id, &it.bob, "approve").await.problem();
    assert_eq!((status, &*code, &*field), (409, "conflict", "status"));
    assert_eq!(json["received"], "rejected");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_decision_about_another_digest_does_not_count() {
    let it = Deciding::start("").await;
    let id = it.ask().await;
    let body = json!({"decision": "approve", "digest": "0".repeat(64)}).to_string();
    let path = format!("/v1/approvals/{id}/decision");
    let (status, code, field, json) = it.it.post(&path, &it.ann, &body).await.problem();
    assert_eq!((status, &*code, &*field), (409, "conflict", "digest"));
    let detail = json["detail"].as_str().unwrap();
    assert!(detail.contains("look at what is asked, and decide about that"), "{detail}");
    assert_eq!(it.approval(&id).await["status"], "pending");
    let (status, code, field, _) =
        it.it.post(&format!("{NOBODY}/decision"), &it.ann, &body).await.problem();
    assert_eq!((status, &*code, &*field), (404, "not-found", "id"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_not_asked_or_owns_the_agent_may_not_decide() {
    let it =
        Deciding::start("[chains.default]\n[[chains.default.rungs]]\nroles = [\"ops\"]\n").await;
    let id = it.ask().await;
    let (status, code, field, json) = it.decide(&id, &it.bob, "approve").await.problem();
    assert_eq!((status, &*code, &*field), (403, "forbidden", "person"));
    assert!(json["detail"].as_str().unwrap().contains("not among those who are asked: ops"));

    let token = it.it.create_token(&json!({"scope": "agent", "agent_id": OWNED}).to_string()).await;
    let action = json!({"kind": "bash", "command": ASKED, "cwd": "/home/me/p"});
    let body = json!({"agent_id": OWNED, "action": action}).to_string();
    let json = it.it.post("/v1/actions/check", &token, &body).await.json();
    let owned = json["approval"]["id"].as_str().unwrap();
    let (status, .., json) = it.decide(owned, &it.kim, "approve").await.problem();
    assert_eq!(status, 403);
    assert!(json["detail"].as_str().unwrap().contains("owns the agent that asks"), "{json}");
    it.approve(owned).await;
    // Kim may decide about everybody else's.
    assert_eq!(it.decide(&id, &it.kim, "approve").await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_sees_its_own_approvals_by_their_ids_and_no_others() {
    let it = Deciding::start("").await;
    let id = it.ask().await;
    let path = format!("/v1/approvals/{id}");
    assert_eq!(it.it.get(&path, &it.it.agent).await.json()["id"], *id);
    let other = it.it.create_token(r#"{"scope":"agent","agent_id":"other"}"#).await;
    let foreign = it.it.get(&path, &other).await.problem();
    let nobody = it.it.get(NOBODY, &other).await.problem();
    assert_eq!((foreign.0, &*foreign.1), (404, "not-found"));
    assert_eq!((nobody.0, &*nobody.1), (404, "not-found"), "the two look the same");
    assert_eq!(it.it.get("/v1/approvals", &it.it.agent).await.problem().0, 403);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_waits_is_answered_when_somebody_decides() {
    let it = Deciding::start("").await;
    let id = it.ask().await;
    let path = format!("/v1/approvals/{id}?wait=20s");
    let waiting = it.it.get(&path, &it.it.agent);
    let deciding = async {
        it.approve(&id).await;
    };
    let (reply, ()) = tokio::join!(waiting, deciding);
    let json = reply.json();
    assert_eq!((reply.status, &json["status"]), (200, &json!("approved")), "{json}");
    // Nobody answers: it is as it is at the end, well within the time limit of requests.
    let it = Deciding::start("server.request_timeout = \"2s\"\n").await;
    let id = it.ask().await;
    let reply = it.it.get(&format!("/v1/approvals/{id}?wait=30s"), &it.ann).await;
    assert_eq!((reply.status, &reply.json()["status"]), (200, &json!("pending")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_ends_keeps_nobody_waiting() {
    let it = Deciding::start("").await;
    let id = it.ask().await;
    let Deciding { it: running, ann, .. } = it;
    let (address, path) = (running.address, format!("GET /v1/approvals/{id}?wait=25s"));
    let headers = [format!("host: {address}"), format!("authorization: Bearer {ann}")];
    let waiting =
        tokio::spawn(async move { crate::http::send(address, &path, &headers, b"").await });
    // The request is in flight once the server has counted it in.
    let reply = running.get(&format!("/v1/approvals/{id}?wait=1s"), &ann).await;
    assert_eq!(reply.status, 200);
    running.stop().await;
    let reply = waiting.await.unwrap();
    assert_eq!((reply.status, &reply.json()["status"]), (200, &json!("pending")));
}

#[tokio::test]
async fn a_token_can_ask_whose_it_is() {
    let it = Deciding::start("").await;
    let json = it.it.get("/v1/whoami", &it.ann).await.json();
    assert_eq!((&json["scope"], &json["person"]["name"]), (&json!("approver"), &json!("Ann")));
    assert_eq!(json["person"]["roles"], json!(["ops"]));
    let json: Value = it.it.get("/v1/whoami", &it.it.agent).await.json();
    assert_eq!((&json["agent_id"], &json["person"]), (&json!(AGENT), &json!(null)));
    assert_eq!(it.it.get("/v1/whoami", "").await.status, 401);
}

#[tokio::test]
async fn what_the_policy_allows_asks_nobody() {
    let it = Running::start("").await;
    assert_eq!(it.check_command(ALLOWED).await.json().get("approval"), None);
    let list = it.get("/v1/approvals", &it.admin).await.json();
    assert_eq!(list, json!({"items": [], "next": null}));
}
