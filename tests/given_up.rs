//! Dead letters at the command line: of a server, and on the files while none runs.

use serde_json::Value;

use crate::{
    dead_letters::bury,
    exported::entries,
    place::{Place, Ran},
    server::Server,
};

const GOOD: &str = "1";

/// More than a record's number may be.
const BAD: &str = "18446744073709551615";

fn lines(ran: &Ran) -> Vec<Value> {
    ran.out.lines().map(|it| serde_json::from_str(it).unwrap()).collect()
}

fn ids(ran: &Ran) -> Vec<String> {
    lines(ran).iter().map(|it| it["id"].as_str().unwrap().to_owned()).collect()
}

/// `gov audit dlq` on the files, or of a server under a token.
fn dlq(place: &Place, server: Option<(&Server, &str)>, arguments: &[&str]) -> Ran {
    let mut command = place.gov(&[&["audit", "dlq"], arguments].concat());
    if let Some((server, token)) = server {
        command.env("GOV_URL", server.url()).env("GOV_TOKEN", token);
    }
    Ran::of(command)
}

#[test]
fn dead_letters_are_seen_handed_in_again_and_given_up_on_the_files() {
    let place = Place::new();
    place.admin_token();
    place.serve("").stop();
    let dlq = |arguments: &[&str]| dlq(&place, None, arguments);
    assert_eq!(dlq(&["list"]).ok().out, "the log took everything\n");
    assert_eq!(dlq(&["list", "--json"]).ok().out, "");
    let [good, bad, worse] =
        [(1, GOOD), (2, BAD), (3, BAD)].map(|(number, version)| bury(&place, number, version));

    let list = dlq(&["list", "--json"]).ok();
    assert_eq!(ids(&list), [&*good, &*bad, &*worse], "in order of death");
    assert_eq!(ids(&dlq(&["list", "--json", "--limit", "1"]).ok()), [&*good]);
    for ran in [dlq(&["list"]).ok(), dlq(&["show", &good]).ok()] {
        assert!(!ran.out.contains('\u{1b}') && !ran.out.contains('\u{202e}'), "{ran:?}");
        assert!(ran.out.contains(&good) && ran.out.contains("end"), "{ran:?}");
    }
    let shown = lines(&dlq(&["show", &good, "--json"]).ok()).remove(0);
    assert_eq!(shown["payload"]["left"], "\u{202e}me");

    let replayed = dlq(&["replay", "--all", "--json"]);
    assert_eq!(replayed.code, Some(1), "two stay dead: {replayed:?}");
    let of = |id: &str| lines(&replayed).into_iter().find(|it| it["id"] == id).unwrap();
    assert!(of(&good)["seq"].is_u64() && of(&bad)["why"].is_string(), "{replayed:?}");
    let again = dlq(&["replay", &good]).ok();
    assert!(again.out.contains("of the log"), "one that is in the log tells where: {again:?}");

    let given_up = dlq(&["discard", &bad, "--reason", "a drill", "--json"]).ok();
    let record = lines(&given_up)[0]["record"].clone();
    let repeated = dlq(&["discard", &bad, "--reason", "a drill", "--json"]).ok();
    assert_eq!(lines(&repeated)[0]["record"], record, "a repeat is the same");
    assert_eq!(ids(&dlq(&["list", "--json"]).ok()), [&*worse]);
    place.verify(&[]).ok();
    let entries = entries(&place.export());
    let kind = |id: &str| &entries.iter().find(|it| it["id"] == id).unwrap()["kind"];
    assert_eq!(kind(record["id"].as_str().unwrap()), "audit.dead_letter_discarded");
    assert_eq!(kind(&good), "agent.registered");
}

#[test]
fn a_running_server_is_asked_over_http_and_answers_the_same() {
    let place = Place::new();
    let (admin, auditor) = (place.admin_token(), place.auditor_token());
    place.serve("").stop();
    let [bad, worse] = [(2, BAD), (3, BAD)].map(|(number, version)| bury(&place, number, version));
    let server = place.serve("");
    let of = |token: &str, arguments: &[&str]| dlq(&place, Some((&server, token)), arguments);
    assert_eq!(ids(&of(&auditor, &["list", "--json"]).ok()), [&*bad, &*worse]);
    of(&auditor, &["replay", &bad]).failed(2, "scope `operator` or `admin`");
    let replayed = of(&admin, &["replay", "--all", "--json"]);
    assert_eq!((replayed.code, ids(&replayed)), (Some(1), vec![bad.clone(), worse.clone()]));
    let shown = of(&auditor, &["show", &bad, "--json"]).ok();
    assert_eq!(lines(&shown), lines(&dlq(&place, None, &["show", &bad, "--json"]).ok()));
    let given_up = of(&admin, &["discard", &bad, "--reason", "a drill", "--json"]).ok();
    assert!(lines(&given_up)[0]["record"]["seq"].is_u64(), "{given_up:?}");
    assert_eq!(ids(&of(&admin, &["list", "--json"]).ok()), [&*worse]);
    of(&admin, &["show", &bad]).failed(2, "is no dead letter");
    server.stop();
    place.verify(&[]).ok();
}

#[test]
fn what_is_no_dead_letter_is_2_and_nothing_is_changed_beside_a_server() {
    let place = Place::new();
    place.run(&["init"]).ok();
    let dlq = |arguments: &[&str]| dlq(&place, None, arguments);
    dlq(&["list"]).failed(3, "holds no log yet");
    place.serve("").stop();
    let bad = bury(&place, 2, BAD);
    let unknown = format!("rec_{}", "f".repeat(32));
    dlq(&["show", &unknown]).failed(2, "is no dead letter");
    dlq(&["replay", &unknown]).failed(2, "is neither a dead letter nor in the log");
    dlq(&["discard", &unknown, "--reason", "x"]).failed(2, "is neither a dead letter");
    dlq(&["discard", &bad, "--reason", " "]).failed(2, "must be 1 to 1024 bytes long");
    for arguments in
        [&["show", "rec_1"][..], &["replay"], &["replay", &bad, "--all"], &["discard", &bad]]
    {
        assert_eq!(dlq(arguments).code, Some(2), "{arguments:?}");
    }
    let server = place.serve("");
    assert_eq!(ids(&dlq(&["list", "--json"]).ok()), [&*bad], "looking is fine");
    dlq(&["replay", "--all"]).failed(3, "ask it over HTTP: set GOV_URL");
    dlq(&["discard", &bad, "--reason", "x"]).failed(3, "ask it over HTTP: set GOV_URL");
    server.stop();
}
