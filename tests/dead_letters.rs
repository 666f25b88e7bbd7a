//! Dead letters of a real server: handed in again by its start, shown, handed in again by hand,
//! given up.

use serde_json::{Value, json};

use crate::{
    exported::entries,
    place::Place,
    server::{Reply, Server},
};

const RECORD: &str = "rec_0000000000000000000000000000000";

/// What could deceive a terminal.
const WHY: &str = "bad \u{1b}[2Jend";

/// Puts a record among the dead letters of a log at rest, as a build would that could not log it.
pub(crate) fn bury(place: &Place, number: u8, policy_version: &str) -> String {
    let log = rusqlite::Connection::open(place.data_dir().join("audit-log.db")).unwrap();
    let mut id = [0; 16];
    id[15] = number;
    let row = rusqlite::params![id, policy_version, [7_u8; 16], WHY, number];
    let sql = "insert into audit_log_dead_letter (record_id, at, kind, policy_version, salt,
                   payload, why, dead_at)
               values (?1, 1767225600000000, 'agent.registered', ?2, ?3,
                   cast('{\"left\":\"\u{202e}me\"}' as blob), ?4, 1767225600000000 + ?5)";
    log.execute(sql, row).unwrap();
    format!("{RECORD}{number}")
}

fn letters(server: &Server, token: &str) -> Vec<String> {
    let reply = server.get(token, "/v1/audit/dlq");
    assert_eq!((reply.status, &reply.json["next"]), (200, &Value::Null), "{reply:?}");
    let items = reply.json["items"].as_array().unwrap();
    items.iter().map(|it| it["id"].as_str().unwrap().to_owned()).collect()
}

/// The health of the log, once it is what it should be: the start hands letters in beside the rest.
fn log_is(server: &Server, state: &str) -> Value {
    for _ in 0..2000 {
        let ready = server.get("", "/readyz").json;
        let parts = ready["parts"].as_array().unwrap();
        let log = parts.iter().find(|it| it["name"] == "audit_log").unwrap();
        if log["state"] == state {
            return log.clone();
        }
        std::thread::yield_now();
    }
    panic!("the log never was {state}");
}

fn code(reply: &Reply) -> (u16, &str) {
    (reply.status, reply.json["code"].as_str().unwrap_or_default())
}

#[test]
fn what_passed_is_logged_at_the_start_and_what_did_not_is_given_up_by_a_person() {
    let place = Place::new();
    let (admin, auditor, agent) = (place.admin_token(), place.auditor_token(), place.agent_token());
    place.serve("").stop();
    let well = bury(&place, 1, "1");
    let ill = bury(&place, 2, "18446744073709551615");
    let worse = bury(&place, 3, "18446744073709551614");

    let server = place.serve("");
    let log = log_is(&server, "degraded");
    assert!(log["reason"].as_str().unwrap().contains("lie in the dead letters"), "{log}");
    // The start hands in all three, and says of two that they stay.
    let both = [ill.clone(), worse.clone()];
    let settled = (0..2000).any(|_| letters(&server, &auditor) == both);
    assert!(settled, "{:?}", letters(&server, &auditor));

    let page = server.get(&auditor, "/v1/audit/dlq?limit=1").json;
    assert_eq!((&page["items"][0]["id"], page["items"][0].get("payload")), (&json!(ill), None));
    let next = page["next"].as_str().unwrap();
    let page = server.get(&auditor, &format!("/v1/audit/dlq?limit=1&cursor={next}")).json;
    assert_eq!((&page["items"][0]["id"], &page["next"]), (&json!(worse), &Value::Null), "{page}");

    let shown = server.get(&auditor, &format!("/v1/audit/dlq/{ill}")).json;
    assert_eq!(shown["payload"], json!({"left": "\u{202e}me"}), "{shown}");
    assert_eq!(shown["policy_version"], "18446744073709551615");
    assert_eq!((&shown["lies"], &shown["kind"]), (&json!("table"), &json!("agent.registered")));
    let why = shown["why"].as_str().unwrap();
    assert_ne!(why, WHY, "it was asked again at the start");

    let replay = format!("/v1/audit/dlq/{ill}/replay");
    let again = server.post(&admin, &replay, &Value::Null);
    assert_eq!((again.status, &again.json), (200, &json!({"id": ill, "why": why})));
    // One that is in the log already tells where.
    let logged = server.post(&admin, &format!("/v1/audit/dlq/{well}/replay"), &Value::Null);
    assert_eq!((logged.status, logged.json["seq"].is_u64()), (200, true), "{logged:?}");

    let discard = format!("/v1/audit/dlq/{ill}/discard");
    let reason = json!({"reason": "a version that never was"});
    let given_up = server.post(&admin, &discard, &reason);
    assert_eq!((given_up.status, &given_up.json["id"]), (200, &json!(ill)), "{given_up:?}");
    let record = given_up.json["record"].clone();
    assert_eq!(
        server.post(&admin, &discard, &reason).json["record"],
        record,
        "a repeat is the same"
    );
    assert_eq!(letters(&server, &auditor), [&*worse]);
    let given_up = server.post(&admin, &format!("/v1/audit/dlq/{worse}/discard"), &reason);
    assert_eq!(given_up.status, 200, "{given_up:?}");
    assert_eq!(letters(&server, &auditor), [""; 0]);
    log_is(&server, "healthy");

    for (token, status) in [(&auditor, 403), (&agent, 403), (&String::new(), 401)] {
        for route in [&replay, &discard] {
            assert_eq!(server.post(token, route, &reason).status, status, "{route}");
        }
    }
    assert_eq!(server.get(&agent, "/v1/audit/dlq").status, 403);
    let unknown = format!("{RECORD}9");
    let get = server.get(&auditor, &format!("/v1/audit/dlq/{unknown}"));
    assert_eq!(code(&get), (404, "not-found"), "{get:?}");
    let post = |id: &str, what: &str, body| {
        server.post(&admin, &format!("/v1/audit/dlq/{id}/{what}"), &body)
    };
    assert_eq!(code(&post(&unknown, "replay", Value::Null)), (404, "not-found"));
    assert_eq!(code(&post(&unknown, "discard", reason.clone())), (404, "not-found"));
    assert_eq!(code(&post(&well, "discard", reason)), (409, "conflict"), "it is in the log");
    for body in
        [json!({}), json!({"reason": ""}), json!({"reason": 1}), json!({"reason": "x", "y": 1})]
    {
        assert_eq!(code(&post(&unknown, "discard", body.clone())), (422, "bad-field"), "{body}");
    }
    for question in ["?limit=0", "?limit=201", "?cursor=x", "?status=dead", "?limit=1&limit=2"] {
        let refused = server.get(&auditor, &format!("/v1/audit/dlq{question}"));
        assert_eq!(code(&refused), (422, "bad-field"), "{question}: {refused:?}");
    }
    assert_eq!(code(&server.get(&auditor, "/v1/audit/dlq/rec_1")), (422, "bad-field"));
    server.stop();

    place.verify(&[]).ok();
    let entries = entries(&place.export());
    let of = |id: &str| entries.iter().filter(|it| it["id"] == id).count();
    assert_eq!((of(&well), of(&ill), of(&worse)), (1, 0, 0));
    assert_eq!(of(record["id"].as_str().unwrap()), 1);
    let discarded = entries.iter().filter(|it| it["kind"] == "audit.dead_letter_discarded");
    assert_eq!(discarded.count(), 2);
}
