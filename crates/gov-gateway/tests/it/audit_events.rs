//! `GET /v1/audit/events`: what was answered is found again.

use gov_core::EventId;
use serde_json::{Value, json};

use crate::{
    check_door::{ALLOWED, ASKED, REFUSED, WARNED},
    http::Reply,
    running::{AGENT, Running},
};

impl Running {
    async fn events(&self, question: &str) -> Reply {
        self.get(&format!("/v1/audit/events{question}"), &self.admin).await
    }

    async fn items(&self, question: &str) -> Vec<Value> {
        let reply = self.events(question).await;
        assert_eq!(reply.status, 200, "{reply:?}");
        reply.json()["items"].as_array().unwrap().clone()
    }

    /// The items, once there are so many: what goes through the log comes a moment later.
    async fn items_once(&self, question: &str, count: usize) -> Vec<Value> {
        for _ in 0..2000 {
            let items = self.items(question).await;
            if items.len() >= count {
                assert_eq!(items.len(), count, "{items:?}");
                return items;
            }
            tokio::task::yield_now().await;
        }
        panic!("{count} events of {question} never came");
    }
}

fn kinds(items: &[Value]) -> Vec<&str> {
    items.iter().map(|it| it["kind"].as_str().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_answered_is_found_by_kind_agent_and_time() {
    let it = Running::start("").await;
    let mut records = Vec::new();
    for command in [ALLOWED, WARNED, REFUSED, ASKED] {
        let reply = it.check_command(command).await.json();
        records.push(reply["record"]["id"].clone());
    }
    let items = it
        .items_once(
            "?agent=coder&order=oldest&kind=action.allowed&kind=action.warned&kind=action.refused",
            3,
        )
        .await;
    assert_eq!(kinds(&items), ["action.allowed", "action.warned", "action.refused"]);
    let [allowed, warned, refused] = &items[..] else { panic!() };
    assert_eq!(allowed["payload"]["action"]["command"], ALLOWED);
    assert_eq!(warned["payload"]["reason"], it.check_command(WARNED).await.json()["reason"]);
    assert_eq!(refused["subjects"]["record_id"], records[2]);
    assert_eq!(refused["subjects"]["decision"], "refuse");
    let record = records[2].as_str().unwrap().parse().unwrap();
    assert_eq!(refused["id"], json!(EventId::of_record(record)));
    assert_eq!(refused["payload"]["action"]["command"], REFUSED);

    // The history of the gateway comes by the same way: the policy, the tokens, the agent.
    let history = it.items_once("?kind=admin.token_created&kind=agent.registered", 3).await;
    assert!(history.iter().all(|it| it["subjects"]["record_id"].is_string()), "{history:?}");

    let at = warned["at"].as_str().unwrap();
    let from = it.items(&format!("?order=oldest&limit=1&agent=coder&from={at}")).await;
    assert_eq!(from[0]["id"], warned["id"], "from is inclusive");
    let to = it.items(&format!("?limit=1&kind=action.allowed&kind=action.warned&to={at}")).await;
    assert_eq!(to[0]["id"], allowed["id"], "to is exclusive");
}

#[tokio::test]
async fn session_and_team_are_found_also_where_the_log_brings_them() {
    let it = Running::start("").await;
    for (session, command) in [("s-1", ALLOWED), ("s-2", REFUSED)] {
        let action = json!({"kind": "bash", "command": command, "cwd": "/home/me/p"});
        let body =
            json!({"agent_id": AGENT, "session_id": session, "team_id": "core", "action": action});
        assert_eq!(it.check(&body.to_string()).await.status, 200);
    }
    assert_eq!(it.items_once("?team=core", 2).await.len(), 2);
    let items = it.items("?session=s-2").await;
    assert_eq!(kinds(&items), ["action.refused"]);
    assert_eq!((&items[0]["session_id"], &items[0]["team_id"]), (&json!("s-2"), &json!("core")));
    assert!(it.items("?session=s-2&team=other").await.is_empty());
}

#[tokio::test]
async fn pages_in_either_order_hold_every_event_once() {
    let it = Running::start("").await;
    for _ in 0..7 {
        it.check_command(ALLOWED).await;
    }
    let all = it.items_once("?kind=action.allowed", 7).await;
    for order in ["newest", "oldest"] {
        let (mut paged, mut cursor) = (Vec::new(), String::new());
        loop {
            let question = format!("?kind=action.allowed&limit=3&order={order}{cursor}");
            let page = it.events(&question).await.json();
            let items = page["items"].as_array().unwrap().clone();
            assert!(items.len() <= 3, "{items:?}");
            paged.extend(items);
            match page["next"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        if order == "oldest" {
            paged.reverse();
        }
        assert_eq!(paged, all, "{order}");
    }
}

#[tokio::test]
async fn a_page_of_large_events_is_cut_so_that_a_client_reads_it() {
    let it = Running::start("").await;
    let command = format!("echo {}", "x".repeat(60_000));
    for _ in 0..20 {
        assert_eq!(it.check_command(&command).await.status, 200);
    }
    let reply = it.events("?kind=action.allowed&limit=1000").await;
    assert!(reply.body.len() < 1024 * 1024, "{}", reply.body.len());
    let page = reply.json();
    let first = page["items"].as_array().unwrap().len();
    assert!((1..20).contains(&first), "{first}");
    let next = page["next"].as_str().unwrap();
    let rest = it.items(&format!("?kind=action.allowed&limit=1000&cursor={next}")).await;
    assert_eq!(first + rest.len(), 20);
}

#[tokio::test]
async fn what_is_asked_wrongly_is_named() {
    let it = Running::start("").await;
    for (question, field) in [
        ("?limit=0", "limit"),
        ("?limit=5&limit=6", "limit"),
        ("?frm=2026-01-01T00:00:00.000000Z", "frm"),
        ("?from=today", "from"),
        ("?kind=action.alowed", "kind"),
        ("?agent=", "agent"),
        ("?order=up", "order"),
        ("?cursor=x", "cursor"),
        ("?session=%00", "session"),
    ] {
        let reply = it.events(question).await;
        let (status, code, named, json) = reply.problem();
        assert_eq!((status, &*code, &*named), (422, "bad-field", field), "{question}: {json}");
    }
}

#[tokio::test]
async fn only_who_audits_operates_or_administers_sees_events() {
    let it = Running::start("").await;
    assert_eq!(it.get("/v1/audit/events", &it.agent).await.problem().0, 403);
    assert_eq!(it.get("/v1/audit/events", "gov_x_y").await.problem().0, 401);
    for scope in ["auditor", "operator"] {
        let token = it.create_token(&format!(r#"{{"scope":"{scope}"}}"#)).await;
        assert_eq!(it.get("/v1/audit/events", &token).await.status, 200, "{scope}");
    }
}
