//! The commands that work on files and over HTTP.

use rustix::process::Signal;
use serde_json::Value;

use crate::process::{Place, database};

#[test]
fn config_print_shows_every_value_with_its_source() {
    let place = Place::new();
    let file = place.write("gov.toml", "[server]\nlisten = \"127.0.0.1:7999\"\n");
    let file = file.to_str().unwrap();
    let variables = [("GOV__DURABILITY__REFUSE", "spooled")];
    let ran = place.run_with(&variables, &["config", "print", "--config", file]);
    assert_eq!(ran.code, 0, "{ran:?}");
    for line in [
        "[server]".to_owned(),
        format!("listen = \"127.0.0.1:7999\"  # {file}:2"),
        "refuse = \"spooled\"  # GOV__DURABILITY__REFUSE".to_owned(),
        "auto_register = true  # default".to_owned(),
    ] {
        assert!(ran.out.lines().any(|it| it == line), "{line}: {}", ran.out);
    }
    let again = place.write("again.toml", &ran.out);
    let ran = place.run(&["config", "check", "--config", again.to_str().unwrap()]);
    assert_eq!(ran.code, 0, "what is printed reads back: {ran:?}");
    let ran = place.run(&["config", "print", "--json"]);
    let json: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(json[1]["key"], "server.listen");
    assert_eq!(json[1]["source"], "default");
}

#[test]
fn a_wrong_configuration_is_2_for_every_command_that_reads_it() {
    let place = Place::new();
    let file = place.write("gov.toml", "[server]\nlissten = \"127.0.0.1:1\"\n");
    let file = file.to_str().unwrap();
    let message = format!("{file}:2: unknown key `server.lissten`; did you mean `server.listen`?");
    for command in
        [&["config", "check"][..], &["config", "print"], &["serve"], &["init"], &["migrate"]]
    {
        place.run(&[command, &["--config", file]].concat()).failed(2, &message);
    }
    assert!(!place.data_dir().exists());
    let ran = place.run(&["config", "check", "--config", "/nowhere/gov.toml"]);
    ran.failed(2, "cannot read the configuration `/nowhere/gov.toml`");
    place
        .run_with(&[("GOV_SERVER_LISTEN", "x")], &["config", "check"])
        .failed(2, "did you mean `GOV__SERVER__LISTEN`?");
}

#[test]
fn init_makes_a_directory_once_and_changes_nothing_the_second_time() {
    for policy in ["observe", "balanced", "strict"] {
        let place = Place::new();
        let ran = place.run(&["init", policy]);
        assert_eq!(ran.code, 0, "{ran:?}");
        assert!(ran.out.contains(&format!("policy: {policy}, version 1")), "{ran:?}");
        assert!(ran.out.contains("admin token, shown only now: gov_"), "{ran:?}");
        let message = format!("has a policy already: `{policy}`, version 1");
        place.run(&["init", "observe"]).failed(2, &message);
        let it = place.serve(&[]);
        assert_eq!(it.lines[2], format!("policy: {policy}, version 1"));
        assert!(it.lines[4].starts_with("tokens: as they were"), "{:?}", it.lines);
    }
}

#[test]
fn tokens_are_made_listed_and_revoked_on_the_files_while_no_server_runs() {
    let place = Place::new();
    let create = ["tokens", "create", "--scope", "agent", "--agent", "coder", "--expires", "30d"];
    let ran = place.run(&create);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.out.contains("token, shown only now: gov_"), "{ran:?}");
    let ran = place.run(&["tokens", "list", "--json"]);
    let json: Value = serde_json::from_str(&ran.out).unwrap();
    let id = json["items"][0]["id"].as_str().unwrap();
    let revoke = ["tokens", "revoke", id];
    assert!(place.run(&revoke).out.contains("revoked"));
    place.run(&revoke).failed(2, "was revoked before");
    let unknown = ["tokens", "revoke", "tok_00000000000000000000000000000000"];
    place.run(&unknown).failed(2, "`gov tokens list` shows all");
    place.run(&["tokens", "revoke", "x"]).failed(2, "wanted `tok_` and 32 lower-case hex digits");
    // The server founds its policy beside the tokens that were there before it.
    let it = place.serve(&[]);
    assert_eq!(it.lines[2], "policy: balanced, version 1");
    assert!(it.admin().starts_with("gov_"));
}

#[test]
fn what_cannot_be_a_token_is_2() {
    let place = Place::new();
    for (arguments, message) in [
        (&["--scope", "root"][..], "received `root`"),
        (&["--scope", "agent"], "scope `agent` needs the agent"),
        (&["--scope", "admin", "--agent", "a"], "only scope `agent` speaks for an agent"),
        (&["--scope", "admin", "--expires", "soon"], "received `soon`"),
    ] {
        place.run(&[&["tokens", "create"], arguments].concat()).failed(2, message);
    }
    assert!(!place.data_dir().exists());
}

#[test]
fn tokens_are_made_listed_and_revoked_over_http_while_a_server_runs() {
    let place = Place::new();
    let it = place.serve(&[]);
    let (url, admin) = (it.url(), it.admin().to_owned());
    let server = [("GOV_URL", &*url), ("GOV_TOKEN", &*admin)];
    let create = ["tokens", "create", "--scope", "agent", "--agent", "coder", "--json"];
    let ran = place.run_with(&server, &create);
    assert_eq!(ran.code, 0, "{ran:?}");
    let json: Value = serde_json::from_str(&ran.out).unwrap();
    let (id, token) = (json["id"].as_str().unwrap(), json["token"].as_str().unwrap());
    assert!(place.run_with(&server, &["tokens", "list"]).out.contains(id));
    // Listing reads the files beside the server, too.
    assert!(place.run(&["tokens", "list"]).out.contains(id));
    let as_agent = [("GOV_URL", &*url), ("GOV_TOKEN", token)];
    place.run_with(&as_agent, &create).failed(2, "this needs a token with scope `admin`");
    let revoked = place.run_with(&server, &["tokens", "revoke", id]);
    assert!(revoked.out.contains("revoked"), "{revoked:?}");
    place.run_with(&as_agent, &["tokens", "list"]).failed(2, "the token was revoked at");
    assert_eq!(it.end(Signal::TERM).0, Some(0));
    place.run_with(&server, &["tokens", "list"]).failed(3, "no gov server answers at");
}

#[test]
fn migrate_brings_the_files_up_and_has_nothing_to_do_the_second_time() {
    let place = Place::new();
    place.run(&["migrate"]).failed(2, "no data directory at");
    place.run(&["init"]);
    for _ in 0..2 {
        let ran = place.run(&["migrate"]);
        assert_eq!(ran.code, 0, "{ran:?}");
        assert!(ran.out.contains("this build's schema"), "{ran:?}");
    }
    let applied = "select count(*) from _gateway_migrations";
    let db = database(&place.data_dir(), "gov.db");
    let count = db.query_row(applied, [], |row| row.get::<_, u32>(0)).unwrap();
    let all = gov_gateway::store::sqlite::COMPONENT.migrations.len();
    assert_eq!(usize::try_from(count).unwrap(), all);
}
