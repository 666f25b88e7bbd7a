//! The refusal path: asked over HTTP, judged by a starter policy, on record, proven to outsiders.

use serde_json::json;

use crate::{
    exported::{entries, refusals},
    judge::judge,
    place::{AGENT, Place},
    server::{ALLOWED, REFUSED, WARNED},
};

#[test]
fn a_refusal_is_in_the_log_that_outsiders_accept_while_the_server_runs() {
    let place = Place::new();
    let token = place.agent_token();
    let server = place.serve("");
    for (command, decision) in [(ALLOWED, "allow"), (WARNED, "warn")] {
        let reply = server.check(&token, command);
        assert_eq!((reply.status, &reply.json["decision"]), (200, &json!(decision)), "{reply:?}");
        assert_eq!(reply.json.get("record"), None, "{reply:?}");
    }
    let refused = server.check(&token, REFUSED);
    assert_eq!((refused.status, &refused.json["decision"]), (200, &json!("refuse")));
    assert_eq!(refused.json["rule_id"], "refuse-recursive-delete-outside-cwd");

    place.verify(&[]).ok();
    let export = place.export();
    place.verify_export(&export, &[]).ok();
    let entries = entries(&export);
    assert_eq!(refusals(&entries), [refused.record()], "{entries:?}");
    let index = usize::try_from(refused.json["record"]["index"].as_u64().unwrap()).unwrap();
    let entry = &entries[index];
    assert_eq!((&entry["id"], &entry["agent"]), (&refused.json["record"]["id"], &json!(AGENT)));
    for field in ["rule_id", "reason", "decision", "policy_version"] {
        assert_eq!(entry[field], refused.json[field], "{field}");
    }
    if let Some(judged) = judge(&export) {
        assert_eq!(judged.ok().out, format!("{} records ok\n", entries.len()));
    }
    server.stop();
    place.verify(&[]).ok();
}

#[test]
fn an_export_is_brought_up_to_date_by_exporting_again() {
    let place = Place::new();
    let token = place.agent_token();
    let server = place.serve("");
    let mut known = Vec::new();
    for _ in 0..3 {
        known.push(server.check(&token, REFUSED).record());
        let export = place.export();
        assert_eq!(refusals(&entries(&export)), known);
        place.verify_export(&export, &[]).ok();
        if let Some(judged) = judge(&export) {
            judged.ok();
        }
    }
}
