//! An action that waited for a human: held, released once, or refused.

use serde_json::json;

use crate::{
    check_door::ASKED,
    deciders::{Deciding, REFUSES, asks, named},
    running::AGENT,
};

const ALLOWS: &str = "@id(\"yes\") permit (principal, action, resource);";
const PROD: &str = "[chains.prod]\n";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_action_asked_again_waits_for_the_same_approval() {
    let it = Deciding::start("").await;
    let first = it.it.check_command(ASKED).await.json();
    let again = it.it.check_command(ASKED).await.json();
    let by_name = it.check_named(first["approval"]["id"].as_str().unwrap(), ASKED).await;
    for json in [&again, &by_name] {
        assert_eq!((&json["approval"], &json["record"]), (&first["approval"], &first["record"]));
        assert_eq!(json["decision"], "require_approval");
    }
    let other = it.it.check_command("git push --force origin next").await.json();
    assert_ne!(other["approval"]["id"], first["approval"]["id"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_approved_action_is_allowed_once_and_asked_about_anew() {
    let it = Deciding::start("").await;
    let id = it.ask().await;
    it.approve(&id).await;
    let json = it.it.check_command(ASKED).await.json();
    assert_eq!((&json["decision"], &json["approval"]["id"]), (&json!("allow"), &json!(id)));
    assert_eq!(json["approval"]["status"], "consumed");
    assert_eq!(json["record"]["durability"], "durable");
    let next = it.ask().await;
    assert_ne!(next, id, "the next one is another request");
    let view = it.approval(&id).await;
    assert_eq!(
        (&view["status"], &view["consumption"]["policy_version"]),
        (&json!("consumed"), &json!(1))
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_approval_releases_is_in_the_log_under_the_records_that_were_answered() {
    let it = Deciding::start("").await;
    let asked = it.it.check_command(ASKED).await.json();
    let id = asked["approval"]["id"].as_str().unwrap().to_owned();
    let decided = it.decide(&id, &it.ann, "approve").await.json();
    let used = it.it.check_command(ASKED).await.json();
    // The server runs: what is not in the log now was answered too early.
    let db = rusqlite::Connection::open(it.it.home.path().join("gov/audit-log.db")).unwrap();
    let mut rows = db.prepare("select entry from audit_log_entry order by seq").unwrap();
    let entries: Vec<serde_json::Value> = rows
        .query_map([], |row| row.get::<_, Vec<u8>>(0))
        .unwrap()
        .map(|it| serde_json::from_slice(&it.unwrap()).unwrap())
        .collect();
    for (answer, kind, decision) in [
        (&asked, "approval.requested", json!("require_approval")),
        (&decided, "approval.approved", json!(null)),
        (&used, "approval.consumed", json!("allow")),
    ] {
        let record = &answer["record"]["id"];
        let entry = entries.iter().find(|it| it["id"] == *record).unwrap();
        assert_eq!((&entry["kind"], &entry["decision"]), (&json!(kind), &decision), "{entry}");
        assert_eq!(entry["agent"], AGENT);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_concurrent_checks_of_an_approved_action_exactly_one_is_allowed() {
    let it = Deciding::start("").await;
    for round in 0..3 {
        let id = it.ask().await;
        it.approve(&id).await;
        let checks: Vec<_> = (0..8).map(|_| it.it.check_command(ASKED)).collect();
        let mut answers = Vec::new();
        for reply in futures_join(checks).await {
            answers.push(reply.json());
        }
        let allowed: Vec<_> = answers.iter().filter(|it| it["decision"] == "allow").collect();
        assert_eq!(allowed.len(), 1, "round {round}: {answers:?}");
        assert_eq!(allowed[0]["approval"]["id"], *id);
        let mut held: Vec<_> = answers
            .iter()
            .filter(|it| it["decision"] == "require_approval")
            .map(|it| it["approval"]["id"].as_str().unwrap())
            .collect();
        assert_eq!(held.len(), 7, "round {round}: {answers:?}");
        held.dedup();
        assert!(held.len() == 1 && held[0] != id, "one new request for all: {held:?}");
        let reply = it.decide(held[0], &it.ann, "reject").await;
        assert_eq!(reply.status, 200);
    }
}

/// Polls all of them at once.
pub(crate) async fn futures_join<F: Future>(futures: Vec<F>) -> Vec<F::Output> {
    let mut pinned: Vec<_> = futures.into_iter().map(Box::pin).collect();
    let mut done: Vec<Option<F::Output>> = pinned.iter().map(|_| None).collect();
    std::future::poll_fn(|cx| {
        for (future, output) in pinned.iter_mut().zip(&mut done) {
            if output.is_none()
                && let std::task::Poll::Ready(it) = future.as_mut().poll(cx)
            {
                *output = Some(it);
            }
        }
        if done.iter().all(Option::is_some) {
            std::task::Poll::Ready(())
        } else {
            std::task::Poll::Pending
        }
    })
    .await;
    done.into_iter().flatten().collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_approval_of_another_action_counts_for_nothing() {
    let it = Deciding::start("").await;
    let id = it.ask().await;
    it.approve(&id).await;
    let json = it.check_named(&id, "git push --force origin next").await;
    assert_eq!(json["decision"], "require_approval", "{json}");
    assert_ne!(json["approval"]["id"], *id, "a new request of its own");
    assert_eq!(it.approval(&id).await["status"], "approved", "unused");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_approval_that_is_unknown_or_of_another_agent_is_refused_by_name() {
    let it = Deciding::start("").await;
    let id = it.ask().await;
    it.approve(&id).await;
    let json = it.check_named("apr_00000000000000000000000000000000", ASKED).await;
    assert_eq!(
        (&json["decision"], &json["rule_id"]),
        (&json!("refuse"), &json!("approval-unknown"))
    );
    assert!(json["record"]["id"].is_string(), "{json}");

    let token = it.it.create_token(r#"{"scope":"agent","agent_id":"other"}"#).await;
    let body = named(&id, ASKED).replace(AGENT, "other");
    let json = it.it.post("/v1/actions/check", &token, &body).await.json();
    assert_eq!(json["rule_id"], "approval-unknown", "{json}");
    assert_eq!(it.approval(&id).await["status"], "approved", "unused");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_approval_that_is_over_is_refused_by_name_and_forgotten_without() {
    let it = Deciding::start("").await;
    let id = it.ask().await;
    assert_eq!(it.decide(&id, &it.ann, "reject").await.status, 200);
    let json = it.check_named(&id, ASKED).await;
    assert_eq!(
        (&json["decision"], &json["rule_id"], &json["reason"]),
        (&json!("refuse"), &json!("approval-rejected"), &json!("the approval is rejected"))
    );
    let new = it.ask().await;
    assert_ne!(new, id);
    it.approve(&new).await;
    assert_eq!(it.check_named(&new, ASKED).await["decision"], "allow");
    assert_eq!(it.check_named(&new, ASKED).await["rule_id"], "approval-consumed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_repeat_under_the_same_key_gets_the_same_answer_and_no_other_does() {
    let it = Deciding::start("").await;
    let id = it.ask().await;
    it.approve(&id).await;
    let plain = named(&id, ASKED).replace(&format!(",\"approval_id\":\"{id}\""), "");
    assert!(!plain.contains("approval_id"), "{plain}");
    let first = it.check_under("k1", &plain).await.json();
    assert_eq!(first["decision"], "allow", "{first}");
    for body in [&plain, &named(&id, ASKED)] {
        assert_eq!(it.check_under("k1", body).await.json(), first);
    }
    assert_eq!(
        it.check_under("k2", &named(&id, ASKED)).await.json()["rule_id"],
        "approval-consumed"
    );
    assert_eq!(it.check_under("k2", &plain).await.json()["decision"], "require_approval");
    // The policy is asked again, also for a repeat.
    it.activate(REFUSES).await;
    assert_eq!(it.check_under("k1", &plain).await.json()["rule_id"], "no");

    for key in ["", "ü", &"k".repeat(257)] {
        let (status, _, field, _) = it.check_under(key, &plain).await.problem();
        assert_eq!((status, &*field), (422, "Idempotency-Key"), "{key}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_policy_that_refuses_meanwhile_ends_the_approval() {
    let it = Deciding::start("").await;
    for approved in [true, false] {
        it.activate(&asks("")).await;
        let id = it.ask().await;
        if approved {
            it.approve(&id).await;
        }
        it.activate(REFUSES).await;
        let json = it.it.check_command(ASKED).await.json();
        assert_eq!((&json["decision"], &json["rule_id"]), (&json!("refuse"), &json!("no")));
        let view = it.approval(&id).await;
        assert_eq!(view["status"], "cancelled", "{view}");
        let last = view["history"].as_array().unwrap().last().unwrap().clone();
        assert_eq!(
            (&last["kind"], &last["actor"]),
            (&json!("approval.cancelled"), &json!("system:policy"))
        );
        it.activate(&asks("")).await;
        assert_ne!(it.ask().await, id, "it does not come back with the policy");
        it.activate(REFUSES).await;
        it.it.check_command(ASKED).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_policy_that_asks_more_people_meanwhile_asks_them_and_what_was_said_counts() {
    let it = Deciding::start("[[chains.prod.rungs]]\nquorum = 2\n").await;
    let id = it.ask().await;
    it.approve(&id).await;
    it.activate(&asks("@chain(\"prod\")")).await;
    let json = it.it.check_command(ASKED).await.json();
    assert_eq!(json["decision"], "require_approval", "{json}");
    assert_eq!(json["approval"]["id"], json!(id), "asked anew");
    let view = it.approval(&id).await;
    assert_eq!((&view["status"], &view["chain"]["name"]), (&json!("pending"), &json!("prod")));
    assert_eq!(view["audience"], "2 of any approver");
    assert_eq!(view["votes"][0]["person"], json!(it.ann_id));

    let (status, code, field, _) = it.decide(&id, &it.ann, "approve").await.problem();
    assert_eq!((status, &*code, &*field), (409, "conflict", "person"));
    assert_eq!(it.decide(&id, &it.bob, "approve").await.status, 200);
    let json = it.it.check_command(ASKED).await.json();
    assert_eq!((&json["decision"], &json["approval"]["id"]), (&json!("allow"), &json!(id)));
    let kinds: Vec<_> = it.approval(&id).await["history"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["kind"].as_str().unwrap().trim_start_matches("approval.").to_owned())
        .collect();
    let asked = ["requested", "routed", "approved", "reopened", "routed", "approved", "consumed"];
    assert_eq!(kinds, asked);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_policy_that_asks_another_chain_meanwhile_takes_an_answer_that_is_enough_for_it() {
    let it = Deciding::start(PROD).await;
    let id = it.ask().await;
    it.approve(&id).await;
    it.activate(&asks("@chain(\"prod\")")).await;
    let json = it.it.check_command(ASKED).await.json();
    assert_eq!((&json["decision"], &json["approval"]["id"]), (&json!("allow"), &json!(id)));
    assert_eq!(json["policy_version"], 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_chain_that_binds_otherwise_meanwhile_voids_the_answer() {
    let it = Deciding::start("[chains.prod]\nbind = \"session\"\n").await;
    let action = json!({"kind": "bash", "command": ASKED, "cwd": "/home/me/p"});
    let mut body = json!({"agent_id": AGENT, "session_id": "s1", "action": action});
    let asked = it.it.check(&body.to_string()).await.json();
    let id = asked["approval"]["id"].as_str().unwrap();
    it.approve(id).await;
    it.activate(&asks("@chain(\"prod\")")).await;
    body["approval_id"] = json!(id);
    let json = it.it.check(&body.to_string()).await.json();
    assert_eq!(json["decision"], "require_approval", "{json}");
    assert_ne!(json["approval"]["id"], json!(id));
    assert_eq!(it.approval(id).await["status"], "cancelled");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_policy_that_allows_meanwhile_needs_no_approval_and_uses_one_that_is_named() {
    let it = Deciding::start("").await;
    let id = it.ask().await;
    it.activate(ALLOWS).await;
    let json = it.check_named(&id, ASKED).await;
    assert_eq!((&json["decision"], json.get("approval")), (&json!("allow"), None), "still pending");
    it.approve(&id).await;
    let json = it.it.check_command(ASKED).await.json();
    assert_eq!((&json["decision"], json.get("approval")), (&json!("allow"), None));
    assert_eq!(it.approval(&id).await["status"], "approved", "left to expire");
    let json = it.check_named(&id, ASKED).await;
    assert_eq!(
        (&json["decision"], &json["approval"]["status"], &json["policy_version"]),
        (&json!("allow"), &json!("consumed"), &json!(2))
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_approval_is_bound_to_the_session_where_the_chain_says_so() {
    let it = Deciding::start("[chains.default]\nbind = \"session\"\n").await;
    let body = |session: &str| {
        let action = json!({"kind": "bash", "command": ASKED, "cwd": "/home/me/p"});
        json!({"agent_id": AGENT, "session_id": session, "action": action}).to_string()
    };
    let json = it.it.check(&body("s1")).await.json();
    it.approve(json["approval"]["id"].as_str().unwrap()).await;
    assert_eq!(it.it.check(&body("s2")).await.json()["decision"], "require_approval");
    assert_eq!(it.it.check(&body("s1")).await.json()["decision"], "allow");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn silence_ends_in_the_fallback_of_the_chain() {
    let quick = "[chains.default]\ntimeout = \"1s\"\n";
    for (fallback, status, decision) in [
        ("", "timed_out", "refuse"),
        ("fallback = \"park\"", "parked", "require_approval"),
        ("fallback = \"allow\"\nallow_acknowledged = true", "approved", "allow"),
    ] {
        let it = Deciding::start(&format!("{quick}{fallback}\n")).await;
        let id = it.ask().await;
        // A parked one awaits an answer still, so there is nothing to wait for.
        let view = loop {
            let path = format!("/v1/approvals/{id}?wait=5s");
            let view = it.it.get(&path, &it.ann).await.json();
            if view["status"] != "pending" {
                break view;
            }
        };
        assert_eq!(view["status"], status, "{view}");
        let timed_out = &view["history"].as_array().unwrap().last().unwrap().clone();
        assert_eq!(
            (&timed_out["kind"], &timed_out["actor"]),
            (&json!("approval.timed_out"), &json!("system:timeout"))
        );
        assert_eq!(it.check_named(&id, ASKED).await["decision"], decision);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn approvals_survive_a_restart() {
    let it = Deciding::start("").await;
    let id = it.ask().await;
    it.approve(&id).await;
    let Deciding { it, ann, .. } = it;
    let (admin, agent) = (it.admin.clone(), it.agent.clone());
    let (_, home) = it.stop().await;
    let it = crate::running::Running::start_on(home, "", admin, agent).await;
    let json = it.check_command(ASKED).await.json();
    assert_eq!((&json["decision"], &json["approval"]["id"]), (&json!("allow"), &json!(id)));
    let view = it.get(&format!("/v1/approvals/{id}"), &ann).await.json();
    assert_eq!(view["history"].as_array().unwrap().len(), 4, "{view}");
}
