//! `gov install claude-code`: the settings, the token, and what is left alone.

use std::{fs, os::unix::fs::MetadataExt as _, path::Path};

use rustix::process::Signal;
use serde_json::Value;

use crate::process::{Place, Ran};

const THEIRS: &str = "{\n  // mine\n  \"model\": \"opus\",\n}\n";

/// Runs it on `settings.json` in the place.
fn install(place: &Place, more: &[&str]) -> Ran {
    let settings = place.path("settings.json");
    let command = ["install", "claude-code", "--settings", settings.to_str().unwrap()];
    place.run(&[&command, more].concat())
}

fn token(place: &Place, agent: &str) -> String {
    let file = place.data_dir().join("credentials").join(format!("{agent}.token"));
    fs::read_to_string(file).unwrap().trim().to_owned()
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().mode() & 0o777
}

#[test]
fn the_change_is_shown_and_written_and_what_was_there_is_kept() {
    let place = Place::new();
    let settings = place.write("settings.json", THEIRS);
    let ran = install(&place, &["--yes"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    for line in ["+  \"hooks\": {", "   // mine", "next: `gov doctor --settings "] {
        assert!(ran.out.lines().any(|it| it.starts_with(line)), "{line}: {}", ran.out);
    }
    let written = fs::read_to_string(&settings).unwrap();
    assert!(written.contains("// mine") && written.contains(" hook claude-code "), "{written}");
    assert_eq!(fs::read_to_string(place.path("settings.json.gov-backup")).unwrap(), THEIRS);
    let credentials = place.data_dir().join("credentials");
    assert_eq!(mode(&credentials), 0o700);
    assert_eq!(mode(&credentials.join("claude-code.token")), 0o600);
}

#[test]
fn the_second_time_there_is_nothing_to_do() {
    let place = Place::new();
    let settings = place.write("settings.json", THEIRS);
    install(&place, &["--yes"]);
    let (written, first) = (fs::read(&settings).unwrap(), token(&place, "claude-code"));
    // Nothing to ask, so no terminal is needed either.
    let ran = install(&place, &[]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.out.starts_with("hook: nothing to do"), "{ran:?}");
    assert!(ran.out.contains("token of agent claude-code: as it was"), "{ran:?}");
    assert_eq!((fs::read(&settings).unwrap(), token(&place, "claude-code")), (written, first));
    assert!(!place.path("settings.json.gov-backup-2").exists());
}

#[test]
fn without_a_terminal_nothing_is_changed_unless_told_so() {
    let place = Place::new();
    let settings = place.write("settings.json", THEIRS);
    let ran = install(&place, &[]);
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(ran.err.contains("no terminal to ask at") && ran.err.contains("`--yes`"), "{ran:?}");
    assert!(ran.out.contains("+  \"hooks\": {"), "{ran:?}");
    assert_eq!(fs::read_to_string(settings).unwrap(), THEIRS);
    assert!(!place.data_dir().exists());
}

#[test]
fn malformed_settings_are_refused_with_line_and_column() {
    let place = Place::new();
    for (text, message) in [
        ("{\n  \"a\": nope\n}", "line 2, column 8"),
        ("{\"a\": 1, \"a\": 2}", "line 1, column "),
        ("{\"hooks\": []}", "`hooks` in the settings must be an object"),
    ] {
        let settings = place.write("settings.json", text);
        let ran = install(&place, &["--yes"]);
        ran.failed(2, message);
        assert!(ran.err.contains("settings.json"), "{ran:?}");
        assert_eq!(fs::read_to_string(settings).unwrap(), text);
    }
    assert!(!place.data_dir().exists());
}

#[test]
fn the_token_shows_nowhere() {
    let place = Place::new();
    for more in [&["--yes"][..], &["--yes", "--json"], &["--yes", "--agent", "b"]] {
        let ran = install(&place, more);
        assert_eq!(ran.code, 0, "{ran:?}");
        let settings = fs::read_to_string(place.path("settings.json")).unwrap();
        for agent in ["claude-code", if more.len() == 3 { "b" } else { "claude-code" }] {
            let token = token(&place, agent);
            let secret = token.rsplit_once('_').unwrap().1;
            for text in [&settings, &ran.out, &ran.err] {
                assert!(!text.contains(secret), "{text}");
            }
        }
    }
}

#[test]
fn the_settings_are_those_of_the_home_directory_unless_others_are_named() {
    let place = Place::new();
    let home = place.path("home");
    let variables = [("HOME", home.to_str().unwrap())];
    let ran = place.run_with(&variables, &["install", "claude-code", "--yes", "--json"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let settings = home.join(".claude/settings.json");
    assert_eq!(mode(&settings), 0o600);
    let done: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(done["settings"], settings.to_str().unwrap());
    assert_eq!((&done["settings_changed"], &done["token_made"]), (&true.into(), &true.into()));
    assert_eq!(done["backup"], Value::Null);
    assert!(done["diff"].as_str().unwrap().contains("+  \"hooks\": {"), "{done}");
    place.run(&["install", "claude-code", "--yes"]).failed(2, "no settings file");
}

#[test]
fn beside_a_server_the_token_is_made_there_by_its_admin() {
    let place = Place::new();
    let it = place.serve(&[]);
    let (url, admin) = (it.url(), it.admin().to_owned());
    let settings = place.path("settings.json");
    let command = [
        "install",
        "claude-code",
        "--yes",
        "--settings",
        settings.to_str().unwrap(),
        "--url",
        &url,
    ];
    let ran = place.run(&command);
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(ran.err.contains("set GOV_TOKEN to an admin's token"), "{ran:?}");
    assert!(!settings.exists());
    let ran = place.run_with(&[("GOV_TOKEN", &admin)], &command);
    assert_eq!(ran.code, 0, "{ran:?}");
    let first = token(&place, "claude-code");
    // It is in force, so it stays, and no admin is needed.
    let ran = place.run(&command);
    assert!(ran.code == 0 && ran.out.contains("as it was"), "{ran:?}");
    let list = place.run_with(&[("GOV_URL", &url), ("GOV_TOKEN", &admin)], &["tokens", "list"]);
    let row = list.out.lines().find(|it| it.contains("claude-code")).unwrap();
    let id = row.split(' ').next().unwrap();
    let as_admin = [("GOV_URL", &*url), ("GOV_TOKEN", &*admin)];
    assert_eq!(place.run_with(&as_admin, &["tokens", "revoke", id]).code, 0);
    // One that was withdrawn is replaced.
    let ran = place.run_with(&[("GOV_TOKEN", &admin)], &command);
    assert!(ran.code == 0 && ran.out.contains("made now"), "{ran:?}");
    assert_ne!(token(&place, "claude-code"), first);
}

#[test]
fn a_server_that_is_elsewhere_is_named() {
    let place = Place::new();
    let it = place.serve(&[]);
    let ran = install(&place, &["--yes", "--url", "http://127.0.0.1:1"]);
    assert_eq!(ran.code, 3, "{ran:?}");
    assert!(ran.err.contains("no server answers at `http://127.0.0.1:1`"), "{ran:?}");
    assert!(!place.path("settings.json").exists());
    install(&place, &["--yes", "--url", "http://gov.example"]);
    assert_eq!(it.end(Signal::TERM).0, Some(0));
}

#[test]
fn a_token_file_that_others_may_read_is_not_used() {
    let place = Place::new();
    install(&place, &["--yes"]);
    let file = place.data_dir().join("credentials/claude-code.token");
    fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    let ran = install(&place, &["--yes"]);
    ran.failed(2, "chmod 600");
    fs::write(&file, "hunter2").unwrap();
    fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    install(&place, &["--yes"]).failed(2, "remove it to have a new token made");
}
