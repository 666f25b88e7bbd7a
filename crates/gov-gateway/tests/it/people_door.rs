//! `/v1/people` and `/v1/agents`: who decides, and whose agents they are.

use serde_json::{Value, json};

use crate::{
    check_door::ALLOWED,
    running::{AGENT, Running},
};

async fn add(it: &Running, body: &str) -> Value {
    let reply = it.post("/v1/people", &it.admin, body).await;
    assert_eq!(reply.status, 201, "{reply:?}");
    reply.json()
}

#[tokio::test]
async fn a_person_is_added_changed_and_listed_and_every_change_is_in_the_log() {
    let it = Running::start("").await;
    let ann = add(&it, r#"{"name":"Ann Öz","roles":["security","ops","ops"]}"#).await;
    assert_eq!(ann["roles"], json!(["ops", "security"]), "in order, each once");
    assert_eq!(ann["record"]["durability"], "durable");
    let path = format!("/v1/people/{}", ann["id"].as_str().unwrap());
    let changed = it.post(&path, &it.admin, r#"{"roles":["lead"]}"#).await.json();
    assert_eq!((&changed["roles"], &changed["disabled_at"]), (&json!(["lead"]), &Value::Null));
    // By name it is the same person.
    let disabled = it.post("/v1/people/Ann%20%C3%96z", &it.admin, r#"{"disabled":true}"#).await;
    assert_eq!(disabled.json()["id"], ann["id"]);
    let list = it.get("/v1/people", &it.admin).await.json();
    assert_eq!(list["next"], Value::Null);
    assert_eq!(list["items"].as_array().unwrap().len(), 1);
    assert_eq!(list["items"][0]["roles"], json!(["lead"]));
    assert!(list["items"][0]["disabled_at"].is_string(), "{list}");

    let (_, home) = it.stop().await;
    let log = rusqlite::Connection::open(home.path().join("gov/audit-log.db")).unwrap();
    let entries = "select entry from audit_log_entry order by seq";
    let mut entries = log.prepare(entries).unwrap();
    let entries: Vec<String> = entries
        .query_map([], |row| row.get::<_, Vec<u8>>(0))
        .unwrap()
        .map(|it| String::from_utf8(it.unwrap()).unwrap())
        .collect();
    let of = |id: &Value| {
        let id = id.as_str().unwrap();
        entries.iter().find(|it| it.contains(id)).unwrap_or_else(|| panic!("{id}: {entries:?}"))
    };
    assert!(of(&ann["record"]["id"]).contains("person.added"));
    assert!(of(&changed["record"]["id"]).contains("person.changed"));
    assert!(of(&disabled.json()["record"]["id"]).contains("person.disabled"));
    assert!(!entries.iter().any(|it| it.contains("Ann")), "names are erasable, so in no entry");
}

#[tokio::test]
async fn the_tokens_of_a_disabled_person_are_refused_at_once_and_good_again_after() {
    let it = Running::start("").await;
    add(&it, r#"{"name":"Ann","roles":["ops"]}"#).await;
    let token = it.create_token(r#"{"scope":"approver","person":"Ann"}"#).await;
    let me = it.get("/v1/whoami", &token).await.json();
    assert_eq!((&me["person"]["name"], &me["scope"]), (&json!("Ann"), &json!("approver")));
    it.post("/v1/people/Ann", &it.admin, r#"{"disabled":true}"#).await;
    let (status, code, _, json) = it.get("/v1/whoami", &token).await.problem();
    assert_eq!((status, &*code), (401, "unauthenticated"));
    assert!(json["detail"].as_str().unwrap().contains("was disabled at"), "{json}");
    let another = it.post("/v1/tokens", &it.admin, r#"{"scope":"approver","person":"Ann"}"#).await;
    let (status, _, field, _) = another.problem();
    assert_eq!((status, &*field), (422, "person"), "no token for one who may not decide");
    it.post("/v1/people/Ann", &it.admin, r#"{"disabled":false}"#).await;
    assert_eq!(it.get("/v1/whoami", &token).await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_is_listed_and_given_owners() {
    let it = Running::start("").await;
    assert_eq!(it.check_command(ALLOWED).await.status, 200);
    let ann = add(&it, r#"{"name":"Ann"}"#).await;
    let path = format!("/v1/agents/{AGENT}/owners");
    let owned = it.put(&path, &it.admin, r#"{"owners":["Ann"]}"#).await.json();
    assert_eq!(owned["owners"], json!([{"id": ann["id"], "name": "Ann"}]));
    assert_eq!(owned["record"]["durability"], "durable");
    let list = it.get("/v1/agents", &it.admin).await.json();
    assert_eq!(list["items"][0]["owners"], owned["owners"]);
    let nobody = it.put(&path, &it.admin, r#"{"owners":[]}"#).await.json();
    assert_eq!(nobody["owners"], json!([]));
    let (status, _, field, _) =
        it.put("/v1/agents/team%2Fx/owners", &it.admin, r#"{"owners":[]}"#).await.problem();
    assert_eq!((status, &*field), (404, "id"));
    let (status, ..) = it.put(&path, &it.admin, r#"{"owners":["Bob"]}"#).await.problem();
    assert_eq!(status, 404);
}

#[tokio::test]
async fn only_an_admin_changes_people_and_agents() {
    let it = Running::start("").await;
    let operator = it.create_token(r#"{"scope":"operator"}"#).await;
    for reply in [
        it.post("/v1/people", &operator, r#"{"name":"Ann"}"#).await,
        it.post("/v1/people/Ann", &operator, r#"{"roles":[]}"#).await,
        it.put("/v1/agents/a/owners", &operator, r#"{"owners":[]}"#).await,
        it.get("/v1/people", &it.agent).await,
        it.get("/v1/agents", &it.agent).await,
    ] {
        let (status, code, field, _) = reply.problem();
        assert_eq!((status, &*code, &*field), (403, "forbidden", "scope"));
    }
    for path in ["/v1/people", "/v1/agents"] {
        assert_eq!(it.get(path, &operator).await.status, 200, "{path}");
    }
}

#[tokio::test]
async fn what_cannot_be_a_person_is_refused_by_its_field() {
    let it = Running::start("").await;
    add(&it, r#"{"name":"Ann"}"#).await;
    for (path, body, status, field) in [
        ("/v1/people", "[]", 422, "body"),
        ("/v1/people", "{}", 422, "name"),
        ("/v1/people", r#"{"name":"per_1"}"#, 422, "name"),
        ("/v1/people", r#"{"name":" x"}"#, 422, "name"),
        ("/v1/people", r#"{"name":"Bob","roles":"ops"}"#, 422, "roles"),
        ("/v1/people", r#"{"name":"Bob","roles":[""]}"#, 422, "roles"),
        ("/v1/people", r#"{"name":"Bob","age":3}"#, 422, "age"),
        ("/v1/people", r#"{"name":"Ann"}"#, 409, "name"),
        ("/v1/people/Ann", "{}", 422, "body"),
        ("/v1/people/Ann", r#"{"disabled":"yes"}"#, 422, "disabled"),
        ("/v1/people/Bob", r#"{"disabled":true}"#, 404, "id"),
    ] {
        let (got, _, got_field, json) = it.post(path, &it.admin, body).await.problem();
        assert_eq!((got, &*got_field), (status, field), "{path} {body}: {json}");
    }
}

#[tokio::test]
async fn a_person_is_one_member_in_slack_and_no_other_is_that() {
    let it = Running::start("").await;
    add(&it, r#"{"name":"Ann"}"#).await;
    add(&it, r#"{"name":"Bob"}"#).await;
    let (ann, bob) = ("/v1/people/Ann/slack", "/v1/people/Bob/slack");
    let tied = it.put(ann, &it.admin, r#"{"slack_user":"U024BE7LH"}"#).await.json();
    assert_eq!((&tied["name"], &tied["slack_user"]), (&json!("Ann"), &json!("U024BE7LH")));
    assert_eq!(tied["record"]["durability"], "durable");
    for (path, body, status, field) in [
        (bob, r#"{"slack_user":"U024BE7LH"}"#, 409, "slack_user"),
        (bob, r#"{"slack_user":"@bob"}"#, 422, "slack_user"),
        (bob, r#"{"slack_user":7}"#, 422, "slack_user"),
        (bob, "{}", 422, "slack_user"),
        (bob, r#"{"slack_user":null,"name":"x"}"#, 422, "name"),
        ("/v1/people/Kim/slack", r#"{"slack_user":null}"#, 404, "id"),
    ] {
        let (got, _, got_field, json) = it.put(path, &it.admin, body).await.problem();
        assert_eq!((got, &*got_field), (status, field), "{path} {body}: {json}");
    }
    let operator = it.create_token(r#"{"scope":"operator"}"#).await;
    assert_eq!(it.put(ann, &operator, r#"{"slack_user":null}"#).await.status, 403);
    assert_eq!(it.get("/v1/people", &operator).await.json()["items"][0]["slack_user"], "U024BE7LH");
    it.put(ann, &it.admin, r#"{"slack_user":null}"#).await;
    assert_eq!(it.put(bob, &it.admin, r#"{"slack_user":"U024BE7LH"}"#).await.status, 200);
    let list = it.get("/v1/people", &operator).await.json();
    assert_eq!(list["items"][0].get("slack_user"), None);
}
