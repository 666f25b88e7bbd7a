//! `gov people` and `gov agents`, on the files and over HTTP.

use rustix::process::Signal;
use serde_json::Value;

use crate::process::{Place, Ran};

fn ok(ran: Ran) -> String {
    assert_eq!((ran.code, &*ran.err), (0, ""), "{ran:?}");
    ran.out
}

fn json(ran: Ran) -> Value {
    serde_json::from_str(&ok(ran)).unwrap()
}

/// The same steps on either side of the door.
fn walk(run: &dyn Fn(&[&str]) -> Ran) {
    assert!(ok(run(&["people", "list"])).starts_with("no people"));
    let ann = json(run(&["people", "add", "Ann Öz", "--role", "ops", "--role", "lead", "--json"]));
    assert_eq!(ann["roles"], serde_json::json!(["lead", "ops"]));
    let id = ann["id"].as_str().unwrap();
    run(&["people", "add", "Ann Öz"]).failed(2, "there is a person `Ann Öz` already");
    run(&["people", "add", "per_x"]).failed(2, "must not begin with `per_`");
    assert!(ok(run(&["people", "set", id, "--role", "security"])).contains("security"));
    let create = ["tokens", "create", "--scope", "approver", "--person", "Ann Öz"];
    assert!(ok(run(&create)).contains(id));
    assert!(ok(run(&["people", "disable", "Ann Öz"])).contains("disabled since"));
    run(&create).failed(2, "`person` must be one who may decide");
    assert!(!ok(run(&["people", "enable", id])).contains("disabled"));
    assert!(ok(run(&["people", "set", id, "--no-roles"])).contains("no roles"));
    assert!(ok(run(&["people", "slack", id, "U024BE7LH"])).contains("U024BE7LH in Slack"));
    run(&["people", "slack", id, "@ann"]).failed(2, "must be a member's id such as `U012ABCDEF`");
    assert!(!ok(run(&["people", "slack", "Ann Öz", "--none"])).contains("Slack"));
    run(&["people", "disable", "Bob"]).failed(2, "no person `Bob`; `gov people list` shows all");
    assert_eq!(json(run(&["people", "list", "--json"]))["items"][0]["id"], id);

    assert!(ok(run(&["agents", "list"])).starts_with("no agents"));
    run(&["agents", "own", "team/x", "--person", id]).failed(2, "no agent `team/x`");
    ok(run(&["tokens", "create", "--scope", "agent", "--agent", "team/x", "--register"]));
    assert!(ok(run(&["agents", "own", "team/x", "--person", "Ann Öz"])).contains("Ann Öz"));
    assert!(ok(run(&["agents", "list"])).contains("Ann Öz"));
    assert!(ok(run(&["agents", "own", "team/x", "--nobody"])).contains("nobody's"));
}

#[test]
fn people_and_agents_are_changed_on_the_files_while_no_server_runs() {
    let place = Place::new();
    ok(place.run(&["init"]));
    walk(&|arguments| place.run(arguments));
}

#[test]
fn people_and_agents_are_changed_over_http_while_a_server_runs() {
    let place = Place::new();
    let it = place.serve(&[]);
    let (url, admin) = (it.url(), it.admin().to_owned());
    let server = [("GOV_URL", &*url), ("GOV_TOKEN", &*admin)];
    walk(&|arguments| place.run_with(&server, arguments));
    // The files are the server's, but reading them is not.
    place.run(&["people", "add", "Bob"]).failed(3, "a server runs on these files");
    assert!(ok(place.run(&["people", "list"])).contains("Ann Öz"));
    assert_eq!(it.end(Signal::TERM).0, Some(0));
}

#[test]
fn a_command_without_what_it_changes_is_2() {
    let place = Place::new();
    for arguments in [
        &["people", "set", "Ann"][..],
        &["people", "slack", "Ann"],
        &["people", "slack", "Ann", "U2", "--none"],
        &["agents", "own", "a"],
        &["agents", "own", "a", "--nobody", "--person", "Ann"],
    ] {
        assert_eq!(place.run(arguments).code, 2, "{arguments:?}");
    }
}
