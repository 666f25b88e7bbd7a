//! `gov doctor`: what it finds out, and what it does not believe.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path};

use serde_json::{Value, json};

use crate::process::{Place, Ran, Serving};

/// A place with the hook installed, and its server.
fn installed() -> (Place, Serving) {
    let place = Place::new();
    let it = place.serve(&[]);
    let (url, admin) = (it.url(), it.admin().to_owned());
    let settings = place.path("settings.json");
    let ran = place.run_with(
        &[("GOV_TOKEN", &admin), ("GOV_URL", &url)],
        &["install", "claude-code", "--yes", "--settings", settings.to_str().unwrap()],
    );
    assert_eq!(ran.code, 0, "{ran:?}");
    (place, it)
}

fn doctor(place: &Place, url: &str) -> (Ran, Value) {
    let settings = place.path("settings.json");
    let settings = settings.to_str().unwrap();
    let ran = place.run(&["doctor", "--json", "--settings", settings, "--url", url]);
    let report = serde_json::from_str(&ran.out).unwrap_or_else(|error| panic!("{error}: {ran:?}"));
    (ran, report)
}

/// Status and detail of a check.
fn check<'a>(report: &'a Value, name: &str) -> (&'a str, &'a str) {
    let checks = report["checks"].as_array().unwrap();
    let it = checks.iter().find(|it| it["name"] == name).unwrap_or_else(|| panic!("{report:#}"));
    (it["status"].as_str().unwrap(), it["detail"].as_str().unwrap())
}

/// Puts another command in place of the hook's, with what else the harness would be told.
fn replace_hook(place: &Place, command: impl FnOnce(&str) -> String, matcher: &str) {
    let path = place.path("settings.json");
    let mut settings: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    let group = &mut settings["hooks"]["PreToolUse"][0];
    group["matcher"] = matcher.into();
    let hook = &mut group["hooks"][0];
    hook["command"] = command(hook["command"].as_str().unwrap()).into();
    hook["timeout"] = 20.into();
    fs::write(&path, settings.to_string()).unwrap();
}

#[test]
fn a_sound_installation_blocks_the_canary_and_shows_its_record() {
    let (place, it) = installed();
    let (ran, report) = doctor(&place, &it.url());
    assert_eq!((ran.code, report["status"].as_str().unwrap()), (0, "ok"), "{report:#}");
    let names = ["configuration", "data directory", "keys", "server", "audit_queue", "audit_log"];
    for name in [&names[..], &["policy", "token", "hook", "harmless call"]].concat() {
        assert_eq!(check(&report, name).0, "ok", "{name}: {report:#}");
    }
    let (status, detail) = check(&report, "canary");
    assert_eq!(status, "ok");
    assert!(
        detail.starts_with("`rm -rf /gov-canary-") && detail.contains("gov refused"),
        "{detail}"
    );
    let (status, detail) = check(&report, "canary's record");
    assert!(status == "ok" && detail.contains("is in the signed log, number "), "{detail}");
    // Server and test run as one user, and the copy lies on the log's disk.
    let (status, detail) = check(&report, "separation");
    assert!(status == "warning" && detail.starts_with("advisory only: "), "{detail}");
    assert_eq!(check(&report, "outside_copy").0, "warning");
    let settings = place.path("settings.json");
    let text = place.run(&["doctor", "--settings", settings.to_str().unwrap(), "--url", &it.url()]);
    assert!(text.out.ends_with("\nnothing is broken\n"), "{text:?}");
}

#[test]
fn without_a_hook_it_cannot_be_judged() {
    let (place, it) = installed();
    for text in ["", "{}", r#"{"hooks": {"PreToolUse": [{"hooks": [{"command": "true"}]}]}}"#] {
        place.write("settings.json", text);
        let (ran, report) = doctor(&place, &it.url());
        assert_eq!(ran.code, 4, "{report:#}");
        assert_eq!(check(&report, "hook").0, "not_judged");
        assert_eq!(check(&report, "canary").0, "not_judged");
    }
    fs::remove_file(place.path("settings.json")).unwrap();
    assert_eq!(doctor(&place, &it.url()).0.code, 4);
    place.write("settings.json", "{\n oops");
    let (ran, report) = doctor(&place, &it.url());
    assert_eq!(ran.code, 1);
    assert!(check(&report, "hook").1.contains("line 2, column 2"), "{report:#}");
}

#[test]
fn a_hook_that_blocks_nothing_is_found_out() {
    for (command, why) in [
        ("true # {}", "the policy says `refuse`"),
        ("exit 1 # {}", "the hook ended with code 1"),
        ("kill -9 $$ # {}", "the hook ended with a signal"),
        ("tail -f /dev/null # {}", "did not end within"),
        ("echo no >&2; exit 2 # {}", "but not by gov: no"),
    ] {
        let (place, it) = installed();
        replace_hook(&place, |it| command.replace("{}", it), "*");
        if command.starts_with("tail") {
            let path = place.path("settings.json");
            let text = fs::read_to_string(&path).unwrap();
            fs::write(&path, text.replace("\"timeout\":20", "\"timeout\":1")).unwrap();
        }
        let (ran, report) = doctor(&place, &it.url());
        assert_eq!(ran.code, 1, "{command}: {report:#}");
        let (status, detail) = check(&report, "canary");
        assert!(status == "failed" && detail.contains(why), "{command}: {detail}");
    }
}

#[test]
fn a_refusal_that_is_on_no_record_is_found_out() {
    let (place, it) = installed();
    let lie = "echo 'gov refused this action: x (record rec_00000000000000000000000000000000)' >&2";
    replace_hook(&place, |it| format!("{lie}; exit 2 # {it}"), "*");
    let (ran, report) = doctor(&place, &it.url());
    assert_eq!(ran.code, 1, "{report:#}");
    let (status, detail) = check(&report, "canary's record");
    assert!(status == "failed" && detail.contains("is not in the log"), "{detail}");
}

#[test]
fn a_hook_that_asks_elsewhere_blocks_without_judging_and_is_found_out() {
    let (place, it) = installed();
    replace_hook(&place, |hook| hook.replace(&it.url(), "http://127.0.0.1:1"), "*");
    let (ran, report) = doctor(&place, &it.url());
    assert_eq!(ran.code, 1, "{report:#}");
    assert!(check(&report, "hook's server").1.contains("`http://127.0.0.1:1`"), "{report:#}");
    for name in ["canary", "harmless call"] {
        let (status, detail) = check(&report, name);
        assert!(status == "failed" && detail.contains("nobody judged it"), "{detail}");
    }
}

#[test]
fn what_weakens_the_hook_is_said() {
    let (place, it) = installed();
    for (matcher, status, code) in [("Bash|Write", "warning", 0), ("Write", "failed", 1)] {
        replace_hook(&place, str::to_owned, matcher);
        let (ran, report) = doctor(&place, &it.url());
        assert_eq!((ran.code, check(&report, "matcher").0), (code, status), "{report:#}");
    }
    let path = place.path("settings.json");
    let mut settings: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    settings["hooks"]["PreToolUse"][0]["matcher"] = "*".into();
    settings["hooks"]["PreToolUse"][0]["hooks"][0]["onFailure"] = Value::Null;
    fs::write(&path, settings.to_string()).unwrap();
    let (ran, report) = doctor(&place, &it.url());
    assert_eq!((ran.code, check(&report, "on failure").0), (0, "warning"), "{report:#}");
    settings["disableAllHooks"] = json!(true);
    fs::write(&path, settings.to_string()).unwrap();
    let (ran, report) = doctor(&place, &it.url());
    assert!(ran.code == 1 && ran.out.contains("`disableAllHooks` is true"), "{report:#}");
}

#[test]
fn without_the_server_it_cannot_be_judged_though_everything_is_blocked() {
    let (place, it) = installed();
    let url = it.url();
    drop(it);
    let (ran, report) = doctor(&place, &url);
    assert_eq!((ran.code, report["status"].as_str().unwrap()), (4, "not_judged"), "{report:#}");
    for name in ["server", "token", "canary", "harmless call"] {
        assert_eq!(check(&report, name).0, "not_judged", "{name}: {report:#}");
    }
}

#[test]
fn what_others_can_read_is_found() {
    let (place, it) = installed();
    let chmod = |path: &Path, mode| {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    };
    let key = place.data_dir().join("keys/redaction.key");
    chmod(&key, 0o640);
    let (ran, report) = doctor(&place, &it.url());
    assert_eq!((ran.code, check(&report, "keys").0), (1, "failed"), "{report:#}");
    assert!(check(&report, "keys").1.contains("redaction.key"), "{report:#}");
    chmod(&key, 0o600);
    chmod(&place.data_dir(), 0o755);
    let (ran, report) = doctor(&place, &it.url());
    let (status, detail) = check(&report, "data directory");
    assert_eq!((ran.code, status), (1, "failed"), "{report:#}");
    assert!(detail.contains("must have mode 0700; received 0755"), "{detail}");
}

#[test]
fn a_token_that_is_not_taken_is_found() {
    let (place, it) = installed();
    let file = place.data_dir().join("credentials/claude-code.token");
    fs::write(&file, it.admin()).unwrap();
    let (ran, report) = doctor(&place, &it.url());
    assert_eq!(ran.code, 1, "{report:#}");
    assert!(check(&report, "token").1.contains("an admin's token"), "{report:#}");
    fs::write(&file, format!("gov_{}_{}", "0".repeat(32), "0".repeat(64))).unwrap();
    let (ran, report) = doctor(&place, &it.url());
    assert_eq!(ran.code, 1, "{report:#}");
    assert!(check(&report, "token").1.contains("status 401"), "{report:#}");
}

#[test]
fn a_policy_that_stops_nothing_proves_nothing() {
    let place = Place::new();
    assert_eq!(place.run(&["init", "observe"]).code, 0);
    let settings = place.path("settings.json");
    let install = ["install", "claude-code", "--yes", "--settings", settings.to_str().unwrap()];
    assert_eq!(place.run(&install).code, 0);
    let it = place.serve(&[]);
    replace_hook(&place, |hook| hook.replace("http://127.0.0.1:7180", &it.url()), "*");
    let (ran, report) = doctor(&place, &it.url());
    let (status, detail) = check(&report, "canary");
    assert_eq!((ran.code, status), (0, "warning"), "{report:#}");
    assert!(detail.contains("the active policy says `warn`"), "{detail}");
    // Under a hook that does nothing the warning is missing.
    replace_hook(&place, |hook| format!("true # {hook}"), "*");
    assert_eq!(doctor(&place, &it.url()).0.code, 1);
}

#[test]
fn a_wrong_configuration_is_the_first_that_is_found() {
    let (place, it) = installed();
    let file = place.write("gov.toml", "[server]\nlissten = \"127.0.0.1:1\"\n");
    let settings = place.path("settings.json");
    let (file, settings) = (file.to_str().unwrap(), settings.to_str().unwrap());
    let command = ["doctor", "--settings", settings, "--url", &it.url(), "--config", file];
    let ran = place.run(&command);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.out.contains("did you mean `server.listen`?"), "{ran:?}");
}
