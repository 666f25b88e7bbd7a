//! `/v1/tokens`: who may make tokens, and what becomes of them.

use serde_json::json;

use crate::{check_door::ALLOWED, running::Running};

#[tokio::test]
async fn a_token_is_shown_once_and_then_listed_without_its_secret() {
    let it = Running::start("").await;
    let body = r#"{"scope":"agent","agent_id":"a","expires_in":"30d"}"#;
    let made = it.post("/v1/tokens", &it.admin, body).await.json();
    let secret = made["token"].as_str().unwrap();
    let list = it.get("/v1/tokens", &it.admin).await;
    assert_eq!(list.status, 200);
    assert!(!list.body.contains(secret) && !list.body.contains(&secret[37..]), "{}", list.body);
    let json = list.json();
    assert_eq!(json["next"], json!(null));
    let item = &json["items"][0];
    assert_eq!((&item["id"], &item["status"]), (&made["id"], &json!("active")));
    assert_eq!(item["agent_id"], "a");
    assert!(item["expires_at"].as_str().unwrap() > item["created_at"].as_str().unwrap());
}

#[tokio::test]
async fn a_revoked_token_is_refused_from_the_next_request_on() {
    let it = Running::start("").await;
    assert_eq!(it.check_command(ALLOWED).await.status, 200);
    let list = it.get("/v1/tokens", &it.admin).await.json();
    let id = list["items"][0]["id"].as_str().unwrap();
    let path = format!("/v1/tokens/{id}/revoke");
    let revoked = it.post(&path, &it.admin, "").await;
    assert_eq!((revoked.status, &revoked.json()["status"]), (200, &json!("revoked")));
    let (status, code, _, json) = it.check_command(ALLOWED).await.problem();
    assert_eq!((status, &*code), (401, "unauthenticated"));
    assert!(json["detail"].as_str().unwrap().starts_with("the token was revoked at"), "{json}");

    let (status, code, field, _) = it.post(&path, &it.admin, "").await.problem();
    assert_eq!((status, &*code, &*field), (409, "conflict", "id"), "twice");
    let other = "/v1/tokens/tok_00000000000000000000000000000000/revoke";
    let (status, code, ..) = it.post(other, &it.admin, "").await.problem();
    assert_eq!((status, &*code), (404, "not-found"));
    let (status, code, field, _) = it.post("/v1/tokens/x/revoke", &it.admin, "").await.problem();
    assert_eq!((status, &*code, &*field), (422, "bad-field", "id"));
}

#[tokio::test]
async fn only_an_admin_makes_lists_and_revokes_tokens() {
    let it = Running::start("").await;
    let operator = it.create_token(r#"{"scope":"operator"}"#).await;
    for token in [&it.agent, &operator] {
        for reply in [
            it.post("/v1/tokens", token, r#"{"scope":"admin"}"#).await,
            it.get("/v1/tokens", token).await,
            it.post("/v1/tokens/tok_0/revoke", token, "").await,
        ] {
            let (status, code, field, _) = reply.problem();
            assert_eq!((status, &*code, &*field), (403, "forbidden", "scope"));
        }
    }
}

#[tokio::test]
async fn a_token_that_cannot_be_made_is_refused_by_its_field() {
    let it = Running::start("").await;
    for (body, code, field) in [
        ("{", "bad-json", ""),
        ("[]", "bad-field", "body"),
        ("{}", "bad-field", "scope"),
        (r#"{"scope":"root"}"#, "bad-field", "scope"),
        (r#"{"scope":"approver"}"#, "bad-field", "person"),
        (r#"{"scope":"approver","person":"nobody"}"#, "bad-field", "person"),
        (r#"{"scope":"admin","person":"nobody"}"#, "bad-field", "person"),
        (r#"{"scope":"agent"}"#, "bad-field", "agent_id"),
        (r#"{"scope":"admin","agent_id":"a"}"#, "bad-field", "agent_id"),
        (r#"{"scope":"admin","expires_in":"soon"}"#, "bad-field", "expires_in"),
        (r#"{"scope":"admin","register":1}"#, "bad-field", "register"),
        (r#"{"scope":"admin","owner":"me"}"#, "bad-field", "owner"),
    ] {
        let (_, got_code, got_field, json) = it.post("/v1/tokens", &it.admin, body).await.problem();
        assert_eq!((&*got_code, &*got_field), (code, field), "{body}: {json}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_is_registered_with_its_token_where_nobody_registers_itself() {
    let it = Running::start("agents.auto_register = false").await;
    let json = it.check_command(ALLOWED).await.json();
    assert_eq!((&json["decision"], &json["rule_id"]), (&json!("refuse"), &json!("unknown-agent")));
    assert!(json["record"]["id"].is_string(), "{json}");
    it.create_token(r#"{"scope":"agent","agent_id":"coder","register":true}"#).await;
    assert_eq!(it.check_command(ALLOWED).await.json()["decision"], "allow");
}

#[tokio::test]
async fn an_expired_token_is_refused_and_says_since_when() {
    let it = Running::start("").await;
    let token = it.create_token(r#"{"scope":"operator","expires_in":"1ms"}"#).await;
    let reply = loop {
        let reply = it.get("/metrics", &token).await;
        if reply.status != 200 {
            break reply;
        }
    };
    let (status, code, _, json) = reply.problem();
    assert_eq!((status, &*code), (401, "unauthenticated"));
    assert!(json["detail"].as_str().unwrap().starts_with("the token expired at `"), "{json}");
}
