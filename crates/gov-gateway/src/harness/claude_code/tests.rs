//! The hook goes in, and nothing else changes.

use super::*;

fn hook() -> HookCommand {
    HookCommand {
        program: "/usr/bin/gov".into(),
        url: "http://127.0.0.1:7180".into(),
        agent: "claude-code".parse().unwrap(),
        token_file: "/data/credentials/claude-code.token".into(),
    }
}

fn planned(text: &str) -> String {
    plan(text, &hook()).unwrap().text
}

fn value(text: &str) -> Value {
    JsonText::parse(text).unwrap().root().to_value()
}

#[test]
fn empty_settings_become_the_hook_alone() {
    for text in ["", " \n", "{}", "{\n}\n"] {
        let planned = planned(text);
        let expected = json!({"hooks": {"PreToolUse": [
            {"matcher": "*", "hooks": [handler_value(&hook())]}
        ]}});
        assert_eq!(value(&planned), expected, "{planned}");
    }
    let expected = r#"{
  "hooks": {
    "PreToolUse": [
      {
        "matcher": "*",
        "hooks": [
          {
            "type": "command",
            "command": "/usr/bin/gov hook claude-code --url http://127.0.0.1:7180 --agent claude-code --token-file /data/credentials/claude-code.token || exit 2",
            "timeout": 30,
            "onFailure": "block"
          }
        ]
      }
    ]
  }
}
"#;
    assert_eq!(planned(""), expected);
}

#[test]
fn a_users_settings_keep_their_order_their_comments_and_their_own_hooks() {
    let text = "{\n\t\"zebra\": 1, // mine\n\t\"hooks\": {\n\t\t\"Stop\": [{\"hooks\": []}],\n\t\t\"PreToolUse\": [\n\t\t\t{\"matcher\": \"Bash\", \"hooks\": [{\"type\": \"command\", \"command\": \"mine.sh\"}]}\n\t\t]\n\t},\n\t\"apple\": [1,2]\n}";
    let planned = planned(text);
    // Taking out what was put in gives the very same bytes.
    let start = planned.find(",\n\t\t\t{\n\t\t\t\t\"matcher\": \"*\"").unwrap();
    let end = planned.find("\n\t\t]\n\t},\n\t\"apple\"").unwrap();
    assert_eq!(format!("{}{}", &planned[..start], &planned[end..]), text);
    assert_eq!(find(&planned).unwrap().hooks.len(), 1);
}

#[test]
fn installing_twice_changes_nothing_more() {
    for text in ["", "{\"hooks\": {}}", "{\"hooks\": {\"PreToolUse\": []}}"] {
        let once = planned(text);
        assert_eq!(planned(&once), once);
    }
}

#[test]
fn an_older_hook_of_ours_is_brought_up_to_date_in_its_place() {
    let text = r#"{"hooks": {"PreToolUse": [{"matcher": "Bash", "hooks": [{"command": "gov hook claude-code"}, {"command": "mine"}]}]}}"#;
    let planned = plan(text, &hook()).unwrap();
    let expected =
        json!([{"matcher": "Bash", "hooks": [handler_value(&hook()), {"command": "mine"}]}]);
    assert_eq!(value(&planned.text)["hooks"]["PreToolUse"], expected);
    assert!(planned.notes[0].contains("the matcher `Bash`"), "{:?}", planned.notes);
}

#[test]
fn settings_that_are_not_what_the_harness_reads_are_refused() {
    for (text, said) in [
        ("[]", "`the whole` in the settings must be an object"),
        ("{\"hooks\": []}", "`hooks` in the settings must be an object"),
        ("{\"hooks\": {\"PreToolUse\": {}}}", "`hooks.PreToolUse` in the settings must be a list"),
        ("{\"a\": 1", "the settings are malformed, line 1, column 8"),
        ("{\"hooks\": {}, \"hooks\": {}}", "the key `hooks` stands twice"),
        ("not json", "the settings are malformed"),
    ] {
        let error = plan(text, &hook()).unwrap_err().to_string();
        assert!(error.contains(said) && error.contains("nothing was changed"), "{error}");
    }
}

#[test]
fn hooks_that_are_switched_off_are_noticed() {
    let planned = plan("{\"disableAllHooks\": true}", &hook()).unwrap();
    assert!(planned.notes[0].contains("disableAllHooks"), "{:?}", planned.notes);
    assert!(find(&planned.text).unwrap().disabled);
}

#[test]
fn the_settings_are_looked_for_where_the_harness_looks() {
    let at = |config: Option<&str>, home: Option<&str>| {
        default_settings(|name| match name {
            "CLAUDE_CONFIG_DIR" => config.map(Into::into),
            "HOME" => home.map(Into::into),
            _ => None,
        })
    };
    assert_eq!(at(Some("/c"), Some("/h")).unwrap(), Path::new("/c/settings.json"));
    assert_eq!(at(Some(""), Some("/h")).unwrap(), Path::new("/h/.claude/settings.json"));
    assert_eq!(at(None, None), None);
}

#[test]
fn an_agents_token_file_is_a_plain_file_name() {
    let file = |agent: &str| {
        let path = token_file(Path::new("/d"), &agent.parse().unwrap());
        path.strip_prefix("/d/credentials").unwrap().to_str().unwrap().to_owned()
    };
    assert_eq!(file("claude-code"), "claude-code.token");
    for odd in ["../../etc/x", "a/b", ".hidden", "é", "a b"] {
        assert_eq!(file(odd).len(), 64 + ".token".len(), "{odd}");
    }
}
