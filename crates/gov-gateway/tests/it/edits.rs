//! `POST /v1/approvals/{id}/edit`: another action in the place of what is asked for.

use serde_json::{Value, json};

use crate::{
    check_door::{ASKED, REFUSED},
    deciders::Deciding,
    http::Reply,
    running::AGENT,
};

/// What Ann makes of it; the starter policy asks about that too.
pub(crate) const SMALLER: &str = "git push --force origin mine";

pub(crate) fn bash(command: &str) -> Value {
    json!({"kind": "bash", "command": command, "cwd": "/home/me/p"})
}

async fn edit(it: &Deciding, id: &str, token: &str, body: &Value) -> Reply {
    it.it.post(&format!("/v1/approvals/{id}/edit"), token, &body.to_string()).await
}

async fn seen(it: &Deciding, id: &str, action: &Value) -> Value {
    json!({"digest": it.approval(id).await["digest"], "action": action})
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_edited_action_is_approved_in_the_place_of_the_original_which_is_kept() {
    let it = Deciding::start("").await;
    let id = it.ask().await;
    let mut body = seen(&it, &id, &bash(SMALLER)).await;
    body["comment"] = json!("only your own branch");
    let reply = edit(&it, &id, &it.ann, &body).await;
    let new = reply.json();
    assert_eq!((reply.status, &new["status"]), (201, &json!("approved")), "{new}");
    assert_eq!((&new["edited_from"], &new["action"]), (&json!(id), &bash(SMALLER)));
    assert_eq!(new["record"]["durability"], "durable");
    assert_eq!(new["votes"][0]["comment"], "only your own branch");
    let old = it.approval(&id).await;
    assert_eq!((&old["status"], &old["edited_into"]), (&json!("cancelled"), &new["id"]));
    assert_eq!(old["action"], bash(ASKED));
    let last = old["history"].as_array().unwrap().last().unwrap();
    assert_eq!((&last["kind"], &last["actor"]), (&json!("approval.edited"), &json!(it.ann_id)));

    // The agent that waits for the original learns of the other.
    let json = it.check_named(&id, ASKED).await;
    assert_eq!(
        (&json["decision"], &json["rule_id"]),
        (&json!("refuse"), &json!("approval-cancelled"))
    );
    assert!(json["reason"].as_str().unwrap().contains(new["id"].as_str().unwrap()), "{json}");
    let json = it.it.check_command(SMALLER).await.json();
    assert_eq!((&json["decision"], &json["approval"]["id"]), (&json!("allow"), &new["id"]));
    assert_eq!(it.it.check_command(SMALLER).await.json()["decision"], "require_approval");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_that_waits_is_told_into_what_its_request_was_edited() {
    let it = Deciding::start("").await;
    let id = it.ask().await;
    let body = seen(&it, &id, &bash(SMALLER)).await;
    let path = format!("/v1/approvals/{id}?wait=30s");
    let (waited, edited) =
        tokio::join!(it.it.get(&path, &it.it.agent), edit(&it, &id, &it.ann, &body));
    let (waited, edited) = (waited.json(), edited.json());
    assert_eq!((&waited["status"], &waited["edited_into"]), (&json!("cancelled"), &edited["id"]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_policy_refuses_is_not_edited_into() {
    let it = Deciding::start("").await;
    let id = it.ask().await;
    let before = it.approval(&id).await;
    let reply = edit(&it, &id, &it.ann, &seen(&it, &id, &bash(REFUSED)).await).await;
    let (status, code, field, json) = reply.problem();
    assert_eq!((status, &*code, &*field), (422, "bad-field", "action"), "{json}");
    let rule = it.it.check_command(REFUSED).await.json()["rule_id"].clone();
    assert_eq!(json["received"], rule, "{json}");
    assert_eq!(it.approval(&id).await, before);
    it.approve(&id).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_edit_that_lost_the_race_opens_nothing() {
    let it = Deciding::start("").await;
    let id = it.ask().await;
    let body = seen(&it, &id, &bash(SMALLER)).await;
    assert_eq!(it.decide(&id, &it.bob, "reject").await.status, 200);
    let (status, code, field, json) = edit(&it, &id, &it.ann, &body).await.problem();
    assert_eq!((status, &*code, &*field), (409, "conflict", "status"), "{json}");
    assert_eq!(json["received"], "rejected");
    let list = it.it.get("/v1/approvals", &it.ann).await.json();
    assert_eq!(list["items"].as_array().unwrap().len(), 1, "{list}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_context_stays_unless_the_editor_says_otherwise() {
    let it = Deciding::start("").await;
    for (given, kept) in [
        (None, json!({"why": "hotfix"})),
        (Some(json!(null)), json!(null)),
        (Some(json!({"why": "mine"})), json!({"why": "mine"})),
    ] {
        let ask = json!({"agent_id": AGENT, "action": bash(ASKED), "context": {"why": "hotfix"}});
        let json = it.it.check(&ask.to_string()).await.json();
        let id = json["approval"]["id"].as_str().unwrap();
        let mut body = seen(&it, id, &bash(SMALLER)).await;
        if let Some(given) = given {
            body["context"] = given;
        }
        let new = edit(&it, id, &it.ann, &body).await.json();
        assert_eq!(new["context"], kept, "{new}");
        let again = json!({"agent_id": AGENT, "action": bash(SMALLER), "context": kept});
        let json = it.it.check(&again.to_string()).await.json();
        assert_eq!((&json["decision"], &json["approval"]["id"]), (&json!("allow"), &new["id"]));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_edit_that_cannot_be_is_named() {
    let it = Deciding::start("").await;
    let id = it.ask().await;
    let other = it.it.check_command("git push --force origin next").await.json();
    assert_eq!(other["decision"], "require_approval");
    let good = seen(&it, &id, &bash(SMALLER)).await;
    let with = |name: &str, value: Value| {
        let mut body = good.clone();
        body[name] = value;
        body
    };
    for (body, status, field) in [
        (json!([]), 422, "body"),
        (with("digest", json!(null)), 422, "digest"),
        (with("digest", json!("ab")), 422, "digest"),
        (with("digest", json!("ab".repeat(32))), 409, "digest"),
        (with("action", json!(null)), 422, "action"),
        (with("action", json!({"kind": "fly"})), 422, "action"),
        (with("action", bash(ASKED)), 422, "action"),
        (with("action", bash("git push --force origin next")), 409, "action"),
        (with("context", json!(7)), 422, "context"),
        (with("comment", json!(7)), 422, "comment"),
        (with("comment", json!("\u{1b}[2J")), 422, "comment"),
        (with("decision", json!("approve")), 422, "decision"),
    ] {
        let (got, _, got_field, json) = edit(&it, &id, &it.ann, &body).await.problem();
        assert_eq!((got, &*got_field), (status, field), "{body}: {json}");
    }
    for token in [&it.it.agent, &it.it.admin] {
        let (status, _, field, _) = edit(&it, &id, token, &good).await.problem();
        assert_eq!((status, &*field), (403, "scope"));
    }
    let nobody = "apr_00000000000000000000000000000000";
    assert_eq!(edit(&it, nobody, &it.ann, &good).await.status, 404);
    let grant = json!({"tool": "deploy", "arguments": {}, "calls": 1, "lasts": "1m"});
    let grant = it.it.post("/v1/grants", &it.it.agent, &grant.to_string()).await.json();
    let grant = grant["id"].as_str().unwrap();
    let body = seen(&it, grant, &bash(SMALLER)).await;
    let (status, _, field, json) = edit(&it, grant, &it.ann, &body).await.problem();
    assert_eq!((status, &*field), (422, "id"), "{json}");
    assert_eq!(it.approval(&id).await["status"], "pending");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_could_not_approve_edits_nothing() {
    let rungs = "[chains.default]\n[[chains.default.rungs]]\nroles = [\"ops\"]\n";
    let it = Deciding::start(rungs).await;
    let id = it.ask().await;
    let body = seen(&it, &id, &bash(SMALLER)).await;
    let (status, code, field, json) = edit(&it, &id, &it.bob, &body).await.problem();
    assert_eq!((status, &*code, &*field), (403, "forbidden", "person"), "{json}");
    assert_eq!(it.approval(&id).await["status"], "pending");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_redacted_is_not_taken_for_the_original() {
    let it = Deciding::start("").await;
    let (secret, about) = ("git push --force https://me:hunter22@host/x", json!({"token": "t0"}));
    for (command, context, field) in [(secret, json!(null), "action"), (ASKED, about, "context")] {
        let ask = json!({"agent_id": AGENT, "action": bash(command), "context": context});
        let json = it.it.check(&ask.to_string()).await.json();
        let id = json["approval"]["id"].as_str().unwrap();
        let before = it.approval(id).await;
        let mut action = before["action"].clone();
        action["cwd"] = json!("/tmp");
        let mut body = seen(&it, id, &action).await;
        let (status, _, named, problem) = edit(&it, id, &it.ann, &body).await.problem();
        assert_eq!((status, &*named), (422, field), "{problem}");
        assert!(problem["detail"].as_str().unwrap().contains("was redacted"), "{problem}");
        assert_eq!(it.approval(id).await, before, "nothing has changed");
        body["action"] = bash("git push --force origin whole");
        body["context"] = json!(null);
        assert_eq!(edit(&it, id, &it.ann, &body).await.status, 201, "{field}, given whole");
        let body = json!({"agent_id": AGENT, "action": bash("git push --force origin whole")});
        assert_eq!(it.it.check(&body.to_string()).await.json()["decision"], "allow");
    }
}
