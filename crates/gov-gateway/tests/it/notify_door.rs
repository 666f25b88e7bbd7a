//! `/v1/notify/targets`: who lets a target have messages again.

use serde_json::json;

use crate::running::Running;

const CHAT: &str = "[notify.chat]\nurl = \"https://chat.example/hook\"\n";
const EVENTS: &str = "/v1/audit/events?kind=notify.enabled";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_enables_a_target_is_on_record() {
    let it = Running::start(CHAT).await;
    let path = "/v1/notify/targets/chat/enable";
    let auditor = it.create_token(r#"{"scope":"auditor"}"#).await;
    assert_eq!(it.post(path, &it.agent, "{}").await.status, 403);
    assert_eq!(it.post(path, &auditor, "{}").await.status, 403);
    let nobody = it.post("/v1/notify/targets/mail/enable", &it.admin, "{}").await;
    assert_eq!(nobody.problem().0, 404);

    let operator = it.create_token(r#"{"scope":"operator"}"#).await;
    let reply = it.post(path, &operator, "{}").await;
    let enabled = reply.json();
    assert_eq!((reply.status, &enabled["name"]), (200, &json!("chat")), "{enabled}");
    assert_eq!(enabled["record"]["durability"], "durable");
    for _ in 0..2000 {
        let events = it.get(EVENTS, &auditor).await.json();
        let Some(event) = events["items"].get(0) else { continue };
        assert_eq!(events["items"].as_array().unwrap().len(), 1, "the others are no change");
        assert_eq!(event["payload"]["target"], "chat");
        let actor = event["payload"]["actor"].as_str().unwrap();
        assert!(actor.starts_with("tok_") && operator.contains(&actor[4..]), "{actor}");
        return;
    }
    panic!("it never comes");
}
