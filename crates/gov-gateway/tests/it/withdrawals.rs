//! `POST /v1/approvals/{id}/cancel`: who withdraws what, and what is not accepted.

use serde_json::{Value, json};

use crate::{
    check_door::ASKED,
    deciders::{Deciding, OWNED},
    http::Reply,
};

const NOBODY: &str = "apr_00000000000000000000000000000000";

async fn cancel(it: &Deciding, id: &str, token: &str, body: &str) -> Reply {
    it.it.post(&format!("/v1/approvals/{id}/cancel"), token, body).await
}

/// The last change, as the approval's history tells it.
fn last(view: &Value) -> (Value, Value) {
    let row = view["history"].as_array().unwrap().last().unwrap();
    (row["kind"].clone(), row["actor"].clone())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_withdraws_what_it_waits_for_and_asks_anew() {
    let it = Deciding::start("").await;
    let id = it.ask().await;
    let reply = cancel(&it, &id, &it.it.agent, r#"{"reason":"found another way"}"#).await;
    let view = reply.json();
    assert_eq!((reply.status, &view["status"]), (200, &json!("cancelled")), "{view}");
    assert_eq!(view["record"]["durability"], "durable");
    assert_eq!(last(&view), (json!("approval.cancelled"), json!("coder")));
    assert_eq!(it.check_named(&id, ASKED).await["rule_id"], "approval-cancelled");
    assert_ne!(it.ask().await, id, "the same action is a new request");
    // What is withdrawn is over for everybody.
    let (status, code, field, json) = it.decide(&id, &it.ann, "approve").await.problem();
    assert_eq!((status, &*code, &*field), (409, "conflict", "status"), "{json}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_neither_withdraws_anothers_request_nor_an_answer_that_was_given() {
    let it = Deciding::start("").await;
    let id = it.ask().await;
    let other = it.it.create_token(r#"{"scope":"agent","agent_id":"other"}"#).await;
    let (foreign, code, _, json) = cancel(&it, &id, &other, "{}").await.problem();
    let (nobody, none, ..) = cancel(&it, NOBODY, &other, "{}").await.problem();
    assert_eq!((foreign, &*code), (404, "not-found"), "{json}");
    assert_eq!((nobody, &*none), (404, "not-found"), "the two look the same");
    it.approve(&id).await;
    let (status, _, field, json) = cancel(&it, &id, &it.it.agent, "{}").await.problem();
    assert_eq!((status, &*field), (409, "status"), "{json}");
    assert_eq!(json["received"], "approved");
    assert_eq!(it.approval(&id).await["status"], "approved");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_person_withdraws_only_what_they_may_decide_about() {
    let rungs = "[chains.default]\n[[chains.default.rungs]]\nroles = [\"ops\"]\n";
    let it = Deciding::start(rungs).await;
    let id = it.ask().await;
    let (status, code, field, json) = cancel(&it, &id, &it.bob, "{}").await.problem();
    assert_eq!((status, &*code, &*field), (403, "forbidden", "person"), "{json}");
    let token = it.it.create_token(&json!({"scope": "agent", "agent_id": OWNED}).to_string()).await;
    let action = json!({"kind": "bash", "command": ASKED, "cwd": "/home/me/p"});
    let body = json!({"agent_id": OWNED, "action": action}).to_string();
    let json = it.it.post("/v1/actions/check", &token, &body).await.json();
    let owned = json["approval"]["id"].as_str().unwrap();
    let (status, .., json) = cancel(&it, owned, &it.kim, "{}").await.problem();
    assert_eq!(status, 403, "{json}");
    let view = cancel(&it, &id, &it.ann, "").await.json();
    assert_eq!(last(&view), (json!("approval.cancelled"), json!(it.ann_id.to_string())));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_runs_the_server_takes_back_an_answer_that_was_not_used() {
    let it = Deciding::start("").await;
    let operator = it.it.create_token(r#"{"scope":"operator"}"#).await;
    let auditor = it.it.create_token(r#"{"scope":"auditor"}"#).await;
    for token in [&operator, &it.it.admin] {
        let id = it.ask().await;
        it.approve(&id).await;
        let (status, _, field, _) = cancel(&it, &id, &auditor, "{}").await.problem();
        assert_eq!((status, &*field), (403, "scope"));
        let view = cancel(&it, &id, token, "{}").await.json();
        assert_eq!(view["status"], "cancelled");
        assert!(last(&view).1.as_str().unwrap().starts_with("tok_"), "{view}");
        assert_eq!(it.check_named(&id, ASKED).await["decision"], "refuse");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_withdrawal_that_cannot_be_is_named() {
    let it = Deciding::start("").await;
    let id = it.ask().await;
    let long = json!({"reason": "x".repeat(513)}).to_string();
    for (id, body, status, field, detail) in [
        (NOBODY, "{}", 404, "id", "no approval"),
        ("apr_1", "{}", 422, "id", "`apr_` and 32 lower-case hex digits"),
        (&*id, "{", 400, "", "EOF"),
        (&*id, "[]", 422, "body", "must be an object"),
        (&*id, r#"{"reason":7}"#, 422, "reason", "must be a text"),
        (&*id, &long, 422, "reason", "1 to 512 bytes"),
        (&*id, r#"{"reason":"\u001b[2J"}"#, 422, "reason", "control character"),
        (&*id, r#"{"actor":"Ann"}"#, 422, "actor", "unknown field `actor`"),
    ] {
        let (got, _, got_field, json) = cancel(&it, id, &it.it.admin, body).await.problem();
        assert_eq!((got, &*got_field), (status, field), "{id} {body}: {json}");
        assert!(json["detail"].as_str().unwrap().contains(detail), "{body}: {json}");
    }
    assert_eq!(cancel(&it, &id, "", "{}").await.problem().0, 401);
    assert_eq!(it.approval(&id).await["status"], "pending");
    assert_eq!(cancel(&it, &id, &it.it.admin, "{}").await.status, 200);
    let (status, _, field, json) = cancel(&it, &id, &it.it.admin, "{}").await.problem();
    assert_eq!((status, &*field, &json["received"]), (409, "status", &json!("cancelled")));
}
