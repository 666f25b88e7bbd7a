//! Who decides for a person who is away: who names them, and what is not accepted.

use serde_json::{Value, json};

use crate::{
    approval_commands::Desk,
    check_door::ASKED,
    deciders::Deciding,
    http::{self, Reply},
    process::Place,
};

const LATER: &str = "2999-01-01T00:00:00.000000Z";
const EVEN_LATER: &str = "2999-02-01T00:00:00.000000Z";

async fn name(it: &Deciding, who: &str, token: &str, body: &Value) -> Reply {
    it.it.post(&format!("/v1/people/{who}/stand-ins"), token, &body.to_string()).await
}

async fn end(it: &Deciding, who: &str, token: &str) -> Reply {
    let headers = [format!("host: {}", it.it.address), format!("authorization: Bearer {token}")];
    let start = format!("DELETE /v1/people/{who}/stand-ins");
    http::send(it.it.address, &start, &headers, b"").await
}

/// Ann as the list of people shows her.
async fn ann(it: &Deciding) -> Value {
    let list = it.it.get("/v1/people", &it.it.admin).await.json();
    let items = list["items"].as_array().unwrap();
    items.iter().find(|it| it["name"] == "Ann").unwrap().clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_person_names_who_decides_for_them_and_comes_back() {
    let it = Deciding::start("").await;
    let named = name(&it, "Ann", &it.ann, &json!({"stand_in": "Bob", "until": LATER})).await;
    let json = named.json();
    assert_eq!(named.status, 201, "{json}");
    assert_eq!((&json["name"], &json["record"]["durability"]), (&json!("Ann"), &json!("durable")));
    let period = &json["stand_ins"][0];
    assert_eq!((&period["name"], &period["until"]), (&json!("Bob"), &json!(LATER)));
    // An admin says so too, and by id.
    let ahead = json!({"stand_in": "Kim", "from": LATER, "until": EVEN_LATER});
    let json = name(&it, &it.ann_id.to_string(), &it.it.admin, &ahead).await.json();
    assert_eq!(json["stand_ins"].as_array().unwrap().len(), 2, "{json}");
    assert_eq!(ann(&it).await["stand_ins"], json["stand_ins"]);

    let back = end(&it, "Ann", &it.ann).await;
    assert_eq!((back.status, back.json().get("stand_ins")), (200, None), "also what lay ahead");
    assert_eq!(ann(&it).await.get("stand_ins"), None);
    let (status, _, field, json) = end(&it, "Ann", &it.ann).await.problem();
    assert_eq!((status, &*field), (409, "id"), "{json}");
    assert!(json["detail"].as_str().unwrap().contains("nobody stands in for `Ann`"), "{json}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_stands_in_decides_in_that_right_and_no_longer_than_that() {
    let it =
        Deciding::start("[chains.default]\n[[chains.default.rungs]]\nroles = [\"ops\"]\n").await;
    let id = it.ask().await;
    assert_eq!(it.decide(&id, &it.bob, "approve").await.status, 403);
    let body = json!({"stand_in": "Bob", "until": LATER});
    assert_eq!(name(&it, "Ann", &it.ann, &body).await.status, 201);
    assert_eq!(it.decide(&id, &it.bob, "approve").await.status, 200);
    let approval = it.approval(&id).await;
    assert_eq!(approval["votes"][0]["seat"], json!(it.ann_id), "{approval}");
    assert_ne!(approval["votes"][0]["person"], json!(it.ann_id), "both are named");

    assert_eq!(end(&it, "Ann", &it.ann).await.status, 200);
    let next = it.it.check_command(ASKED).await.json();
    assert_eq!(next["decision"], "allow", "what was approved is used: {next}");
    let id = it.ask().await;
    assert_eq!(it.decide(&id, &it.bob, "approve").await.status, 403);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_names_a_stand_in_for_another_person() {
    let it = Deciding::start("").await;
    let body = json!({"stand_in": "Bob", "until": LATER});
    let operator = it.it.create_token(r#"{"scope":"operator"}"#).await;
    for (who, token, field) in [
        ("Ann", &it.bob, "person"),
        ("Nobody", &it.bob, "person"),
        ("Ann", &operator, "scope"),
        ("Ann", &it.it.agent, "scope"),
    ] {
        for reply in [name(&it, who, token, &body).await, end(&it, who, token).await] {
            let (status, code, got, json) = reply.problem();
            assert_eq!((status, &*code, &*got), (403, "forbidden", field), "{who}: {json}");
        }
    }
    assert_eq!(ann(&it).await.get("stand_ins"), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stand_in_is_another_person_who_may_decide_for_a_time_that_ends() {
    let it = Deciding::start("").await;
    it.it.post("/v1/people/Kim", &it.it.admin, r#"{"disabled":true}"#).await;
    for (who, body, status, field, detail) in [
        ("Ann", json!([]), 422, "body", "must be an object"),
        ("Ann", json!({"until": LATER}), 422, "stand_in", "missing field"),
        ("Ann", json!({"stand_in": 7, "until": LATER}), 422, "stand_in", "must be a text"),
        ("Ann", json!({"stand_in": "Bob"}), 422, "until", "every stand-in ends"),
        ("Ann", json!({"stand_in": "Bob", "until": "tomorrow"}), 422, "until", "must look like"),
        ("Ann", json!({"stand_in": "Bob", "until": LATER, "x": 1}), 422, "x", "unknown field"),
        ("Ann", json!({"stand_in": "Ann", "until": LATER}), 422, "stand_in", "another person"),
        ("Ann", json!({"stand_in": "Kim", "until": LATER}), 422, "stand_in", "who may decide"),
        ("Ann", json!({"stand_in": "Zoe", "until": LATER}), 422, "stand_in", "who may decide"),
        ("Kim", json!({"stand_in": "Ann", "until": LATER}), 422, "id", "nothing to hand on"),
        ("Zoe", json!({"stand_in": "Ann", "until": LATER}), 404, "id", "no person `Zoe`"),
        (
            "Ann",
            json!({"stand_in": "Bob", "until": "2001-01-01T00:00:00.000000Z"}),
            422,
            "until",
            "must be later than",
        ),
        (
            "Ann",
            json!({"stand_in": "Bob", "from": EVEN_LATER, "until": LATER}),
            422,
            "until",
            "must be later than",
        ),
    ] {
        let (got, _, got_field, json) = name(&it, who, &it.it.admin, &body).await.problem();
        assert_eq!((got, &*got_field), (status, field), "{who} {body}: {json}");
        assert!(json["detail"].as_str().unwrap().contains(detail), "{body}: {json}");
    }
    let body = json!({"stand_in": "Bob", "from": LATER, "until": EVEN_LATER});
    assert_eq!(name(&it, "Ann", &it.it.admin, &body).await.status, 201);
    let (status, _, field, json) = name(&it, "Ann", &it.it.admin, &body).await.problem();
    assert_eq!((status, &*field), (409, "stand_in"), "{json}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_more_than_twenty_periods_of_one_person_lie_ahead() {
    let it = Deciding::start("").await;
    for day in 1..=20 {
        let from = format!("2999-01-{day:02}T00:00:00.000000Z");
        let body = json!({"stand_in": "Bob", "from": from, "until": EVEN_LATER});
        assert_eq!(name(&it, "Ann", &it.ann, &body).await.status, 201);
    }
    let body = json!({"stand_in": "Bob", "until": EVEN_LATER});
    let (status, _, field, json) = name(&it, "Ann", &it.ann, &body).await.problem();
    assert_eq!((status, &*field), (422, "stand_in"), "{json}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_has_logged_in_says_at_the_command_line_that_they_are_away() {
    let it = Desk::start().await;
    it.log_in(&it.it.ann).await;
    let away = it.gov(&["people", "away", "Ann", "--stand-in", "Bob", "--until", LATER]);
    let ran = it.run(away).await;
    assert!(ran.code == 0 && ran.out.contains("Bob stands in from "), "{ran:?}");
    let bobs = it.gov(&["people", "back", "Bob"]);
    it.run(bobs).await.failed(2, "only the person themselves, or an admin");
    let ran = it.run(it.gov(&["people", "back", "Ann"])).await;
    assert!(ran.code == 0 && !ran.out.contains("stands in"), "{ran:?}");
    let mut inherited = it.gov(&["people", "back", "Ann"]);
    inherited.env("GOV_TOKEN", &it.it.ann);
    it.run(inherited).await.failed(2, "GOV_TOKEN holds an approver's token");
}

#[test]
fn people_are_away_on_the_files_while_no_server_runs() {
    let place = Place::new();
    for arguments in [&["init"][..], &["people", "add", "Ann"], &["people", "add", "Bob"]] {
        assert_eq!(place.run(arguments).code, 0);
    }
    let away = ["people", "away", "Ann", "--stand-in", "Bob", "--from", LATER, "--until"];
    place.run(&[&away[..], &[LATER]].concat()).failed(2, "`until` must be later than");
    let ran = place.run(&[&away[..], &[EVEN_LATER]].concat());
    let period = format!("Bob stands in from {LATER} until {EVEN_LATER}");
    assert!(ran.code == 0 && ran.out.contains(&period), "{ran:?}");
    assert!(place.run(&["people", "list"]).out.contains(&period));
    assert!(!place.run(&["people", "back", "Ann"]).out.contains("stands in"));
    place.run(&["people", "back", "Ann"]).failed(2, "nobody stands in for `Ann`");
}
