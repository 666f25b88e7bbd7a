//! `/healthz`, `/readyz` and `/metrics`.

use std::collections::BTreeSet;

use gov_gateway::meters::{HELP, Kind, SHIPPING_HELP};

use crate::{
    check_door::{ALLOWED, REFUSED},
    http,
    running::Running,
};

#[tokio::test]
async fn who_is_alive_and_ready_says_so_without_a_token() {
    let it = Running::start("").await;
    let host = [format!("host: {}", it.address)];
    let alive = http::send(it.address, "GET /healthz", &host, b"").await;
    assert_eq!((alive.status, &*alive.body), (200, "ok\n"));
    let ready = http::send(it.address, "GET /readyz", &host, b"").await;
    assert_eq!(ready.status, 200);
    let json = ready.json();
    let names: Vec<_> =
        json["parts"].as_array().unwrap().iter().map(|it| it["name"].as_str().unwrap()).collect();
    assert_eq!(
        names,
        [
            "audit_queue",
            "audit_log",
            "outside_copy",
            "event_store",
            "events",
            "log_follower",
            "policy",
            "chains",
            "escalation",
            "notifications",
            "escalation-audit",
            "halt"
        ]
    );
    // The copy lies beside the log in this test, and says what to do about it.
    assert_eq!(json["status"], "degraded");
    let reason = json["parts"][2]["reason"].as_str().unwrap();
    assert!(reason.contains("`log.checkpoint_log`"), "{reason}");
}

#[tokio::test]
async fn a_server_with_a_sink_names_its_buffer_among_its_parts() {
    let it = Running::start("buffer.sink = \"json-lines\"").await;
    let host = [format!("host: {}", it.address)];
    let ready = http::send(it.address, "GET /readyz", &host, b"").await.json();
    let parts = ready["parts"].as_array().unwrap().iter();
    let names: Vec<_> = parts.map(|it| it["name"].as_str().unwrap()).collect();
    assert_eq!(names.iter().filter(|it| **it == "audit_buffer").count(), 1, "{names:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_metric_has_its_help_and_its_documented_name() {
    let it = Running::start("").await;
    it.check_command(ALLOWED).await;
    it.check_command(REFUSED).await;
    let reply = it.get("/metrics", &it.admin).await;
    assert_eq!(reply.status, 200);
    assert!(reply.head.contains("content-type: text/plain; version=0.0.4"), "{}", reply.head);
    let of = |word: &str| -> BTreeSet<_> {
        let lines = reply.body.lines().filter_map(|it| it.strip_prefix(word));
        lines.map(|it| it.split(' ').next().unwrap().to_owned()).collect()
    };
    let (help, types) = (of("# HELP "), of("# TYPE "));
    assert_eq!(help, types, "a name without help, or help without a name");
    let shipping = names(SHIPPING_HELP);
    // Of a server in the same process that has a sink.
    let types: BTreeSet<_> = types.difference(&shipping).cloned().collect();
    assert_eq!(types, names(HELP));
    assert!(reply.body.contains("gov_policy_decisions_total{decision=\"refuse\"} "));
    assert!(reply.body.contains("gov_http_requests_total{route=\"check\",status=\"2xx\"} "));
}

fn names(help: &[(&str, Kind, &str)]) -> BTreeSet<String> {
    help.iter().map(|(name, ..)| (*name).to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_metric_of_a_server_with_a_sink_has_its_help() {
    let it = Running::start("buffer.sink = \"json-lines\"").await;
    it.check_command(ALLOWED).await;
    let known = &names(HELP) | &names(SHIPPING_HELP);
    for _ in 0..2000 {
        let body = it.get("/metrics", &it.admin).await.body;
        let types: BTreeSet<_> = body
            .lines()
            .filter_map(|it| it.strip_prefix("# TYPE "))
            .map(|it| it.split(' ').next().unwrap().to_owned())
            .collect();
        assert!(types.is_subset(&known), "{:?}", types.difference(&known));
        if types == known {
            return;
        }
    }
    panic!("some are never exported");
}

#[tokio::test]
async fn metrics_need_a_token_of_who_watches_unless_they_are_public() {
    let it = Running::start("").await;
    let host = [format!("host: {}", it.address)];
    let (status, ..) = http::send(it.address, "GET /metrics", &host, b"").await.problem();
    assert_eq!(status, 401);
    assert_eq!(it.get("/metrics", &it.agent).await.problem().0, 403);
    for scope in ["operator", "auditor"] {
        let token = it.create_token(&format!(r#"{{"scope":"{scope}"}}"#)).await;
        assert_eq!(it.get("/metrics", &token).await.status, 200, "{scope}");
    }
    let it = Running::start("server.metrics_public = true").await;
    let host = [format!("host: {}", it.address)];
    assert_eq!(http::send(it.address, "GET /metrics", &host, b"").await.status, 200);
}
