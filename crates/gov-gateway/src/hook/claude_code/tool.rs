//! Which action a tool of Claude Code is.

use gov_core::{ActionPath, AgentAction, canonical, hex::Hex};
use reqwest::Url;
use serde_json::{Map, Value};

use super::InputError;

type Fields = Map<String, Value>;

/// The action behind one call, and what belongs into its context.
///
/// - A shell command is `bash`, and so is any tool of the harness, known here or not, that takes
///   a `command`: a new one must not be a way round the rules for commands.
/// - Writing a file is `filesystem_write`. The context has the SHA-256 of the whole input, so an
///   approval holds for this very content.
/// - Reading and searching is `read`, fetching a page `network_request`.
/// - The rest, with all tools of MCP servers, is `tool_call`.
///
/// # Errors
///
/// [`InputError::Field`]: a field is missing that the action cannot be judged without.
pub(super) fn action(
    name: &str,
    mut input: Fields,
    cwd: &str,
) -> Result<(AgentAction, Fields), InputError> {
    if let Some((server, tool)) = mcp(name) {
        let arguments = Value::Object(input);
        let (server, tool) = (Some(server.to_owned()), tool.to_owned());
        return Ok((AgentAction::ToolCall { server, tool, arguments }, here(cwd)));
    }
    match name {
        "Bash" => shell(input, cwd),
        "Write" => write(input, "file_path", "content", cwd),
        "Edit" => write(input, "file_path", "new_string", cwd),
        "MultiEdit" => write(input, "file_path", "", cwd),
        "NotebookEdit" => write(input, "notebook_path", "new_source", cwd),
        "Read" | "NotebookRead" => {
            let path = take(&mut input, "file_path").or_else(|_| take(&mut input, "notebook_path"));
            Ok((read(absolute(path?, cwd), None), here(cwd)))
        }
        "Glob" | "Grep" => {
            let query = take(&mut input, "pattern")?;
            Ok((read(place(&mut input, cwd)?, Some(query)), here(cwd)))
        }
        "LS" => Ok((read(place(&mut input, cwd)?, None), here(cwd))),
        "WebFetch" => fetch(input, cwd),
        _ if input.contains_key("command") => shell(input, cwd),
        _ => {
            let (tool, arguments) = (name.to_owned(), Value::Object(input));
            Ok((AgentAction::ToolCall { server: None, tool, arguments }, here(cwd)))
        }
    }
}

/// `mcp__<server>__<tool>`, cut at the first `__`: the context keeps the name as it was.
fn mcp(name: &str) -> Option<(&str, &str)> {
    let (server, tool) = name.strip_prefix("mcp__")?.split_once("__")?;
    (!server.is_empty() && !tool.is_empty()).then_some((server, tool))
}

fn shell(mut input: Fields, cwd: &str) -> Result<(AgentAction, Fields), InputError> {
    let command = take(&mut input, "command")?;
    // The model words these anew each time, and neither changes what is run.
    input.remove("description");
    input.remove("timeout");
    let mut about = Fields::new();
    if !input.is_empty() {
        about.insert("options".to_owned(), Value::Object(input));
    }
    Ok((AgentAction::Bash { command, cwd: Some(cwd.to_owned()) }, about))
}

fn write(
    mut input: Fields,
    path: &str,
    content: &str,
    cwd: &str,
) -> Result<(AgentAction, Fields), InputError> {
    let file = absolute(take(&mut input, path)?, cwd);
    let byte_estimate = input.get(content).and_then(Value::as_str).map(|it| it.len() as u64);
    let mut about = here(cwd);
    about.insert("input_sha256".to_owned(), digest(&input)?.into());
    let path = ActionPath::new(file);
    Ok((AgentAction::FilesystemWrite { path, byte_estimate }, about))
}

fn read(namespace: String, query: Option<String>) -> AgentAction {
    AgentAction::Read { surface: "filesystem".to_owned(), namespace: Some(namespace), query }
}

fn fetch(mut input: Fields, cwd: &str) -> Result<(AgentAction, Fields), InputError> {
    let text = take(&mut input, "url")?;
    let wrong = || InputError::field("tool_input.url", "an absolute URL with a host");
    let url = Url::parse(&text).map_err(|_| wrong())?;
    let host = url.host_str().ok_or_else(wrong)?.to_owned();
    let mut about = here(cwd);
    about.insert("url".to_owned(), text.into());
    Ok((AgentAction::NetworkRequest { host, scheme: url.scheme().to_owned() }, about))
}

/// Where a search looks: the directory it names, or else the working directory.
fn place(input: &mut Fields, cwd: &str) -> Result<String, InputError> {
    if input.contains_key("path") {
        Ok(absolute(take(input, "path")?, cwd))
    } else {
        Ok(cwd.to_owned())
    }
}

fn here(cwd: &str) -> Fields {
    Fields::from_iter([("cwd".to_owned(), cwd.into())])
}

/// The tools want absolute paths. One that is not is taken from the working directory, as they
/// do; `~` is left to the policy, which knows it from commands.
fn absolute(path: String, cwd: &str) -> String {
    if path.starts_with(['/', '~']) { path } else { format!("{cwd}/{path}") }
}

fn digest(input: &Fields) -> Result<String, InputError> {
    let bytes = canonical::to_bytes(input)
        .map_err(|_| InputError::field("tool_input", "JSON with a canonical form"))?;
    Ok(Hex(&canonical::sha256(&bytes)).to_string())
}

fn take(input: &mut Fields, name: &str) -> Result<String, InputError> {
    match input.remove(name) {
        Some(Value::String(text)) => Ok(text),
        _ => Err(InputError::field(&format!("tool_input.{name}"), "a text")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn judged(name: &str, input: Value) -> (Value, Value) {
        let Value::Object(input) = input else { panic!("not an object") };
        let (action, about) = action(name, input, "/work").unwrap();
        (serde_json::to_value(action).unwrap(), about.into())
    }

    fn kind(name: &str, input: Value) -> Value {
        judged(name, input).0
    }

    #[test]
    fn a_command_is_bash_whatever_the_tool_is_called() {
        let expected = json!({"kind": "bash", "command": "rm -rf /", "cwd": "/work"});
        for tool in ["Bash", "Monitor", "PowerShell", "NewInSummer"] {
            assert_eq!(kind(tool, json!({"command": "rm -rf /"})), expected);
        }
    }

    #[test]
    fn what_changes_how_a_command_runs_is_in_the_context() {
        let input =
            json!({"command": "ls", "description": "x", "timeout": 5, "run_in_background": true});
        assert_eq!(judged("Bash", input).1, json!({"options": {"run_in_background": true}}));
    }

    #[test]
    fn writing_names_the_file_its_size_and_the_hash_of_the_rest() {
        for (tool, path, content) in [
            ("Write", "file_path", "content"),
            ("Edit", "file_path", "new_string"),
            ("NotebookEdit", "notebook_path", "new_source"),
        ] {
            let (action, about) = judged(tool, json!({path: "/etc/hosts", content: "né"}));
            let expected = json!({"kind": "filesystem_write", "path": "/etc/hosts",
                "path_b64": null, "byte_estimate": 3});
            assert_eq!(action, expected);
            let other = judged(tool, json!({path: "/etc/hosts", content: "ne"})).1;
            assert_ne!(about["input_sha256"], other["input_sha256"]);
        }
        let edits = json!({"file_path": "a/b", "edits": [{"old_string": "x", "new_string": "y"}]});
        assert_eq!(kind("MultiEdit", edits)["path"], "/work/a/b");
    }

    #[test]
    fn reading_and_searching_name_the_place() {
        for (tool, input, place, query) in [
            ("Read", json!({"file_path": "/etc/shadow"}), "/etc/shadow", json!(null)),
            ("Read", json!({"file_path": "~/.ssh/id"}), "~/.ssh/id", json!(null)),
            ("Glob", json!({"pattern": "**/*.rs"}), "/work", json!("**/*.rs")),
            ("Grep", json!({"pattern": "key", "path": "src"}), "/work/src", json!("key")),
            ("LS", json!({"path": "/"}), "/", json!(null)),
        ] {
            let expected = json!({"kind": "read", "surface": "filesystem", "namespace": place,
                "query": query});
            assert_eq!(kind(tool, input), expected);
        }
    }

    #[test]
    fn fetching_names_the_host() {
        let (action, about) =
            judged("WebFetch", json!({"url": "https://Evil.example/a?b", "prompt": "p"}));
        let expected =
            json!({"kind": "network_request", "host": "evil.example", "scheme": "https"});
        assert_eq!((action, &about["url"]), (expected, &json!("https://Evil.example/a?b")));
    }

    #[test]
    fn the_tools_of_a_server_and_unknown_ones_are_tool_calls() {
        for (name, server, tool) in [
            ("mcp__github__create_issue", json!("github"), "create_issue"),
            ("mcp__plugin_a__b__c", json!("plugin_a"), "b__c"),
            ("mcp__only", json!(null), "mcp__only"),
            ("mcp____x", json!(null), "mcp____x"),
            ("Task", json!(null), "Task"),
        ] {
            let expected = json!({"kind": "tool_call", "server": server, "tool": tool,
                "arguments": {"a": 1}});
            assert_eq!(kind(name, json!({"a": 1})), expected);
        }
    }

    #[test]
    fn a_field_that_the_action_needs_is_missed_by_name() {
        for (tool, input, field) in [
            ("Bash", json!({}), "command"),
            ("Bash", json!({"command": ["rm"]}), "command"),
            ("Monitor", json!({"command": 7}), "command"),
            ("Write", json!({"content": "x"}), "file_path"),
            ("NotebookEdit", json!({"file_path": "x"}), "notebook_path"),
            ("Read", json!({"file_path": null}), "notebook_path"),
            ("Grep", json!({"pattern": "x", "path": 7}), "path"),
            ("WebFetch", json!({"url": "not a url"}), "url"),
            ("WebFetch", json!({"url": "data:text/plain,x"}), "url"),
        ] {
            let Value::Object(input) = input else { panic!("not an object") };
            let error = action(tool, input, "/work").unwrap_err().to_string();
            assert!(error.contains(&format!("`tool_input.{field}` must be")), "{error}");
        }
    }
}
