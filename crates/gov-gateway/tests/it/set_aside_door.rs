//! `/v1/approvals/set-aside` and `gov approvals discard`: what nobody can read, and the way out.

use std::process::Command;

use gov_core::ApprovalId;
use serde_json::{Value, json};

use crate::{check_door::ASKED, deciders::Deciding, process::Ran};

const NOBODY: &str = "/v1/approvals/apr_00000000000000000000000000000000/discard";

/// An approval that other hands have made unreadable, and that its timer has found.
async fn broken() -> (Deciding, ApprovalId) {
    broken_by("chain = '{}'").await
}

/// As [`broken`], by this.
async fn broken_by(damage: &str) -> (Deciding, ApprovalId) {
    let it = Deciding::start("").await;
    let id: ApprovalId = it.ask().await.parse().unwrap();
    let db = rusqlite::Connection::open(it.it.home.path().join("gov/gov.db")).unwrap();
    db.busy_timeout(std::time::Duration::from_secs(10)).unwrap();
    for sql in [
        &format!("update escalation_approval set {damage} where approval_id = ?1"),
        "update escalation_timer set unreadable = 'invalid `chain`' where approval_id = ?1",
    ] {
        assert_eq!(db.execute(sql, [id.as_uuid().as_bytes()]).unwrap(), 1);
    }
    (it, id)
}

async fn listed(it: &Deciding) -> Value {
    let reply = it.it.get("/v1/approvals/set-aside", &it.it.admin).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    reply.json()["items"].clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_admin_closes_what_cannot_be_read_and_its_action_is_asked_for_again() {
    let (it, id) = broken().await;
    // Nobody can answer it, and nobody can ask again.
    assert_eq!(it.it.check_command(ASKED).await.problem().0, 503);
    assert_eq!(listed(&it).await, json!([{"id": id, "reason": "invalid `chain`"}]));

    let path = format!("/v1/approvals/{id}/discard");
    let body = json!({"reason": "restored from a damaged disk"}).to_string();
    let reply = it.it.post(&path, &it.it.admin, &body).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    let discarded = reply.json();
    assert_eq!(discarded["id"], json!(id));
    assert_eq!(discarded["record"]["durability"], "durable");
    assert_eq!(listed(&it).await, json!([]));
    assert_eq!(it.it.post(&path, &it.it.admin, &body).await.problem().0, 404, "closed twice");
    assert_ne!(it.ask().await, id.to_string());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_closed_is_on_record_though_nobody_can_read_whose_it_was() {
    let (it, id) = broken_by("agent_id = '', rule_id = ''").await;
    let path = format!("/v1/approvals/{id}/discard");
    let body = json!({"reason": "a damaged disk"}).to_string();
    let discarded = it.it.post(&path, &it.it.admin, &body).await.json();
    assert_eq!(discarded["record"]["durability"], "durable", "{discarded}");
    // Nothing behind it waits.
    let next = it.ask().await;
    it.approve(&next).await;
    let path = "/v1/audit/events?kind=approval.cancelled&limit=1";
    for _ in 0..2000 {
        let events = it.it.get(path, &it.it.admin).await.json();
        let Some(event) = events["items"].get(0) else { continue };
        assert_eq!(
            (&event["payload"]["approval_id"], &event["agent_id"]),
            (&json!(id), &json!(null))
        );
        assert_eq!(event["payload"]["reason"], "a damaged disk");
        return;
    }
    panic!("it never comes");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_an_admin_lists_and_closes_and_only_with_a_reason() {
    let (it, id) = broken().await;
    let path = format!("/v1/approvals/{id}/discard");
    let body = json!({"reason": "broken"}).to_string();
    for token in [&it.ann, &it.it.agent] {
        assert_eq!(it.it.get("/v1/approvals/set-aside", token).await.problem().0, 403);
        assert_eq!(it.it.post(&path, token, &body).await.problem().0, 403);
    }
    let long = json!({"reason": "x".repeat(4097)}).to_string();
    for body in ["{}", r#"{"reason": "  "}"#, r#"{"reason": 7}"#, &long] {
        let (status, _, field, json) = it.it.post(&path, &it.it.admin, body).await.problem();
        assert_eq!((status, &*field), (422, "reason"), "{body}: {json}");
    }
    let (status, _, field, _) = it.it.post(NOBODY, &it.it.admin, &body).await.problem();
    assert_eq!((status, &*field), (404, "id"));
    assert_eq!(listed(&it).await.as_array().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_commands_list_it_and_close_it() {
    let (it, id) = broken().await;
    let home = tempfile::tempdir().unwrap();
    let gov = async |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_gov"));
        command.env_clear().env("XDG_CONFIG_HOME", home.path()).env("GOV_TOKEN", &it.it.admin);
        command.env("GOV_URL", format!("http://{}", it.it.address)).args(arguments);
        Ran::of(tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap())
    };
    let ran = gov(&["approvals", "set-aside"]).await;
    assert_eq!((ran.code, ran.out.trim()), (0, format!("{id}  invalid `chain`").trim()));
    let id = id.to_string();
    let ran = gov(&["approvals", "discard", &id, "--reason", "broken"]).await;
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.out.contains("can be asked for again"), "{ran:?}");
    let ran = gov(&["approvals", "set-aside", "--json"]).await;
    assert_eq!((ran.code, ran.out.trim()), (0, r#"{"items":[]}"#));
}
