//! What holds for every action, and not only for those that somebody thought of.

use std::sync::OnceLock;

use gov_core::{AgentAction, AgentId, Decision, Timestamp};
use gov_gateway::policy::{
    PolicyInput, PolicySet, Starter,
    normalise::{
        host,
        path::{self, Base, Place},
    },
};
use proptest::prelude::*;
use serde_json::{Value, json};

fn judge(policy: &PolicySet, action: &AgentAction, context: Option<&Value>) -> Decision {
    let agent_id: AgentId = "coder".parse().unwrap();
    let input = PolicyInput {
        agent_id: &agent_id,
        team_id: None,
        session_id: None,
        action,
        context,
        now: Timestamp::UNIX_EPOCH,
    };
    policy.judge(&input).decision
}

fn balanced() -> &'static PolicySet {
    static BALANCED: OnceLock<PolicySet> = OnceLock::new();
    BALANCED.get_or_init(|| PolicySet::compile(Starter::Balanced.text(), 1).unwrap())
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        any::<f32>().prop_map(|it| json!(it)),
        ".{0,12}".prop_map(Value::from),
        shell_text().prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::vec((key(), inner), 0..6)
                .prop_map(|it| Value::Object(it.into_iter().collect())),
        ]
    })
}

fn key() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("command".to_owned()),
        Just("path".to_owned()),
        Just("url".to_owned()),
        Just("cwd".to_owned()),
        Just("args".to_owned()),
        "[a-z_]{0,4}",
    ]
}

/// Text made of what shells give a meaning to.
fn shell_text() -> impl Strategy<Value = String> {
    let part = prop::sample::select(vec![
        "rm", "-rf", " ", " ", "/", "..", "~", "$", "(", ")", "{", "}", ",", "'", "\"", "\\", "`",
        "|", "&", ";", "\n", "<", ">", "<<", "EOF", "#", "case", "in", "esac", "for", "do", "done",
        "if", "[[", "]]", "=", "x", "*", "?", "[", "]", "!", "bash", "-c", "eval", "xargs", "sudo",
        "git", "push", "-f", "find", "-exec", "cd", "&&", "$((", "))", "${", "é", "\u{1a}",
        "python3", "http://", ":7180", "@",
    ]);
    prop::collection::vec(part, 0..30).prop_map(|it| it.concat())
}

#[test]
fn the_deepest_nesting_fits_the_stack_of_a_worker() {
    let mut script = "rm -rf /srv".to_owned();
    for level in 0..5 {
        let (open, close) = ("echo $(".repeat(7), ")".repeat(7));
        script = format!("{open}bash <<'E{level}'\n{script}\nE{level}\n{close}");
    }
    // What tokio gives its workers, in a build that optimises nothing.
    let judged = std::thread::Builder::new()
        .stack_size(2 * 1024 * 1024)
        .spawn(move || judge(balanced(), &AgentAction::Bash { command: script, cwd: None }, None))
        .unwrap()
        .join()
        .unwrap();
    assert_eq!(judged.rule_id().unwrap().as_str(), "refuse-recursive-delete-outside-cwd");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn judging_never_panics(arguments in any_json(), context in any_json(), command in shell_text(), tool in "[A-Za-z_]{0,10}") {
        let policy = balanced();
        for action in [
            AgentAction::ToolCall { server: None, tool: tool.clone(), arguments: arguments.clone() },
            AgentAction::ToolCall { server: Some("s".into()), tool: "shell".into(), arguments: arguments.clone() },
            AgentAction::ToolCall { server: None, tool: "Bash".into(), arguments: json!({"command": command}) },
            AgentAction::Custom { custom_kind: tool, payload: arguments },
            AgentAction::Bash { command: command.clone(), cwd: None },
            AgentAction::NetworkRequest { host: command.clone(), scheme: String::new() },
            AgentAction::ProcessSpawn { binary: "sudo".into(), args: command.split(' ').map(str::to_owned).collect() },
            AgentAction::FilesystemWrite { path: gov_core::ActionPath::new(command), byte_estimate: None },
        ] {
            let _ = judge(policy, &action, Some(&context));
        }
    }

    #[test]
    fn cleaning_a_path_twice_is_cleaning_it_once(text in "[a.~/ *?\\[\\]é\u{1a}-]{0,24}", cwd in prop::option::of("(/[a-c]{1,3}){1,3}")) {
        let base = Base { home: cwd.as_deref().and_then(path::home_of), cwd };
        let once = path::clean(&text, &base);
        prop_assert_eq!(path::clean(&once, &base), once);
    }

    #[test]
    fn a_path_that_counts_as_inside_never_leaves(parts in prop::collection::vec(prop::sample::select(vec!["a", "b", "..", ".", ""]), 0..12), absolute in any::<bool>()) {
        let root = "/r/s";
        let text = format!("{}{}", if absolute { "/" } else { "" }, parts.join("/"));
        // Walks as a kernel without links would.
        let mut at: Vec<&str> = if text.starts_with('/') { vec![] } else { vec!["r", "s"] };
        for part in text.split('/') {
            match part {
                "" | "." => (),
                ".." => drop(at.pop()),
                name => at.push(name),
            }
        }
        let really = at.len() > 2 && at[..2] == ["r", "s"];
        let base = Base { cwd: Some(root.to_owned()), home: None };
        let cleaned = path::clean(&text, &base);
        prop_assert_eq!(&cleaned, &format!("/{}", at.join("/")));
        prop_assert_eq!(path::place(&cleaned, Some(root)) == Place::Inside, really);
    }

    #[test]
    fn a_host_has_one_spelling(text in "[a-zA-Z0-9.xX:\\[\\]%é-]{0,20}") {
        if let Ok(once) = host::normalise(&text) {
            prop_assert_eq!(host::normalise(&once), Ok(once));
        }
    }

    #[test]
    fn however_a_word_is_quoted_it_is_judged_the_same(
        command in prop::sample::select(vec![
            "rm -rf /srv/x", "rm -rf ./target", "rm -r ../x", "git push -f", "git push origin main", "cp a /etc/x", "gov init", "ls -la", "cat .claude/settings.json",
            "sudo rm -fr /srv", "curl http://localhost:7180/", "touch /usr/x",
        ]),
        how in prop::collection::vec(0_u8..6, 60),
    ) {
        let policy = balanced();
        let context = json!({"cwd": "/home/me/p"});
        let ask = |command: String| judge(policy, &AgentAction::Bash { command, cwd: None }, Some(&context));
        let mut how = how.into_iter();
        let quoted: String = command
            .chars()
            .map(|it| match (it, how.next().unwrap_or(0)) {
                (' ', 0) => "  ".to_owned(),
                (' ', 1) => "\t".to_owned(),
                (' ', 2) => " \\\n".to_owned(),
                (' ', _) => " ".to_owned(),
                (it, 0) => format!("'{it}'"),
                (it, 1) => format!("\"{it}\""),
                (it, 2) => format!("\\{it}"),
                (it, 3) => format!("$'\\x{:02x}'", u32::from(it)),
                (it, 4) => format!("''{it}"),
                (it, _) => it.to_string(),
            })
            .collect();
        prop_assert_eq!(ask(quoted.clone()), ask(command.to_owned()), "{}", quoted);
    }
}
