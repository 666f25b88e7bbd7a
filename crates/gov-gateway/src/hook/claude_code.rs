//! Claude Code's `PreToolUse` hook: its JSON on standard input, its answer by exit code.
//!
//! Source: the hooks reference at code.claude.com/docs/en/hooks, as of version 2.1.295. Exit code
//! 2 blocks and hands standard error to the model; 0 lets the call go on to the harness's own
//! permissions; **every other code lets it go on too**, and so does a hook that is too slow.

use gov_core::{SessionId, json, name::NameError};
use serde_json::{Map, Value, json};

use super::{Call, Ruling};

mod tool;

/// The one event that is judged.
pub const EVENT: &str = "PreToolUse";

/// The largest input that is read, in bytes: the content of a written file is part of it.
pub const MAX_INPUT_BYTES: usize = 32 * 1024 * 1024;

/// Reads one call.
///
/// Keys that are not known are ignored: the harness adds some with every release. The body of a
/// file that is written is not passed on, only its hash, so its size does not matter here.
///
/// # Errors
///
/// [`InputError`]: it cannot be judged what the agent wants, so it must not act.
pub fn parse(input: &[u8]) -> Result<Call, InputError> {
    let value = json::parse_value(input).map_err(InputError::Json)?;
    let Value::Object(mut call) = value else { return Err(InputError::field("", "an object")) };
    let event = text(&mut call, "hook_event_name")?;
    if event != EVENT {
        return Err(InputError::Event { received: event });
    }
    let session_id: SessionId = text(&mut call, "session_id")?.parse().map_err(InputError::Name)?;
    let cwd = text(&mut call, "cwd")?;
    let name = text(&mut call, "tool_name")?;
    let Some(Value::Object(input)) = call.remove("tool_input") else {
        return Err(InputError::field("tool_input", "an object"));
    };
    let (action, about) = tool::action(&name, input, &cwd)?;
    let mut context = Map::from_iter([
        ("harness".to_owned(), "claude-code".into()),
        ("tool".to_owned(), name.into()),
    ]);
    context.extend(about);
    Ok(Call { session_id, action, context })
}

/// How a ruling is said in the hook's dialect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The exit code: 0 or 2.
    pub exit: u8,
    /// For standard output; empty with exit code 2, where some versions of the harness have read
    /// JSON as a reason not to block.
    pub stdout: String,
    /// For standard error: what the model is told.
    pub stderr: String,
}

impl Answer {
    /// Puts the ruling into the dialect.
    ///
    /// With `approve` an allowed call also skips the harness's own permission prompt; without it,
    /// that prompt, and the user's own rules, still stand between the agent and the act.
    #[must_use]
    pub fn of(ruling: &Ruling, approve: bool) -> Self {
        let mut specific = Map::from_iter([("hookEventName".to_owned(), EVENT.into())]);
        if approve {
            specific.insert("permissionDecision".to_owned(), "allow".into());
            let reason = "allowed by gov policy".into();
            specific.insert("permissionDecisionReason".to_owned(), reason);
        }
        let (exit, stdout, stderr) = match ruling {
            Ruling::Allow if approve => (0, json!({ "hookSpecificOutput": specific }), ""),
            Ruling::Allow => (0, Value::Null, ""),
            Ruling::Note(note) => {
                specific.insert("additionalContext".to_owned(), note.as_str().into());
                (0, json!({ "hookSpecificOutput": specific, "systemMessage": note }), "")
            }
            Ruling::Block(reason) => (2, Value::Null, reason.as_str()),
        };
        let stdout = if stdout.is_null() { String::new() } else { stdout.to_string() };
        Self { exit, stdout, stderr: stderr.to_owned() }
    }
}

/// The input cannot be judged. Each message is whole: what lies beneath is in it and not a source,
/// so that the model does not read it twice.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InputError {
    /// It is not JSON that can be judged.
    #[error("the hook's input is not valid: {0}")]
    Json(json::JsonError),
    /// A field is missing or of another type.
    #[error("the hook's input is not valid: `{name}` must be {wanted}")]
    Field {
        /// Which field, as a path; empty for the whole.
        name: String,
        /// What it must be.
        wanted: &'static str,
    },
    /// The session cannot be named.
    #[error("the hook's input is not valid: {0}")]
    Name(NameError),
    /// It is another event.
    #[error(
        "`gov hook claude-code` judges {EVENT} events, not `{received}`; put it under {EVENT} in \
         the settings, or run `gov install claude-code`"
    )]
    Event {
        /// The event's name.
        received: String,
    },
}

impl InputError {
    fn field(name: &str, wanted: &'static str) -> Self {
        Self::Field { name: name.to_owned(), wanted }
    }
}

fn text(call: &mut Map<String, Value>, name: &str) -> Result<String, InputError> {
    match call.remove(name) {
        Some(Value::String(text)) if !text.is_empty() => Ok(text),
        _ => Err(InputError::field(name, "a text that is not empty")),
    }
}

#[cfg(test)]
mod tests {
    use gov_core::AgentAction;

    use super::*;

    fn input() -> Value {
        json!({
            "session_id": "s-1", "transcript_path": "/t.jsonl", "cwd": "/home/ann/shop",
            "permission_mode": "default", "hook_event_name": "PreToolUse", "tool_name": "Bash",
            "tool_input": {"command": "ls"}, "tool_use_id": "toolu_01", "not_known_yet": [1],
        })
    }

    fn refusal(input: &Value) -> String {
        parse(input.to_string().as_bytes()).unwrap_err().to_string()
    }

    #[test]
    fn a_call_reads_as_the_action_and_what_stays_the_same_when_it_is_repeated() {
        let call = parse(input().to_string().as_bytes()).unwrap();
        let cwd = Some("/home/ann/shop".to_owned());
        assert_eq!(call.action, AgentAction::Bash { command: "ls".to_owned(), cwd });
        let mut again = input();
        again["tool_use_id"] = "toolu_02".into();
        again["permission_mode"] = "plan".into();
        again["tool_input"]["description"] = "Lists files".into();
        assert_eq!(parse(again.to_string().as_bytes()).unwrap(), call);
        let body: Value =
            serde_json::from_slice(&call.to_check(&"a".parse().unwrap()).unwrap()).unwrap();
        let action = json!({"kind": "bash", "command": "ls", "cwd": "/home/ann/shop"});
        let context = json!({"harness": "claude-code", "tool": "Bash"});
        assert_eq!(
            body,
            json!({"agent_id": "a", "session_id": "s-1", "action": action, "context": context})
        );
    }

    #[test]
    fn an_input_without_one_of_its_parts_is_refused_by_name() {
        for name in ["session_id", "cwd", "hook_event_name", "tool_name", "tool_input"] {
            for wrong in [None, Some(json!(7)), Some(json!(null)), Some(json!(""))] {
                let mut input = input();
                match wrong {
                    None => drop(input.as_object_mut().unwrap().remove(name)),
                    Some(value) => input[name] = value,
                }
                assert!(refusal(&input).contains(&format!("`{name}` must be")), "{input}");
            }
        }
        assert!(refusal(&json!([])).contains("must be an object"));
        let mut input = input();
        input["session_id"] = "s".repeat(257).into();
        assert!(refusal(&input).contains("at most 256 bytes"), "{}", refusal(&input));
    }

    #[test]
    fn another_event_is_refused_with_where_the_hook_belongs() {
        for event in ["PostToolUse", "Stop", "pretooluse"] {
            let mut input = input();
            input["hook_event_name"] = event.into();
            assert!(refusal(&input).contains(&format!("not `{event}`")));
        }
    }

    #[test]
    fn json_that_two_readers_could_read_differently_is_refused() {
        let twice = br#"{"tool_name":"Bash","tool_name":"Read"}"#;
        assert!(parse(twice).unwrap_err().to_string().contains("duplicate key at `tool_name`"));
        for text in [&b""[..], b"{", b"{}{}", b"\xff", br#"{"cwd":"\ud800"}"#] {
            assert!(matches!(parse(text), Err(InputError::Json(_))));
        }
    }

    #[test]
    fn what_is_wrong_is_said_once() {
        for input in [&b"{"[..], b"[]"] {
            let error = anyhow::Error::from(parse(input).unwrap_err());
            assert_eq!(format!("{error:#}"), error.to_string());
        }
        let mut input = input();
        input["session_id"] = " s".into();
        let error = anyhow::Error::from(parse(input.to_string().as_bytes()).unwrap_err());
        assert_eq!(format!("{error:#}"), error.to_string());
    }

    #[test]
    fn each_ruling_is_said_in_the_dialect() {
        let block = Answer::of(&Ruling::Block("no".into()), true);
        assert_eq!(block, Answer { exit: 2, stdout: String::new(), stderr: "no".into() });
        let allow = Answer::of(&Ruling::Allow, false);
        assert_eq!(allow, Answer { exit: 0, stdout: String::new(), stderr: String::new() });

        let said = |ruling, approve| -> Value {
            let answer = Answer::of(&ruling, approve);
            assert_eq!((answer.exit, answer.stderr.as_str()), (0, ""));
            serde_json::from_str(&answer.stdout).unwrap()
        };
        let approved = &said(Ruling::Allow, true)["hookSpecificOutput"];
        assert_eq!(approved["permissionDecision"], "allow");
        let noted = said(Ruling::Note("look".into()), false);
        assert_eq!(
            (&noted["systemMessage"], &noted["hookSpecificOutput"]),
            (&json!("look"), &json!({"hookEventName": "PreToolUse", "additionalContext": "look"}))
        );
    }
}
