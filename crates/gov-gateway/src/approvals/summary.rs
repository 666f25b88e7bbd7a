//! An action in one line.

use serde_json::Value;

/// The longest line, in characters.
const LONGEST: usize = 200;

/// What an action is about, for a list: the command, the path, the host, the tool with its
/// arguments. A longer one ends with `…`.
pub(super) fn summary(action: &Value) -> String {
    let text = |name: &str| action.get(name).and_then(Value::as_str).unwrap_or_default();
    let value = |name: &str| action.get(name).map(Value::to_string).unwrap_or_default();
    let said = match text("kind") {
        "bash" => text("command").to_owned(),
        "filesystem_write" => format!("{}{}", text("path"), text("path_b64")),
        "network_request" => format!("{}://{}", text("scheme"), text("host")),
        "process_spawn" => format!("{} {}", text("binary"), value("args")),
        "tool_call" => format!("{} {}", text("tool"), value("arguments")),
        "read" => [text("surface"), text("namespace"), text("query")].join(" "),
        "grant" => format!(
            "{} calls of {} within {} {}",
            value("calls"),
            text("tool"),
            text("lasts"),
            value("arguments")
        ),
        "custom" => format!("{} {}", text("custom_kind"), value("payload")),
        _ => action.to_string(),
    };
    let said = said.trim();
    match said.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", said.get(..end).unwrap_or_default()),
        None => said.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_kind_has_a_line_and_a_long_one_says_that_there_is_more() {
        for (action, line) in [
            (json!({"kind": "bash", "command": "ls -l", "cwd": null}), "ls -l"),
            (json!({"kind": "filesystem_write", "path": "/a", "path_b64": null}), "/a"),
            (json!({"kind": "network_request", "host": "h", "scheme": "https"}), "https://h"),
            (json!({"kind": "process_spawn", "binary": "b", "args": ["a"]}), "b [\"a\"]"),
            (json!({"kind": "tool_call", "tool": "t", "arguments": {"a": 1}}), "t {\"a\":1}"),
            (json!({"kind": "read", "surface": "s", "namespace": null, "query": null}), "s"),
            (
                json!({"kind": "grant", "tool": "t", "arguments": {"a": "any"}, "calls": 3,
                       "lasts": "5m"}),
                "3 calls of t within 5m {\"a\":\"any\"}",
            ),
            (json!({"kind": "custom", "custom_kind": "c", "payload": [1]}), "c [1]"),
            (json!(null), "null"),
        ] {
            assert_eq!(summary(&action), line);
        }
        let long = summary(&json!({"kind": "bash", "command": "ä".repeat(201)}));
        assert_eq!((long.chars().count(), long.ends_with("ä…")), (201, true));
    }
}
