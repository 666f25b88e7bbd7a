//! Blocking answers are on record before they are given.

use std::time::Duration;

use gov_gateway::server::Ended;
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::{
    check_door::{ALLOWED, ASKED, REFUSED},
    running::{AGENT, Running},
};

/// The entries of a stopped server's log, with their stored payloads.
fn records(home: &tempfile::TempDir) -> Vec<(Value, String)> {
    let db = rusqlite::Connection::open(home.path().join("gov/audit-log.db")).unwrap();
    let mut rows = db
        .prepare(
            "select e.entry, p.payload from audit_log_entry e
             left join audit_log_payload p using (epoch, seq) order by e.seq",
        )
        .unwrap();
    rows.query_map([], |row| Ok((row.get::<_, Vec<u8>>(0)?, row.get::<_, Vec<u8>>(1)?)))
        .unwrap()
        .map(|row| {
            let (entry, payload) = row.unwrap();
            (serde_json::from_slice(&entry).unwrap(), String::from_utf8(payload).unwrap())
        })
        .collect()
}

/// The time limit of a request is 30 s here, and would answer `timeout`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_another_process_locks_the_log_a_refusal_is_503_soon_and_on_record_later() {
    let it = Running::start("").await;
    let log = rusqlite::Connection::open(it.home.path().join("gov/audit-log.db")).unwrap();
    log.execute_batch("begin immediate").unwrap();
    let (status, code, _, json) = it.check_command(REFUSED).await.problem();
    assert_eq!((status, &*code, &json["decision"]), (503, "not-recorded", &json!("refuse")));
    let detail = json["detail"].as_str().unwrap();
    assert!(detail.contains("the signed log cannot be written now"), "{detail}");
    assert!(detail.contains("locked"), "{detail}");
    assert_eq!(it.check_command(ALLOWED).await.json()["decision"], "allow");
    log.execute_batch("rollback").unwrap();
    drop(log);

    // The next one may come before the log has looked again.
    let mut replies = Vec::new();
    let looked_again = async {
        while replies.last() != Some(&200) {
            replies.push(it.check_command(REFUSED).await.status);
        }
    };
    timeout(Duration::from_mins(1), looked_again).await.expect("the log never looks again");
    let (ended, home) = it.stop().await;
    assert_eq!(ended, Ended::Clean);
    let refused = records(&home).into_iter().filter(|(it, _)| it["kind"] == "action.refused");
    assert_eq!(refused.count(), 1 + replies.len(), "each is on record, once");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refusal_is_answered_with_its_place_in_the_log() {
    let it = Running::start("").await;
    let reply = it.check_command(REFUSED).await;
    assert_eq!(reply.status, 200, "a refusal is an answer: {reply:?}");
    let json = reply.json();
    assert_eq!(json["decision"], "refuse");
    assert!(json["rule_id"].is_string() && json["reason"].is_string(), "{json}");
    assert_eq!(json["record"]["durability"], "durable");
    let index = json["record"]["index"].as_u64().unwrap();
    let id = json["record"]["id"].as_str().unwrap().to_owned();

    let (_, home) = it.stop().await;
    let (entry, _) = &records(&home)[usize::try_from(index).unwrap()];
    assert_eq!(entry["id"], id);
    assert_eq!((&entry["kind"], &entry["decision"]), (&json!("action.refused"), &json!("refuse")));
    assert_eq!((&entry["agent"], &entry["action_kind"]), (&json!(AGENT), &json!("bash")));
    assert_eq!((&entry["rule_id"], &entry["reason"]), (&json["rule_id"], &json["reason"]));
    assert_eq!(entry["policy_version"], 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_spooled_refusal_says_so_and_reaches_the_log_by_the_end() {
    let it = Running::start("durability.refuse = \"spooled\"").await;
    let mut ids = Vec::new();
    for _ in 0..20 {
        let record = it.check_command(REFUSED).await.json()["record"].clone();
        assert_eq!((&record["durability"], record.get("index")), (&json!("spooled"), None));
        ids.push(record["id"].as_str().unwrap().to_owned());
    }
    let (_, home) = it.stop().await;
    let kept: Vec<_> = records(&home)
        .into_iter()
        .filter(|(entry, _)| entry["kind"] == "action.refused")
        .map(|(entry, _)| entry["id"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(kept, ids, "each once, in order");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_needs_a_human_is_in_the_log_as_a_request_before_it_is_answered() {
    let it = Running::start("").await;
    let json = it.check_command(ASKED).await.json();
    assert_eq!(json["decision"], "require_approval", "{json}");
    assert_eq!(json["approval"]["status"], "pending");
    assert_eq!(json["record"]["durability"], "durable");
    // Answered from the log, not from a promise: nothing was flushed in between.
    let records = records(&it.home);
    let asked: Vec<_> =
        records.iter().filter(|(it, _)| it["kind"] == "approval.requested").collect();
    assert_eq!(asked.len(), 1, "{records:?}");
    let (entry, payload) = asked[0];
    assert_eq!((&entry["decision"], &entry["agent"]), (&json!("require_approval"), &json!(AGENT)));
    assert_eq!((&entry["id"], &entry["rule_id"]), (&json["record"]["id"], &json["rule_id"]));
    assert!(payload.contains(json["approval"]["id"].as_str().unwrap()), "{payload}");
    it.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn secrets_in_an_action_are_redacted_before_anything_is_stored() {
    let it = Running::start("durability.refuse = \"spooled\"").await;
    let command = format!("{REFUSED} --token hunter22-and-more");
    let body = json!({
        "agent_id": AGENT, "team_id": "core",
        "action": {"kind": "bash", "command": command},
        "context": {"api_key": "hunter22-and-more"},
    });
    assert_eq!(it.check(&body.to_string()).await.json()["decision"], "refuse");
    let (_, home) = it.stop().await;
    let records = records(&home);
    let (entry, payload) = records.iter().find(|(it, _)| it["kind"] == "action.refused").unwrap();
    assert!(
        payload.contains("[redacted:") && payload.contains("\"team_id\":\"core\""),
        "{payload}"
    );
    assert!(!payload.contains("hunter22") && !entry.to_string().contains("hunter22"));
    for file in std::fs::read_dir(home.path().join("gov")).unwrap() {
        let path = file.unwrap().path();
        if path.is_file() {
            let bytes = std::fs::read(&path).unwrap();
            let found = bytes.windows(8).any(|it| it == b"hunter22");
            assert!(!found, "{}", path.display());
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_change_of_who_may_ask_reaches_the_log_in_order() {
    let it = Running::start("").await;
    it.check_command(ALLOWED).await;
    let list = it.get("/v1/tokens", &it.admin).await.json();
    let id = list["items"][0]["id"].as_str().unwrap().to_owned();
    let path = format!("/v1/tokens/{id}/revoke");
    assert_eq!(it.post(&path, &it.admin, "").await.status, 200);
    let (_, home) = it.stop().await;
    let wanted = [
        "policy.activated",
        "admin.token_created",
        "admin.token_created",
        "agent.registered",
        "admin.token_revoked",
    ];
    let kinds: Vec<_> =
        records(&home).iter().map(|(it, _)| it["kind"].as_str().unwrap().to_owned()).collect();
    assert_eq!(kinds, wanted);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_path_that_is_not_utf8_is_judged_and_kept_as_bytes() {
    let it = Running::start("").await;
    // `/etc/` and a byte that is no text.
    let action = json!({"kind": "filesystem_write", "path_b64": "L2V0Yy//"});
    let body = json!({"agent_id": AGENT, "action": action});
    let json = it.check(&body.to_string()).await.json();
    assert_eq!(json["decision"], "refuse", "{json}");
    let (_, home) = it.stop().await;
    let records = records(&home);
    let (_, payload) = records.iter().find(|(it, _)| it["kind"] == "action.refused").unwrap();
    assert!(payload.contains("\"path_b64\":\"L2V0Yy//\""), "{payload}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_argument_that_would_become_an_entity_is_refused_and_its_details_stay_erasable() {
    let it = Running::start("").await;
    let entity = json!({"type": "Gov::Agent", "id": "root"});
    let action =
        json!({"kind": "tool_call", "tool": "read", "arguments": {"who": {"__entity": entity}}});
    let body = json!({"agent_id": AGENT, "action": action});
    let json = it.check(&body.to_string()).await.json();
    assert_eq!(
        (&json["decision"], &json["rule_id"]),
        (&json!("refuse"), &json!("unparsable-action"))
    );
    assert!(json["reason"].as_str().unwrap().contains("__entity"), "{json}");
    let (_, home) = it.stop().await;
    let records = records(&home);
    let (entry, payload) = records.iter().find(|(it, _)| it["kind"] == "action.refused").unwrap();
    assert_eq!(entry["reason"], "the action cannot be judged");
    assert!(payload.contains("__entity"), "{payload}");
}
