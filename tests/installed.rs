//! gov in front of a coding agent: what `gov install` writes is run as the harness runs it.

use std::{fs, process::Command};

use serde_json::{Value, json};

use crate::{
    exported::{entries, refusals},
    hooked::sample,
    place::{Place, Ran},
    server::Server,
};

/// What a person had in their settings before.
const BEFORE: &str = r#"{
  "model": "opus",
  "hooks": {
    "PostToolUse": [{"matcher": "Edit", "hooks": [{"type": "command", "command": "cargo fmt"}]}]
  }
}
"#;

/// Puts gov in front of the agent while its server runs.
fn install(place: &Place, server: &Server, admin: &str) -> Ran {
    let mut command = place.gov(&["install", "claude-code", "--yes"]);
    command.env("GOV_URL", server.url()).env("GOV_TOKEN", admin);
    Ran::of(command)
}

fn settings(place: &Place) -> String {
    fs::read_to_string(place.home().join(".claude/settings.json")).unwrap()
}

/// The hook's command line, to be run by a shell in an environment that knows nothing of gov.
fn configured_hook(place: &Place) -> Command {
    let settings: Value = serde_json::from_str(&settings(place)).unwrap();
    let hook = &settings["hooks"]["PreToolUse"][0]["hooks"][0];
    assert_eq!(hook["type"], "command", "{settings}");
    let mut command = place.command("/bin/sh");
    command.arg("-c").arg(hook["command"].as_str().unwrap());
    command
}

#[test]
fn the_hook_that_install_writes_blocks_what_the_policy_refuses() {
    let place = Place::new();
    fs::create_dir(place.home().join(".claude")).unwrap();
    fs::write(place.home().join(".claude/settings.json"), BEFORE).unwrap();
    let admin = place.admin_token();
    let server = place.serve("");
    let installed = install(&place, &server, &admin).ok();
    assert!(installed.out.contains("PreToolUse"), "the change is shown: {installed:?}");
    let now: Value = serde_json::from_str(&settings(&place)).unwrap();
    let before: Value = serde_json::from_str(BEFORE).unwrap();
    assert_eq!(now["model"], before["model"]);
    assert_eq!(now["hooks"]["PostToolUse"], before["hooks"]["PostToolUse"]);
    assert!(!installed.out.contains(&admin) && !settings(&place).contains("gov_"), "no secret");

    let blocked = Ran::with_input(configured_hook(&place), &sample("bash-delete-outside.json"));
    blocked.failed(2, "rule refuse-recursive-delete-outside-cwd");
    Ran::with_input(configured_hook(&place), &sample("bash-test.json")).ok();
    let entries = entries(&place.export());
    let [id] = refusals(&entries)[..] else { panic!("{entries:?}") };
    assert!(blocked.err.contains(id), "{blocked:?}");
    let refused = entries.iter().find(|it| it["id"] == id).unwrap();
    assert_eq!(refused["agent"], json!("claude-code"));

    let written = settings(&place);
    let again = install(&place, &server, &admin).ok();
    assert!(again.out.contains("nothing to do"), "{again:?}");
    assert_eq!(settings(&place), written);
}

fn doctor(place: &Place, server: &Server) -> Ran {
    let mut command = place.gov(&["doctor"]);
    command.env("GOV_URL", server.url());
    Ran::of(command)
}

#[test]
fn the_doctors_canary_is_blocked_by_the_hook_and_on_record() {
    let place = Place::new();
    let admin = place.admin_token();
    let server = place.serve("");
    let ran = doctor(&place, &server);
    assert_eq!(ran.code, Some(4), "no hook to judge: {ran:?}");
    install(&place, &server, &admin).ok();
    let ran = doctor(&place, &server).ok();
    let entries = entries(&place.export());
    let [canary] = refusals(&entries)[..] else { panic!("{entries:?}") };
    assert!(ran.out.contains(canary), "{ran:?}");
    server.stop();
}

#[test]
fn the_doctor_says_no_where_the_hook_lets_the_canary_pass() {
    let place = Place::new();
    let admin = place.admin_token();
    let server = place.serve("");
    install(&place, &server, &admin).ok();
    let lax = settings(&place).replace("|| exit 2", "|| exit 0");
    assert_ne!(lax, settings(&place));
    fs::write(place.home().join(".claude/settings.json"), lax).unwrap();
    let ran = doctor(&place, &server);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    let canary = ran.out.lines().find(|it| it.contains("canary: ")).unwrap();
    assert!(canary.starts_with("failed"), "{ran:?}");
}
