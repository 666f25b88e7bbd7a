//! An action in words: what an agent wants to do, for a person who has to decide.

use serde_json::Value;

use super::shown::{Block, Shown};

/// An action as it is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ActionView {
    /// What is done, after the agent's name: `run a command`.
    pub verb: &'static str,
    /// What it is done with or to, where it has a name: the tool.
    pub object: Option<Shown>,
    /// What matters most: the command line, the path, the arguments.
    pub main: Block,
    /// What else the action says, each with its name.
    pub facts: Vec<(&'static str, Shown)>,
    /// All of it in one line, cut where it is long.
    pub title: Shown,
}

impl ActionView {
    /// The view of an action's JSON; of any other JSON too, which is then shown as it is.
    #[must_use]
    pub fn of(action: &Value) -> Self {
        let text = |field: &str| action.get(field).and_then(Value::as_str);
        let view = match text("kind") {
            Some("bash") => text("command").map(|it| Draft::new("run a command", it, it)),
            Some("filesystem_write") => text("path")
                .or_else(|| text("path_b64"))
                .map(|it| Draft::new("write a file", it, it)),
            Some("network_request") => text("scheme").zip(text("host")).map(|(scheme, host)| {
                let url = format!("{scheme}://{host}");
                Draft::new("connect to a host", url.clone(), url)
            }),
            Some("process_spawn") => text("binary").map(|binary| {
                let argv = argv(binary, action.get("args"));
                Draft::new("start a program", argv.clone(), argv)
            }),
            Some("tool_call") => text("tool").map(|tool| {
                let arguments = action.get("arguments").unwrap_or(&Value::Null);
                let title = format!("{tool} {arguments}");
                let draft = Draft::new("call the tool", pretty(arguments), title);
                Draft { object: Some(Shown::line(tool)), ..draft }
            }),
            Some("grant") => text("tool").map(|tool| {
                let title = format!("{tool} {}", action.get("arguments").unwrap_or(&Value::Null));
                let draft =
                    Draft::new("call, without being asked each time,", pretty(action), title);
                Draft { object: Some(Shown::line(tool)), ..draft }
            }),
            Some("read") => text("surface").map(|surface| {
                let parts = [Some(surface), text("namespace"), text("query")];
                let parts = parts.into_iter().flatten().collect::<Vec<_>>().join(" · ");
                Draft::new("read", pretty(action), parts)
            }),
            Some("custom") => text("custom_kind").map(|kind| {
                let payload = action.get("payload").unwrap_or(&Value::Null);
                let draft = Draft::new("do", pretty(payload), format!("{kind} {payload}"));
                Draft { object: Some(Shown::line(kind)), ..draft }
            }),
            _ => None,
        };
        let draft = view.unwrap_or_else(|| Draft::new("act", pretty(action), action.to_string()));
        Self {
            verb: draft.verb,
            object: draft.object,
            main: Block::of(&draft.main),
            facts: facts(action),
            title: Shown::title(&draft.title),
        }
    }
}

struct Draft {
    verb: &'static str,
    object: Option<Shown>,
    main: String,
    title: String,
}

impl Draft {
    fn new(verb: &'static str, main: impl Into<String>, title: impl Into<String>) -> Self {
        Self { verb, object: None, main: main.into(), title: title.into() }
    }
}

/// What is said beside the main thing, and is not seen in it.
fn facts(action: &Value) -> Vec<(&'static str, Shown)> {
    let fact = |(field, name): (&str, &'static str)| match action.get(field) {
        None | Some(Value::Null) => None,
        Some(Value::String(text)) => Some((name, Shown::line(text))),
        Some(other) => Some((name, Shown::line(&other.to_string()))),
    };
    let named = [
        ("cwd", "in"),
        ("server", "server"),
        ("byte_estimate", "bytes"),
        ("path_b64", "base64"),
        ("calls", "calls at most"),
        ("lasts", "lasts"),
    ];
    named.into_iter().filter_map(fact).collect()
}

/// The words of a program's call; one that is not plain is quoted as in JSON, so that two calls
/// never look the same.
fn argv(binary: &str, args: Option<&Value>) -> String {
    let quoted = |word: &str| {
        let plain = |it: char| it.is_ascii_alphanumeric() || "-_./=:,+@%".contains(it);
        if !word.is_empty() && word.chars().all(plain) {
            word.to_owned()
        } else {
            Value::from(word).to_string()
        }
    };
    let args = args.and_then(Value::as_array).into_iter().flatten();
    let args = args.map(|it| it.as_str().map_or_else(|| it.to_string(), quoted));
    std::iter::once(quoted(binary)).chain(args).collect::<Vec<_>>().join(" ")
}

/// JSON with a line for each member.
pub(super) fn pretty(value: &Value) -> String {
    // A value always serialises.
    serde_json::to_string_pretty(value).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn view(action: &Value) -> (String, String) {
        let view = ActionView::of(action);
        let object = view.object.map(|it| format!(" {it}")).unwrap_or_default();
        let facts: Vec<_> = view.facts.iter().map(|(name, it)| format!(" ({name} {it})")).collect();
        (format!("{}{object}{}", view.verb, facts.concat()), view.main.head.to_string())
    }

    #[test]
    fn each_kind_of_action_reads_as_a_sentence() {
        for (action, words, main) in [
            (
                json!({"kind": "bash", "command": "ls\npwd", "cwd": "/a"}),
                "run a command (in /a)",
                "ls\npwd",
            ),
            (
                json!({"kind": "filesystem_write", "path": "/a", "path_b64": null,
                       "byte_estimate": 3}),
                "write a file (bytes 3)",
                "/a",
            ),
            (
                json!({"kind": "filesystem_write", "path_b64": "/w=="}),
                "write a file (base64 /w==)",
                "/w==",
            ),
            (
                json!({"kind": "network_request", "host": "h", "scheme": "https"}),
                "connect to a host",
                "https://h",
            ),
            (
                json!({"kind": "process_spawn", "binary": "cp", "args": ["a b", "c", ""]}),
                "start a program",
                r#"cp "a b" c """#,
            ),
            (
                json!({"kind": "tool_call", "server": "ops", "tool": "deploy", "arguments": [1]}),
                "call the tool deploy (server ops)",
                "[\n  1\n]",
            ),
            (
                json!({"kind": "grant", "server": null, "tool": "deploy", "calls": 3,
                       "lasts": "5m"}),
                "call, without being asked each time, deploy (calls at most 3) (lasts 5m)",
                "{\n  \"kind\": \"grant\",\n  \"server\": null,\n  \"tool\": \"deploy\",\n  \
                 \"calls\": 3,\n  \"lasts\": \"5m\"\n}",
            ),
            (json!({"kind": "custom", "custom_kind": "refund", "payload": {}}), "do refund", "{}"),
            (json!({"kind": "fly"}), "act", "{\n  \"kind\": \"fly\"\n}"),
            (json!({"kind": "bash"}), "act", "{\n  \"kind\": \"bash\"\n}"),
        ] {
            assert_eq!(view(&action), (words.to_owned(), main.to_owned()));
        }
    }

    #[test]
    fn two_calls_of_a_program_never_look_the_same() {
        let call =
            |args: Value| view(&json!({"kind": "process_spawn", "binary": "rm", "args": args})).1;
        assert_ne!(call(json!(["a b"])), call(json!(["a", "b"])));
        assert_ne!(call(json!(["\"a", "b\""])), call(json!(["a b"])));
    }

    #[test]
    fn what_hides_in_any_part_of_an_action_is_spelled_out() {
        let evil = "\u{202e}\u{1b}[31m";
        for action in [
            json!({"kind": "bash", "command": evil, "cwd": evil}),
            json!({"kind": "tool_call", "server": evil, "tool": evil, "arguments": {evil: evil}}),
            json!({"kind": "custom", "custom_kind": evil, "payload": evil}),
            json!({"kind": evil}),
        ] {
            let view = ActionView::of(&action);
            let texts = view.facts.into_iter().map(|(_, it)| it).chain(view.object);
            for text in texts.chain([view.main.head, view.title]) {
                let text = text.to_string();
                assert!(!text.contains(['\u{202e}', '\u{1b}']), "{text:?}");
            }
        }
    }
}
