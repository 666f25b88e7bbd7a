//! `POST /v1/actions/check`: what is answered, and what is not accepted.

use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::{
    http,
    running::{AGENT, Running},
};

/// Commands that the starter policy `balanced` allows, refuses, and asks a human about.
pub(crate) const ALLOWED: &str = "cargo test";
pub(crate) const WARNED: &str = "curl https://unlisted.example/data.json";
pub(crate) const REFUSED: &str = "rm -rf /etc";
pub(crate) const ASKED: &str = "git push --force origin main";

#[tokio::test]
async fn an_allowed_action_is_answered_without_a_record() {
    let it = Running::start("").await;
    let reply = it.check_command(ALLOWED).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    let json = reply.json();
    assert_eq!((&json["decision"], &json["policy_version"]), (&json!("allow"), &json!(1)));
    assert_eq!(json.get("record"), None);
}

#[tokio::test]
async fn every_answer_carries_the_security_headers() {
    let it = Running::start("").await;
    for reply in [it.check_command(ALLOWED).await, it.get("/nowhere", "").await] {
        for header in [
            "cache-control: no-store",
            "x-content-type-options: nosniff",
            "content-security-policy: default-src 'none'; frame-ancestors 'none'",
            "referrer-policy: no-referrer",
        ] {
            assert!(reply.head.contains(header), "{header}: {reply:?}");
        }
    }
}

#[tokio::test]
async fn a_body_that_cannot_be_judged_is_refused_by_its_field() {
    let it = Running::start("").await;
    let action = r#"{"kind":"bash","command":"ls"}"#;
    for (body, status, code, field, detail) in [
        ("", 400, "bad-json", "", "EOF"),
        ("{\"agent_id\":", 400, "bad-json", "agent_id", "EOF"),
        ("\u{1}", 400, "bad-json", "", "expected value"),
        (r#"{"agent_id":"a","agent_id":"b"}"#, 400, "bad-json", "agent_id", "duplicate key"),
        (
            r#"{"action":{"kind":"tool_call","tool":"t","arguments":{"n":9007199254740992}}}"#,
            400,
            "bad-json",
            "action.arguments.n",
            "number must lie within",
        ),
        (r#"{"context":{"n":1e999}}"#, 400, "bad-json", "context.n", "number out of range"),
        ("[]", 422, "bad-field", "body", "must be an object"),
        ("{}", 422, "bad-field", "agent_id", "missing field `agent_id`"),
        (r#"{"agent_id":7}"#, 422, "bad-field", "agent_id", "`agent_id` must be a text"),
        (r#"{"agent_id":""}"#, 422, "bad-field", "agent_id", "`agent_id` must not be empty"),
        (
            r#"{"agent_id":"a\u0007"}"#,
            422,
            "bad-field",
            "agent_id",
            "must not contain a control character; received U+0007 at byte 1",
        ),
        (r#"{"agent_id":"coder"}"#, 422, "bad-field", "action", "missing field `action`"),
        (r#"{"agent_id":"coder","action":[]}"#, 422, "bad-field", "action", "an object"),
        (r#"{"agent_id":"coder","action":{"kind":"fly"}}"#, 422, "bad-field", "action", "`fly`"),
        (
            r#"{"agent_id":"coder","action":{"kind":"bash"}}"#,
            422,
            "bad-field",
            "action.command",
            "missing field `command`",
        ),
        (
            r#"{"agent_id":"coder","action":{"kind":"bash","command":"ls","sudo":true}}"#,
            422,
            "bad-field",
            "action.sudo",
            "unknown field `sudo`",
        ),
        (
            r#"{"agent_id":"coder","action":{"kind":"filesystem_write","path_b64":"L3RtcA=="}}"#,
            422,
            "bad-field",
            "action",
            "send it as `path`",
        ),
        (
            &format!(r#"{{"agent_id":"coder","action":{action},"context":"x"}}"#),
            422,
            "bad-field",
            "context",
            "`context` must be an object",
        ),
        (
            &format!(r#"{{"agent_id":"coder","action":{action},"sesion_id":"x"}}"#),
            422,
            "bad-field",
            "sesion_id",
            "did you mean `session_id`?",
        ),
        (
            &format!(r#"{{"agent_id":"coder","action":{action},"approval_id":"apr_1"}}"#),
            422,
            "bad-field",
            "approval_id",
            "`apr_` and 32 lower-case hex digits",
        ),
        (
            &format!(r#"{{"agent_id":"coder","action":{action},"approval_id":7}}"#),
            422,
            "bad-field",
            "approval_id",
            "must be the id of an approval",
        ),
    ] {
        let reply = it.check(body).await;
        let (got_status, got_code, got_field, json) = reply.problem();
        assert_eq!((got_status, &*got_code, &*got_field), (status, code, field), "{body}: {json}");
        assert!(json["detail"].as_str().unwrap().contains(detail), "{body}: {json}");
    }
}

#[tokio::test]
async fn limits_are_named_with_what_was_received() {
    let it = Running::start("").await;
    let long = "n".repeat(257);
    let nested = format!("{}1{}", "[".repeat(65), "]".repeat(65));
    for (body, limit, received) in [
        (format!(r#"{{"agent_id":"{long}"}}"#), 256, Some("n".repeat(64) + "…")),
        (format!(r#"{{"context":{nested}}}"#), 64, None),
        (r#"{"n":9007199254740993}"#.to_owned(), 9_007_199_254_740_991_u64, None),
    ] {
        let (.., json) = it.check(&body).await.problem();
        assert_eq!(json["limit"], limit, "{json}");
        assert_eq!(json["received"].as_str().map(str::to_owned), received, "{json}");
    }
}

#[tokio::test]
async fn a_body_beyond_the_limit_is_refused_whether_it_is_announced_or_not() {
    let it = Running::start("").await;
    let body = vec![b' '; 1024 * 1024 + 1];
    let auth = [format!("host: {}", it.address), format!("authorization: Bearer {}", it.agent)];
    let announced = [&auth[..], &[format!("content-length: {}", body.len())]].concat();
    let start = "POST /v1/actions/check";
    let (status, code, field, json) =
        http::send(it.address, start, &announced, &body).await.problem();
    assert_eq!((status, &*code, &*field), (413, "too-large", "body"));
    assert_eq!((&json["limit"], &json["received"]), (&json!(1_048_576), &json!("1048577 bytes")));

    let chunked = [&auth[..], &["transfer-encoding: chunked".to_owned()]].concat();
    let mut chunks = format!("{:x}\r\n", body.len()).into_bytes();
    chunks.extend_from_slice(&body);
    chunks.extend_from_slice(b"\r\n0\r\n\r\n");
    let (status, code, ..) = http::send(it.address, start, &chunked, &chunks).await.problem();
    assert_eq!((status, &*code), (413, "too-large"));

    // At the limit it is judged.
    let action = json!({"kind": "bash", "command": "ls"});
    let mut body = json!({"agent_id": AGENT, "action": action}).to_string();
    body.push_str(&" ".repeat(1024 * 1024 - body.len()));
    assert_eq!(it.check(&body).await.status, 200);
}

#[tokio::test]
async fn only_the_tokens_own_agent_may_ask() {
    let it = Running::start("").await;
    let body = r#"{"agent_id":"other","action":{"kind":"bash","command":"ls"}}"#;
    let (status, code, field, json) = it.check(body).await.problem();
    assert_eq!((status, &*code, &*field), (403, "forbidden", "agent_id"));
    assert_eq!(json["received"], "other");
}

#[tokio::test]
async fn a_token_of_another_scope_may_not_ask() {
    let it = Running::start("").await;
    let body = r#"{"agent_id":"coder","action":{"kind":"bash","command":"ls"}}"#;
    let (status, code, field, json) = it.post("/v1/actions/check", &it.admin, body).await.problem();
    assert_eq!((status, &*code, &*field), (403, "forbidden", "scope"));
    assert_eq!(json["detail"], "this needs a token with scope `agent`");
    assert_eq!(json["received"], "admin");
}

#[tokio::test]
async fn without_a_valid_token_nobody_is_answered() {
    let it = Running::start("").await;
    let host = format!("host: {}", it.address);
    for (header, detail) in [
        (None, "send a token as `Authorization: Bearer gov_…`"),
        (Some("authorization: Basic Zm9v".to_owned()), "send a token as"),
        (Some("authorization: Bearer gov_nonsense".to_owned()), "the token is not valid"),
        (Some(format!("authorization: Bearer {}x", it.agent)), "the token is not valid"),
    ] {
        let headers: Vec<_> = [Some(host.clone()), header].into_iter().flatten().collect();
        let reply = http::send(it.address, "POST /v1/actions/check", &headers, b"").await;
        assert!(reply.head.contains("www-authenticate: bearer"), "{reply:?}");
        let (status, code, field, json) = reply.problem();
        assert_eq!((status, &*code, &*field), (401, "unauthenticated", "Authorization"));
        assert!(json["detail"].as_str().unwrap().contains(detail), "{json}");
    }
}

#[tokio::test]
async fn a_foreign_host_or_origin_is_turned_away_at_every_door() {
    let it = Running::start("server.allowed_hosts = [\"gov.example\"]").await;
    let own = format!("host: {}", it.address);
    let from = |origin: &str| vec![own.clone(), format!("origin: {origin}")];
    for path in ["POST /v1/actions/check", "GET /v1/tokens", "GET /healthz", "GET /metrics"] {
        for (headers, field) in [
            (vec!["host: evil.example".to_owned()], "Host"),
            (vec![], "Host"),
            (from("https://evil.example"), "Origin"),
            (from("null"), "Origin"),
        ] {
            let (status, code, got, _) =
                http::send(it.address, path, &headers, b"").await.problem();
            assert_eq!((status, &*code, &*got), (403, "forbidden", field), "{path} {headers:?}");
        }
    }
    for headers in
        [vec!["host: GOV.example:80".to_owned()], from(&format!("http://{}", it.address))]
    {
        assert_eq!(http::send(it.address, "GET /healthz", &headers, b"").await.status, 200);
    }
}

#[tokio::test]
async fn an_unknown_route_or_method_is_a_problem_too() {
    let it = Running::start("").await;
    let (status, code, ..) = it.get("/v1/nothing", &it.agent).await.problem();
    assert_eq!((status, &*code), (404, "not-found"));
    let reply = it.get("/v1/actions/check", &it.agent).await;
    assert!(reply.head.contains("allow: post"), "{reply:?}");
    let (status, code, ..) = reply.problem();
    assert_eq!((status, &*code), (405, "method-not-allowed"));
}

#[tokio::test]
async fn a_head_that_is_too_large_or_never_ends_is_cut_off() {
    let it = Running::start("server.header_timeout = \"100ms\"").await;
    let large = format!("x-padding: {}", "x".repeat(64 * 1024));
    let host = format!("host: {}", it.address);
    let reply = http::send(it.address, "GET /healthz", &[host, large], b"").await;
    assert_eq!(reply.status, 431, "{reply:?}");

    let mut stream = tokio::net::TcpStream::connect(it.address).await.unwrap();
    stream.write_all(b"GET /healthz HTTP/1.1\r\n").await.unwrap();
    let mut answer = Vec::new();
    // The server ends it: we never do.
    stream.read_to_end(&mut answer).await.unwrap();
}
