//! `gov audit buffer`, as an operator runs it.

use rustix::process::Signal;
use serde_json::Value;

use crate::process::{Place, Ran};

/// A sink that nobody listens for.
const AWAY: &str = "[buffer]\nsink = \"http\"\nurl = \"http://127.0.0.1:9/\"\n";

fn items(ran: &Ran) -> Vec<Value> {
    assert_eq!(ran.code, 0, "{ran:?}");
    ran.out.lines().map(|it| serde_json::from_str(it).unwrap()).collect()
}

/// A directory in whose buffer something waits.
fn left() -> (Place, String) {
    let place = Place::new();
    assert_eq!(place.run(&["init"]).code, 0);
    let config = place.write("gov.toml", AWAY).to_str().unwrap().to_owned();
    let ran = place.run(&["tokens", "create", "--scope", "agent", "--agent", "a"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let server = place.serve(&["--config", &config]);
    let (code, said) = server.end(Signal::TERM);
    assert_eq!(code, Some(10), "{said}");
    assert!(said.contains("audit events wait in the buffer"), "{said}");
    (place, config)
}

#[test]
fn what_waits_is_shown_at_rest_and_beside_a_server() {
    let (place, config) = left();
    let status = place.run(&["audit", "buffer", "status"]);
    assert_eq!(status.code, 0, "{status:?}");
    assert!(status.out.contains("waiting         "), "{status:?}");
    let json = &items(&place.run(&["audit", "buffer", "status", "--json"]))[0];
    let waiting = json["waiting"].as_u64().unwrap();
    assert!(waiting >= 1 && json.get("running").is_none(), "{json}");
    let peeked = items(&place.run(&["audit", "buffer", "peek", "--json"]));
    assert_eq!((peeked.len() as u64, &peeked[0]["seq"]), (waiting, &Value::from(1)));
    let text = place.run(&["audit", "buffer", "peek", "--limit", "1"]);
    assert_eq!(text.out.lines().count(), 1, "{text:?}");

    let ran = place.run(&["tokens", "create", "--scope", "operator", "--json"]);
    let token: Value = serde_json::from_str(&ran.out).unwrap();
    let server = place.serve(&["--config", &config]);
    let url = server.url();
    let asking = [("GOV_URL", url.as_str()), ("GOV_TOKEN", token["token"].as_str().unwrap())];
    let ran = place.run_with(&asking, &["audit", "buffer", "status", "--json"]);
    let json = &items(&ran)[0];
    assert_eq!(json["running"]["sink"], "http", "{json}");
    assert!(json["waiting"].as_u64() >= Some(waiting), "{json}");
    let ran = place.run_with(&asking, &["audit", "buffer", "dead-letters"]);
    assert_eq!((ran.code, &*ran.out), (0, "the sink took everything\n"), "{ran:?}");
    let ran = place.run_with(&asking, &["audit", "buffer", "replay", "--all"]);
    assert_eq!((ran.code, &*ran.out), (0, "dead letters sent once more: 0\n"), "{ran:?}");
    let beside = place.run(&["audit", "buffer", "replay", "--all"]);
    beside.failed(3, "a server runs on these files; ask it over HTTP");
    let ran = place.run(&["audit", "buffer", "salvage", "any"]);
    ran.failed(3, "is in use by process");
    assert!(!ran.err.contains("GOV_URL"), "no server has a door for that: {ran:?}");
    let unsaid = place.run(&["audit", "buffer", "discard"]);
    assert_eq!((unsaid.code, unsaid.err.contains("<ID|--all>")), (2, true), "{unsaid:?}");
    let unknown = "evt_00000000000000000000000000000001";
    let ran = place.run_with(&asking, &["audit", "buffer", "discard", unknown]);
    assert_eq!(ran.code, 1, "an id that names none: {ran:?}");
}

#[test]
fn where_there_is_no_buffer_the_way_to_one_is_said() {
    let place = Place::new();
    assert_eq!(place.run(&["init"]).code, 0);
    let ran = place.run(&["audit", "buffer", "status"]);
    ran.failed(3, "holds no audit buffer; a server with a `buffer.sink` makes it");
}

#[test]
fn a_secret_that_others_can_read_stops_the_start_with_the_way_out() {
    use std::{fs::Permissions, os::unix::fs::PermissionsExt as _};
    let place = Place::new();
    let token = place.write("token", "hunter22\n");
    std::fs::set_permissions(&token, Permissions::from_mode(0o644)).unwrap();
    let text = format!(
        "[buffer]\nsink = \"nats\"\nurl = \"nats://127.0.0.1:9\"\ntoken_file = '{}'\n",
        token.display()
    );
    let config = place.write("gov.toml", &text);
    let ran = place.serve_in_vain(&["--config", config.to_str().unwrap()]);
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(ran.err.contains("must have mode 0600; received 0644"), "{ran:?}");
    assert!(!ran.err.contains("hunter22"), "{ran:?}");
}

#[test]
fn certificates_that_are_not_there_stop_the_start_also_where_no_tls_is_asked_for() {
    let place = Place::new();
    for key in ["ca_file", "certificate_file"] {
        let text = format!(
            "[buffer]\nsink = \"nats\"\nurl = \"nats://127.0.0.1:9\"\n{key} = \"/none/x\"\n{}",
            if key == "ca_file" { "" } else { "key_file = \"/none/y\"\n" }
        );
        let config = place.write("gov.toml", &text);
        let ran = place.serve_in_vain(&["--config", config.to_str().unwrap()]);
        assert_eq!(ran.code, 2, "{ran:?}");
        assert!(ran.err.contains(&format!("cannot read `buffer.{key}` from `/none/x`")), "{ran:?}");
    }
}

#[test]
fn what_can_be_read_of_a_damaged_file_is_brought_back_once() {
    let (place, config) = left();
    let before = items(&place.run(&["audit", "buffer", "peek", "--json"]));
    let file = place.data_dir().join("audit-buffer.db");
    let bytes = std::fs::read(&file).unwrap();
    // Its first page says what it is.
    let damaged = [&[0xff; 100], bytes.get(100..).unwrap()].concat();
    std::fs::write(&file, damaged).unwrap();
    for show in ["status", "peek", "dead-letters"] {
        let ran = place.run(&["audit", "buffer", show]);
        ran.failed(
            4,
            "a damaged one is set aside by the next start, and `gov audit buffer salvage`",
        );
    }
    let server = place.serve(&["--config", &config]);
    let (_, said) = server.end(Signal::TERM);
    assert!(said.contains("corrupt"), "{said}");
    let aside = std::fs::read_dir(place.data_dir()).unwrap().map(|it| it.unwrap().path());
    let aside: Vec<_> = aside
        .filter(|it| it.to_str().unwrap().contains("audit-buffer.db.corrupt-"))
        .filter(|it| !["-wal", "-shm"].iter().any(|end| it.to_str().unwrap().ends_with(end)))
        .collect();
    assert_eq!(aside.len(), 1, "{aside:?}");
    let aside = aside[0].to_str().unwrap();
    for brought in [before.len(), 0] {
        let ran = place.run(&["audit", "buffer", "salvage", aside, "--json"]);
        assert_eq!(items(&ran)[0]["new"], brought, "{ran:?}");
    }
    let after = items(&place.run(&["audit", "buffer", "peek", "--limit", "100", "--json"]));
    assert_eq!(after[0]["kind"], "audit.gap", "{after:?}");
    let has = |id: &Value| after.iter().any(|it| it["id"] == *id);
    assert!(before.iter().all(|it| has(&it["id"])), "{after:?}");
}

#[test]
fn a_command_that_sets_a_damaged_file_aside_says_so_and_a_file_without_events_is_no_success() {
    let (place, _) = left();
    let file = place.data_dir().join("audit-buffer.db");
    std::fs::write(&file, "no database").unwrap();
    let ran = place.run(&["audit", "buffer", "replay", "--all"]);
    assert_eq!((ran.code, &*ran.out), (0, "dead letters sent once more: 0\n"), "{ran:?}");
    assert!(ran.err.contains("`audit-buffer.db.corrupt-…`"), "{ran:?}");
    let other = place.write("other", "nothing of a buffer\n").display().to_string();
    let ran = place.run(&["audit", "buffer", "salvage", &other]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.err.contains(&format!("no event can be read from `{other}`")), "{ran:?}");
}
