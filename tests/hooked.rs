//! A coding agent's hook: what it really sends, on standard input; exit code 2 blocks.

use std::{fs, path::PathBuf};

use serde_json::{Value, json};

use crate::{
    exported::entries,
    place::{Place, Ran},
};

/// One call, as the harness sends it.
pub(crate) fn sample(name: &str) -> Vec<u8> {
    let path = format!("{}/../../tests/fixtures/claude-code/{name}", env!("CARGO_MANIFEST_DIR"));
    fs::read(PathBuf::from(path)).unwrap()
}

/// What the harness runs, with its hook's environment.
fn hook(place: &Place, url: &str, token: &str, input: &[u8]) -> Ran {
    let mut command = place.gov(&["hook", "claude-code", "--agent", crate::place::AGENT]);
    command.env("GOV_URL", url).env("GOV_TOKEN", token);
    Ran::with_input(command, input)
}

#[test]
fn a_coding_agents_real_calls_are_blocked_or_let_through_and_blocked_ones_are_on_record() {
    let place = Place::new();
    let token = place.agent_token();
    let server = place.serve("");
    let ask = |name: &str| hook(&place, &server.url(), &token, &sample(name));
    for name in ["bash-test.json", "edit-in-project.json", "read-file.json"] {
        let ran = ask(name).ok();
        assert_eq!((ran.out.as_str(), ran.err.as_str()), ("", ""), "{name}");
    }
    let noted = ask("web-fetch-unlisted.json").ok();
    assert!(noted.out.contains("warn-unlisted-host") && noted.err.is_empty(), "{noted:?}");

    let blocked = [
        ("bash-delete-outside.json", "refuse-recursive-delete-outside-cwd", "refuse"),
        ("write-system-path.json", "refuse-system-path-write", "refuse"),
        ("bash-force-push.json", "ask-force-push", "require_approval"),
        ("mcp-delete.json", "ask-dangerous-tool", "require_approval"),
    ];
    let said = blocked.map(|(name, rule, _)| {
        let ran = ask(name);
        ran.failed(2, &format!("rule {rule}"));
        assert_eq!(ran.out, "", "{name}");
        ran.err
    });

    let logged: Vec<Value> = entries(&place.export());
    let logged: Vec<_> = logged.iter().filter(|it| !it["decision"].is_null()).collect();
    assert_eq!(logged.len(), blocked.len(), "{logged:?}");
    for ((entry, said), (name, rule, decision)) in logged.iter().zip(&said).zip(blocked) {
        assert_eq!((&entry["rule_id"], &entry["decision"]), (&json!(rule), &json!(decision)));
        let id = entry["id"].as_str().unwrap();
        assert!(said.contains(&format!("record {id}")), "{name}: {said}");
        let session: Value = serde_json::from_slice(&sample(name)).unwrap();
        assert_eq!(entry["session"], session["session_id"], "{name}");
    }
    place.verify(&[]).ok();
}

#[test]
fn any_doubt_blocks() {
    let place = Place::new();
    let token = place.agent_token();
    let server = place.serve("");
    let url = server.url();
    let fine = sample("bash-test.json");
    hook(&place, &url, &token, &fine).ok();

    let half = &fine[..fine.len() / 2];
    let twice = String::from_utf8(fine.clone()).unwrap().replacen('{', "{\"cwd\": \"/\",", 1);
    for input in [&b""[..], b"ls", half, twice.as_bytes(), b"[]", b"{}", b"\xff\xfe"] {
        hook(&place, &url, &token, input).failed(2, "the hook's input is not valid");
    }
    for (url, token) in [(&*url, "gov_no_token"), (&*url, ""), ("not a url", &*token)] {
        hook(&place, url, token, &fine).failed(2, "gov could not judge this action");
    }
    // An agent's token speaks for that agent only.
    let mut other = place.gov(&["hook", "claude-code", "--agent", "somebody-else"]);
    other.env("GOV_URL", &url).env("GOV_TOKEN", &token);
    Ran::with_input(other, &fine).failed(2, "gov could not judge this action");

    server.stop();
    let ran = hook(&place, &url, &token, &fine);
    ran.failed(2, "gov could not judge this action");
    ran.failed(2, &url);
    // A harness may start the hook with an argument that this build does not know.
    Ran::of(place.gov(&["hook", "claude-code", "--no-such-flag"])).failed(2, "--no-such-flag");
}
