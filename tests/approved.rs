//! The approval path: asked, escalated, answered by a person, used once; and what silence means.

use serde_json::{Value, json};

use crate::{
    exported::entries,
    place::{Place, chain},
    server::{Reply, Server},
};

/// What the starter policy `balanced` asks a human about.
const HELD: &str = "git push --force origin main";

#[track_caller]
fn held(reply: &Reply) -> String {
    assert_eq!((reply.status, &reply.json["decision"]), (200, &json!("require_approval")));
    assert_eq!(reply.json["approval"]["status"], "pending", "{reply:?}");
    reply.json["approval"]["id"].as_str().unwrap().to_owned()
}

fn approval(server: &Server, token: &str, id: &str, wait: &str) -> Value {
    let reply = server.get(token, &format!("/v1/approvals/{id}?wait={wait}"));
    assert_eq!(reply.status, 200, "{reply:?}");
    reply.json
}

fn decide(server: &Server, token: &str, approval: &Value, decision: &str) -> Reply {
    let id = approval["id"].as_str().unwrap();
    let body = json!({"decision": decision, "digest": approval["digest"], "comment": "looked at"});
    server.post(token, &format!("/v1/approvals/{id}/decision"), &body)
}

/// The kinds of an approval's entries in the log, in order.
fn kinds(entries: &[Value]) -> Vec<&str> {
    let kinds = entries.iter().filter_map(|it| it["kind"].as_str());
    kinds.filter(|it| it.starts_with("approval.")).collect()
}

#[test]
fn nobody_answers_the_next_rung_does_and_the_action_happens_once() {
    let place = Place::new();
    let (agent, admin) = (place.agent_token(), place.admin_token());
    let (ops, lead) =
        (place.approver_token("olga", &["ops"]), place.approver_token("lea", &["lead"]));
    let server = place.serve(&chain("1s", "4s"));
    let id = held(&server.check(&agent, HELD));
    assert_eq!(held(&server.check(&agent, HELD)), id, "the same action is the same request");

    let asked = approval(&server, &lead, &id, "0s");
    // Not her turn yet; and never an agent's, an operator's or an admin's.
    assert_eq!(decide(&server, &lead, &asked, "approve").status, 403);
    assert_eq!(decide(&server, &agent, &asked, "approve").status, 403);
    assert_eq!(decide(&server, &admin, &asked, "approve").status, 403);
    let escalated = approval(&server, &lead, &id, "2s");
    assert_eq!((&escalated["status"], &escalated["rung"]), (&json!("pending"), &json!(1)));
    let wrong = json!({"id": id, "digest": "0".repeat(64)});
    assert_eq!(decide(&server, &lead, &wrong, "approve").status, 409);
    let approved = decide(&server, &lead, &escalated, "approve");
    assert_eq!((approved.status, &approved.json["status"]), (200, &json!("approved")));
    assert_eq!(decide(&server, &ops, &escalated, "reject").status, 409, "one answer is enough");

    let released = server.check(&agent, HELD);
    assert_eq!(released.json["decision"], "allow", "{released:?}");
    assert_eq!(released.json["approval"]["id"], json!(id));
    assert_ne!(held(&server.check(&agent, HELD)), id, "an approval is used once");

    server.stop();
    place.verify(&[]).ok();
    let entries = entries(&place.export());
    assert_eq!(
        kinds(&entries),
        [
            "approval.requested",
            "approval.routed",
            "approval.escalated",
            "approval.approved",
            "approval.consumed",
            "approval.requested",
            "approval.routed",
        ]
    );
    let consumed = entries.iter().find(|it| it["kind"] == "approval.consumed").unwrap();
    assert_eq!(consumed["id"], released.json["record"]["id"]);
}

#[test]
fn silence_escalates_and_ends_in_a_no_by_the_system() {
    let place = Place::new();
    let (agent, auditor) = (place.agent_token(), place.auditor_token());
    let server = place.serve(&chain("1s", "4s"));
    let id = held(&server.check(&agent, HELD));
    let ended = approval(&server, &agent, &id, "20s");
    assert_eq!(ended["status"], "timed_out", "{ended}");
    let named = json!({
        "agent_id": crate::place::AGENT, "approval_id": id,
        "action": {"kind": "bash", "command": HELD, "cwd": "/home/me/shop"},
    });
    let refused = server.post(&agent, "/v1/actions/check", &named);
    assert_eq!(refused.json["decision"], "refuse", "{refused:?}");
    assert_eq!(refused.json["rule_id"], "approval-timed_out", "{refused:?}");

    let events = wait_for_event(&server, &auditor, "approval.timed_out");
    assert_eq!(events["payload"]["actor"], "system:timeout", "{events}");
    server.stop();
    let entries = entries(&place.export());
    assert_eq!(
        kinds(&entries),
        ["approval.requested", "approval.routed", "approval.escalated", "approval.timed_out"]
    );
}

/// The first event of a kind; the log follower brings it a moment after the log has it.
fn wait_for_event(server: &Server, token: &str, kind: &str) -> Value {
    for _ in 0..1000 {
        let reply = server.get(token, &format!("/v1/audit/events?kind={kind}"));
        assert_eq!(reply.status, 200, "{reply:?}");
        if let Some(event) = reply.json["items"].as_array().unwrap().first() {
            return event.clone();
        }
    }
    panic!("no event of kind {kind}");
}
