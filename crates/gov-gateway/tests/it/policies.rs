//! A policy of one's own: checked, activated, judged by, and rolled back.

use std::{fs, path::PathBuf};

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::{
    check_door::{ALLOWED, REFUSED},
    lifecycle::{agent_token, check},
    process::{Place, database},
    running::Running,
};

/// Refuses what `balanced` allows, and allows what it refuses.
const OWN: &str = r#"@id("all")
permit (principal, action, resource);

@id("no-cargo")
@reason("cargo is broken today")
forbid (principal, action == Action::"bash", resource)
when { context.argv0.contains("cargo") };
"#;

/// `context.typo` on line 3, from column 8, does not exist.
const BAD: &str = "@id(\"a\")\npermit (principal, action, resource)\nwhen { context.typo == 1 };\n";
const BAD_PLACE: &str = "line 3, column 8: ";

fn file(place: &Place, text: &str) -> String {
    path(place.write("own.cedar", text))
}

fn path(path: PathBuf) -> String {
    path.into_os_string().into_string().unwrap()
}

/// What the history says of policies: kind, version, and the payload.
fn history(place: &Place) -> Vec<(String, i64, Value)> {
    let db = database(&place.data_dir(), "gov.db");
    let rows = "select kind, policy_version, payload from gateway_history
                where kind like 'policy.%' order by history_id";
    let mut rows = db.prepare(rows).unwrap();
    rows.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get::<_, Vec<u8>>(2)?)))
        .unwrap()
        .map(|it| {
            let (kind, version, payload) = it.unwrap();
            (kind, version, serde_json::from_slice(&payload).unwrap())
        })
        .collect()
}

/// The entries of the signed log with a policy version: kind and version.
fn logged(place: &Place) -> Vec<(String, u64)> {
    let db = database(&place.data_dir(), "audit-log.db");
    let mut rows = db.prepare("select entry from audit_log_entry order by seq").unwrap();
    rows.query_map([], |row| row.get::<_, Vec<u8>>(0))
        .unwrap()
        .filter_map(|it| {
            let entry: Value = serde_json::from_slice(&it.unwrap()).unwrap();
            Some((entry["kind"].as_str()?.to_owned(), entry["policy_version"].as_u64()?))
        })
        .collect()
}

/// An admin's token, made on the files.
fn admin(place: &Place) -> String {
    let ran = place.run(&["tokens", "create", "--scope", "admin", "--json"]);
    let json: Value = serde_json::from_str(&ran.out).unwrap_or_else(|_| panic!("{ran:?}"));
    json["token"].as_str().unwrap().to_owned()
}

fn of(kind: &str, version: u64) -> (String, u64) {
    (kind.to_owned(), version)
}

fn sha256(text: &str) -> String {
    gov_core::hex::Hex(&gov_core::canonical::sha256(text.as_bytes())).to_string()
}

#[test]
fn check_says_what_a_text_holds_without_server_or_files() {
    let place = Place::new();
    let good = file(&place, OWN);
    let ran = place.run(&["policies", "check", &good]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let expected = "all       allow\nno-cargo  refuse\n2 rules; the policy can be activated\n";
    assert_eq!(ran.out, expected);
    let json: Value =
        serde_json::from_str(&place.run(&["policies", "check", &good, "--json"]).out).unwrap();
    let rules = json!([{"id": "all", "outcome": "allow"}, {"id": "no-cargo", "outcome": "refuse"}]);
    assert_eq!(json, json!({"valid": true, "rules": rules}));
    assert!(!place.data_dir().exists());
}

#[test]
fn check_says_what_is_wrong_with_a_text_where_and_what_to_do() {
    let place = Place::new();
    for (text, message) in [
        (BAD, BAD_PLACE),
        (BAD, "docs/formats/policy-context.md"),
        ("@id(\"a\")\npermit (principal, action", "line 2, column "),
        ("\n  permit (principal, action, resource);", "line 2, column 3: every policy needs"),
        ("", "the text holds no policy"),
        (&" ".repeat(256 * 1024 + 1), "at most 262144 bytes long; received 262145"),
    ] {
        let bad = file(&place, text);
        place.run(&["policies", "check", &bad]).failed(1, message);
    }
    let bad = file(&place, BAD);
    let ran = place.run(&["policies", "check", &bad, "--json"]);
    let json: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!((ran.code, &json["valid"]), (1, &json!(false)), "{ran:?}");
    assert_eq!((&json["line"], &json["column"]), (&json!(3), &json!(8)));
    place.run(&["policies", "check", "/nowhere.cedar"]).failed(2, "`/nowhere.cedar`");
    fs::write(&bad, b"\xff").unwrap();
    place.run(&["policies", "check", &bad]).failed(2, "cannot read the policy");
}

#[test]
fn an_own_policy_is_activated_on_the_files_and_the_next_server_judges_by_it() {
    let place = Place::new();
    let own = file(&place, OWN);
    place.run(&["policies", "activate", &own]).failed(2, "no data directory at");
    place.run(&["init"]);
    let ran = place.run(&["policies", "activate", &own]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.out.starts_with("version 2  own  active since "), "{ran:?}");
    assert!(ran.out.contains(&sha256(OWN)), "{ran:?}");
    let [_, (kind, 2, payload)] = &history(&place)[..] else { panic!("{:?}", history(&place)) };
    let expected = json!({"actor": "gov policies", "name": "own", "sha256": sha256(OWN)});
    assert_eq!((kind.as_str(), payload), ("policy.activated", &expected));

    let token = agent_token(&place);
    let it = place.serve(&[]);
    assert_eq!(it.lines[2], "policy: own, version 2");
    let json = check(&it, &token, ALLOWED);
    assert_eq!((&json["rule_id"], &json["policy_version"]), (&json!("no-cargo"), &json!(2)));
    place.run(&["policies", "activate", &own]).failed(3, "set GOV_URL and GOV_TOKEN");
    assert_eq!(it.end(Signal::TERM).0, Some(0));
    let expected = [of("policy.activated", 1), of("policy.activated", 2), of("action.refused", 2)];
    assert_eq!(logged(&place), expected);
}

#[test]
fn an_own_policy_is_activated_over_http_and_survives_a_kill_right_after_the_answer() {
    let place = Place::new();
    let token = agent_token(&place);
    let own = file(&place, OWN);
    let admin = admin(&place);
    let it = place.serve(&[]);
    let url = it.url();
    let server = [("GOV_URL", &*url), ("GOV_TOKEN", &*admin)];
    assert_eq!(check(&it, &token, ALLOWED)["decision"], "allow");
    let ran = place.run_with(&server, &["policies", "activate", &own, "--json"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let json: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!((&json["version"], &json["sha256"]), (&json!(2), &json!(sha256(OWN))));
    assert_eq!(it.end(Signal::KILL).0, None);

    let it = place.serve(&[]);
    assert_eq!(it.lines[2], "policy: own, version 2");
    let json = check(&it, &token, ALLOWED);
    assert_eq!((&json["rule_id"], &json["policy_version"]), (&json!("no-cargo"), &json!(2)));
    assert_eq!(it.end(Signal::TERM).0, Some(0));
    let activated = logged(&place).into_iter().filter(|it| *it == of("policy.activated", 2));
    assert_eq!(activated.count(), 1);
}

#[test]
fn a_bad_text_changes_nothing_at_either_door() {
    let place = Place::new();
    let bad = file(&place, BAD);
    let activate = ["policies", "activate", &bad];
    place.run(&["init"]);
    place.run(&activate).failed(1, BAD_PLACE);
    let admin = admin(&place);
    let it = place.serve(&[]);
    let url = it.url();
    place.run_with(&[("GOV_URL", &url), ("GOV_TOKEN", &admin)], &activate).failed(1, BAD_PLACE);
    assert_eq!(it.end(Signal::TERM).0, Some(0));
    assert_eq!(history(&place).len(), 1);
    assert_eq!(place.serve(&[]).lines[2], "policy: balanced, version 1");
}

#[test]
fn the_active_text_is_shown_as_a_policy_again_and_every_version_is_listed() {
    let place = Place::new();
    let own = file(&place, OWN);
    place.run(&["init"]);
    place.run(&["policies", "activate", &own]);
    let shown = place.run(&["policies", "show"]).out;
    let (comment, text) = shown.split_once('\n').unwrap();
    assert!(comment.starts_with("// version 2  own  active since "), "{comment}");
    assert_eq!(text, OWN);
    let admin = admin(&place);
    let it = place.serve(&[]);
    let url = it.url();
    for server in [&[][..], &[("GOV_URL", &*url), ("GOV_TOKEN", &*admin)]] {
        assert_eq!(place.run_with(server, &["policies", "show"]).out, shown);
        let ran = place.run_with(server, &["policies", "show", "--json"]);
        let json: Value = serde_json::from_str(&ran.out).unwrap();
        assert_eq!((&json["text"], &json["version"]), (&json!(OWN), &json!(2)));
        let list = place.run_with(server, &["policies", "list"]).out;
        let lines: Vec<_> = list.lines().collect();
        assert!(lines[0].starts_with("version 2  own  active since "), "{list}");
        assert!(lines[1].starts_with("version 1  balanced  was active from "), "{list}");
    }
}

#[test]
fn a_rollback_is_a_new_version_with_the_text_before() {
    let place = Place::new();
    let own = file(&place, OWN);
    place.run(&["init"]);
    place.run(&["policies", "rollback"]).failed(2, "no earlier policy");
    place.run(&["policies", "activate", &own]);
    let ran = place.run(&["policies", "rollback"]);
    assert!(ran.out.starts_with("version 3  balanced  active since "), "{ran:?}");
    let (token, admin) = (agent_token(&place), admin(&place));
    let it = place.serve(&[]);
    assert_eq!(check(&it, &token, ALLOWED)["policy_version"], 3);
    assert_eq!(check(&it, &token, ALLOWED)["decision"], "allow");
    let url = it.url();
    let server = [("GOV_URL", &*url), ("GOV_TOKEN", &*admin)];
    let ran = place.run_with(&server, &["policies", "rollback"]);
    assert!(ran.out.starts_with("version 4  own  "), "{ran:?}");
    assert_eq!(check(&it, &token, ALLOWED)["rule_id"], "no-cargo");
    assert_eq!(it.end(Signal::TERM).0, Some(0));
    let rolled: Vec<_> =
        logged(&place).into_iter().filter(|it| it.0 == "policy.rolled_back").collect();
    assert_eq!(rolled, [of("policy.rolled_back", 3), of("policy.rolled_back", 4)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_next_check_is_answered_by_the_new_policy_under_its_version() {
    let it = Running::start("").await;
    assert_eq!(it.check_command(REFUSED).await.json()["policy_version"], 1);
    let body = json!({"text": OWN}).to_string();
    for version in 2..5 {
        let reply = it.post("/v1/policies", &it.admin, &body).await;
        assert_eq!((reply.status, &reply.json()["version"]), (201, &json!(version)));
        let json = it.check_command(ALLOWED).await.json();
        assert_eq!(
            (&json["rule_id"], &json["policy_version"]),
            (&json!("no-cargo"), &json!(version))
        );
        assert_eq!(json["reason"], "cargo is broken today");
    }
    assert_eq!(it.check_command(REFUSED).await.json()["decision"], "allow");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_text_that_cannot_be_a_policy_is_refused_by_its_field_and_place() {
    let it = Running::start("").await;
    let long = json!({"text": " ".repeat(256 * 1024 + 1)}).to_string();
    let (open, close) = ("(".repeat(60_000), ")".repeat(60_000));
    let nested =
        format!("@id(\"a\") permit (principal, action, resource) when {{ {open}true{close} }};");
    let deep = json!({"text": nested}).to_string();
    let huge = json!({"text": " ".repeat(1024 * 1024)}).to_string();
    for (body, status, field, detail) in [
        (&*json!({"text": BAD}).to_string(), 422, "text", BAD_PLACE),
        (r#"{"text":""}"#, 422, "text", "the text holds no policy"),
        (&long, 422, "text", "at most 262144 bytes long; received 262145"),
        (&deep, 422, "text", "line 1, column 69: brackets must be nested at most 16 deep"),
        (&huge, 413, "body", "1 MiB"),
        (r#"{"text":7}"#, 422, "text", "must be a text"),
        ("{}", 422, "text", "missing field"),
        ("[]", 422, "body", "must be an object"),
        (r#"{"text":"","version":7}"#, 422, "version", "unknown field"),
    ] {
        let (got, _, got_field, json) = it.post("/v1/policies", &it.admin, body).await.problem();
        assert_eq!((got, &*got_field), (status, field), "{json}");
        assert!(json["detail"].as_str().unwrap().contains(detail), "{json}");
    }
    let (status, code, ..) = it.post("/v1/policies/rollback", &it.admin, "").await.problem();
    assert_eq!((status, &*code), (409, "conflict"));
    let json = it.check_command(ALLOWED).await.json();
    assert_eq!((&json["decision"], &json["policy_version"]), (&json!("allow"), &json!(1)));
    assert_eq!(
        it.get("/v1/policies", &it.admin).await.json()["items"].as_array().unwrap().len(),
        1
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_deepest_text_that_is_let_in_ends_no_server() {
    let it = Running::start("").await;
    for condition in [
        format!("0{} == 248", "+1".repeat(248)),
        format!("true{}", "&&true".repeat(125)),
        format!("{}true{}", "(".repeat(15), ")".repeat(15)),
    ] {
        let rule =
            format!("@id(\"a\") permit (principal, action, resource) when {{ {condition} }};");
        let body = json!({"text": rule}).to_string();
        assert_eq!(it.post("/v1/policies", &it.admin, &body).await.status, 201);
        // Cedar bounds its evaluator by the stack that is left; beyond that it refuses.
        let json = it.check_command(ALLOWED).await.json();
        let judged = json["decision"] == "allow" || json["rule_id"] == "policy-error";
        assert!(judged, "{json}");
    }
}

#[tokio::test]
async fn only_an_admin_changes_the_policy_and_no_agent_reads_it() {
    let it = Running::start("").await;
    let operator = it.create_token(r#"{"scope":"operator"}"#).await;
    let body = json!({"text": OWN}).to_string();
    for reply in [
        it.post("/v1/policies", &it.agent, &body).await,
        it.post("/v1/policies", &operator, &body).await,
        it.post("/v1/policies/rollback", &operator, "").await,
        it.get("/v1/policies", &it.agent).await,
        it.get("/v1/policies/active", &it.agent).await,
    ] {
        let (status, code, field, _) = reply.problem();
        assert_eq!((status, &*code, &*field), (403, "forbidden", "scope"));
    }
    assert_eq!(it.get("/v1/policies/active", &operator).await.json()["version"], 1);
}
