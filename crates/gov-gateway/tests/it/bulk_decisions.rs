//! `POST /v1/approvals/decisions`: many at once, each by itself.

use serde_json::{Value, json};

use crate::{check_door::ASKED, deciders::Deciding, http::Reply};

const PATH: &str = "/v1/approvals/decisions";
const NOBODY: &str = "apr_00000000000000000000000000000000";

async fn ask_for(it: &Deciding, what: &str) -> (String, Value) {
    let json = it.it.check_command(&format!("{ASKED} {what}")).await.json();
    let id = json["approval"]["id"].as_str().unwrap().to_owned();
    let digest = it.approval(&id).await["digest"].clone();
    (id, digest)
}

async fn decide(it: &Deciding, token: &str, items: &Value) -> Reply {
    it.it.post(PATH, token, &json!({ "items": items }).to_string()).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_bad_id_does_not_spoil_the_rest_and_is_reported_by_id() {
    let it = Deciding::start("").await;
    let (a, digest_a) = ask_for(&it, "a").await;
    let (b, digest_b) = ask_for(&it, "b").await;
    let (c, digest_c) = ask_for(&it, "c").await;
    let items = json!([
        {"id": a, "decision": "approve", "digest": digest_a, "comment": "go on"},
        {"id": NOBODY, "decision": "approve", "digest": digest_a},
        {"id": "apr_1", "decision": "approve", "digest": digest_a},
        {"id": b, "decision": "approve", "digest": digest_a},
        {"id": b, "decision": "yes", "digest": digest_b},
        {"id": c, "decision": "reject", "digest": digest_c},
        7,
        {"decision": "approve", "digest": digest_a},
        {"id": c, "decision": "approve", "digest": digest_c},
    ]);
    let reply = decide(&it, &it.ann, &items).await;
    let json = reply.json();
    assert_eq!(reply.status, 200, "{json}");
    let answers = json["items"].as_array().unwrap();
    assert_eq!(answers.len(), 9, "{json}");
    for (index, id, code, field) in [
        (1, json!(NOBODY), "not-found", "id"),
        (2, json!("apr_1"), "bad-field", "id"),
        (3, json!(b), "conflict", "digest"),
        (4, json!(b), "bad-field", "decision"),
        (6, json!(null), "bad-field", "id"),
        (7, json!(null), "bad-field", "id"),
        // Alone it would have come too late as well.
        (8, json!(c), "conflict", "status"),
    ] {
        let answer = &answers[index];
        assert_eq!((&answer["id"], answer.get("decided")), (&id, None), "{index}: {answer}");
        let problem = &answer["problem"];
        assert_eq!((&problem["code"], &problem["field"]), (&json!(code), &json!(field)), "{index}");
        assert_eq!(problem["type"], format!("urn:gov:problem:{code}"));
    }
    for (index, id, status) in [(0, &a, "approved"), (5, &c, "rejected")] {
        let answer = &answers[index];
        assert_eq!((&answer["id"], answer.get("problem")), (&json!(id), None), "{index}: {answer}");
        assert_eq!(answer["decided"]["status"], status);
        assert_eq!(answer["decided"]["record"]["durability"], "durable");
    }
    let view = it.approval(&a).await;
    assert_eq!(view["answer"]["actor"], it.ann_id.to_string());
    assert_eq!(view["answer"]["comment"], "go on");
    assert_eq!(it.approval(&b).await["status"], "pending");
    assert_eq!(it.approval(&c).await["status"], "rejected");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_are_decided_about_at_once_and_no_more() {
    let it = Deciding::start("").await;
    let (id, digest) = ask_for(&it, "a").await;
    let item = json!({"id": id, "decision": "approve", "digest": digest});
    let reply = decide(&it, &it.ann, &json!(vec![item.clone(); 101])).await;
    let (status, _, field, json) = reply.problem();
    assert_eq!((status, &*field), (422, "items"), "{json}");
    assert_eq!((&json["limit"], &json["received"]), (&json!(100), &json!("101")));
    assert_eq!(it.approval(&id).await["status"], "pending");
    let json = decide(&it, &it.ann, &json!(vec![item; 100])).await.json();
    let decided = json["items"].as_array().unwrap().iter().filter(|it| it["decided"].is_object());
    assert_eq!(decided.count(), 1, "each of the others comes too late");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_of_many_is_decided_about_by_who_may() {
    let rungs = "[chains.default]\n[[chains.default.rungs]]\nroles = [\"ops\"]\n";
    let it = Deciding::start(rungs).await;
    let (id, digest) = ask_for(&it, "a").await;
    let items = json!([{"id": id, "decision": "approve", "digest": digest}]);
    let json = decide(&it, &it.bob, &items).await.json();
    assert_eq!(json["items"][0]["problem"]["field"], "person", "{json}");
    for token in [&it.it.agent, &it.it.admin] {
        let (status, _, field, _) = decide(&it, token, &items).await.problem();
        assert_eq!((status, &*field), (403, "scope"));
    }
    assert_eq!(decide(&it, "", &items).await.problem().0, 401);
    assert_eq!(it.approval(&id).await["status"], "pending");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_is_no_list_of_decisions_is_refused_whole() {
    let it = Deciding::start("").await;
    for (body, status, field, detail) in [
        ("{", 400, "", "EOF"),
        ("[]", 422, "body", "must be an object with `items`"),
        ("{}", 422, "items", "missing field `items`"),
        (r#"{"items":{}}"#, 422, "items", "must be a list"),
        (r#"{"items":[]}"#, 422, "items", "1 to 100 decisions"),
        (r#"{"items":[{}],"person":"Ann"}"#, 422, "person", "unknown field `person`"),
    ] {
        let (got, _, got_field, json) = it.it.post(PATH, &it.ann, body).await.problem();
        assert_eq!((got, &*got_field), (status, field), "{body}: {json}");
        assert!(json["detail"].as_str().unwrap().contains(detail), "{body}: {json}");
    }
}
