//! What an agent wants to do.

use std::borrow::Cow;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// One action, as the agent sent it; nothing in it is normalised.
///
/// In JSON it is an object tagged by `kind` (`bash`, `filesystem_write`, …). Unknown keys are
/// refused, and absent optional ones are written as `null`, so equal actions are equal bytes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Wire", into = "Wire")]
#[non_exhaustive]
pub enum AgentAction {
    /// A command line for a shell.
    Bash {
        /// The command line, unparsed.
        command: String,
        /// The directory it runs in, if the agent says.
        cwd: Option<String>,
    },
    /// Writing or deleting a file.
    FilesystemWrite {
        /// Which file.
        path: ActionPath,
        /// How many bytes, if the agent can say.
        byte_estimate: Option<u64>,
    },
    /// A connection to another host.
    NetworkRequest {
        /// The host name or address.
        host: String,
        /// The scheme, `https` for one.
        scheme: String,
    },
    /// Starting a program without a shell.
    ProcessSpawn {
        /// The program.
        binary: String,
        /// Its arguments, without the program.
        args: Vec<String>,
    },
    /// A tool call, as MCP clients and coding agents send it.
    ToolCall {
        /// The server that offers the tool; `None` for the harness's own.
        server: Option<String>,
        /// The tool's name.
        tool: String,
        /// Its arguments, any JSON.
        arguments: Value,
    },
    /// Reading without changing anything.
    Read {
        /// What is read: `filesystem`, `database`, `memory`, …
        surface: String,
        /// Which part of it.
        namespace: Option<String>,
        /// What is looked for.
        query: Option<String>,
    },
    /// Anything else, named by the caller.
    Custom {
        /// What it is.
        custom_kind: String,
        /// Any JSON.
        payload: Value,
    },
}

impl AgentAction {
    /// The `kind` tag in JSON.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Bash { .. } => "bash",
            Self::FilesystemWrite { .. } => "filesystem_write",
            Self::NetworkRequest { .. } => "network_request",
            Self::ProcessSpawn { .. } => "process_spawn",
            Self::ToolCall { .. } => "tool_call",
            Self::Read { .. } => "read",
            Self::Custom { .. } => "custom",
        }
    }
}

/// A path, text or bytes: one that is not UTF-8 travels as `path_b64` instead of `path`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ActionPath(Vec<u8>);

impl ActionPath {
    /// A path of any bytes.
    #[must_use]
    pub fn new(bytes: impl Into<Vec<u8>>) -> Self {
        Self(bytes.into())
    }

    /// The path's bytes, as they are.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The path as text; `None` if it is not UTF-8.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        std::str::from_utf8(&self.0).ok()
    }

    /// The path as a policy sees it: what is not UTF-8 shows as U+FFFD.
    #[must_use]
    pub fn to_text(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.0)
    }
}

/// The action's two paths are not one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
enum PathError {
    #[error("missing field `path` (or `path_b64`, for a path that is not UTF-8)")]
    Missing,
    #[error("`path` and `path_b64` exclude each other")]
    Both,
    #[error("`path_b64` must be padded standard base64")]
    NotBase64,
    #[error("`path_b64` holds valid UTF-8; send it as `path`")]
    IsText,
}

/// The action in JSON.
#[derive(Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
enum Wire {
    Bash { command: String, cwd: Option<String> },
    FilesystemWrite { path: Option<String>, path_b64: Option<String>, byte_estimate: Option<u64> },
    NetworkRequest { host: String, scheme: String },
    ProcessSpawn { binary: String, args: Vec<String> },
    ToolCall { server: Option<String>, tool: String, arguments: Value },
    Read { surface: String, namespace: Option<String>, query: Option<String> },
    Custom { custom_kind: String, payload: Value },
}

impl TryFrom<Wire> for AgentAction {
    type Error = PathError;

    fn try_from(wire: Wire) -> Result<Self, PathError> {
        Ok(match wire {
            Wire::Bash { command, cwd } => Self::Bash { command, cwd },
            Wire::FilesystemWrite { path, path_b64, byte_estimate } => {
                Self::FilesystemWrite { path: path_from_wire(path, path_b64)?, byte_estimate }
            }
            Wire::NetworkRequest { host, scheme } => Self::NetworkRequest { host, scheme },
            Wire::ProcessSpawn { binary, args } => Self::ProcessSpawn { binary, args },
            Wire::ToolCall { server, tool, arguments } => {
                Self::ToolCall { server, tool, arguments }
            }
            Wire::Read { surface, namespace, query } => Self::Read { surface, namespace, query },
            Wire::Custom { custom_kind, payload } => Self::Custom { custom_kind, payload },
        })
    }
}

impl From<AgentAction> for Wire {
    fn from(action: AgentAction) -> Self {
        match action {
            AgentAction::Bash { command, cwd } => Self::Bash { command, cwd },
            AgentAction::FilesystemWrite { path, byte_estimate } => {
                let (path, path_b64) = match String::from_utf8(path.0) {
                    Ok(text) => (Some(text), None),
                    Err(bytes) => (None, Some(STANDARD.encode(bytes.as_bytes()))),
                };
                Self::FilesystemWrite { path, path_b64, byte_estimate }
            }
            AgentAction::NetworkRequest { host, scheme } => Self::NetworkRequest { host, scheme },
            AgentAction::ProcessSpawn { binary, args } => Self::ProcessSpawn { binary, args },
            AgentAction::ToolCall { server, tool, arguments } => {
                Self::ToolCall { server, tool, arguments }
            }
            AgentAction::Read { surface, namespace, query } => {
                Self::Read { surface, namespace, query }
            }
            AgentAction::Custom { custom_kind, payload } => Self::Custom { custom_kind, payload },
        }
    }
}

/// Two spellings of one path would be two digests, so text must come as text.
fn path_from_wire(path: Option<String>, path_b64: Option<String>) -> Result<ActionPath, PathError> {
    match (path, path_b64) {
        (Some(text), None) => Ok(ActionPath(text.into_bytes())),
        (None, Some(encoded)) => {
            let bytes = STANDARD.decode(encoded).map_err(|_| PathError::NotBase64)?;
            match std::str::from_utf8(&bytes) {
                Ok(_) => Err(PathError::IsText),
                Err(_) => Ok(ActionPath(bytes)),
            }
        }
        (None, None) => Err(PathError::Missing),
        (Some(_), Some(_)) => Err(PathError::Both),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(value: Value) -> Result<AgentAction, String> {
        serde_json::from_value(value).map_err(|error| error.to_string())
    }

    #[test]
    fn every_kind_reads_back_from_its_json_under_its_tag() {
        for action in [
            AgentAction::Bash { command: "ls".into(), cwd: None },
            AgentAction::FilesystemWrite { path: ActionPath::new("/a"), byte_estimate: Some(1) },
            AgentAction::FilesystemWrite {
                path: ActionPath::new([b'/', 0xff]),
                byte_estimate: None,
            },
            AgentAction::NetworkRequest { host: "h".into(), scheme: "https".into() },
            AgentAction::ProcessSpawn { binary: "b".into(), args: vec!["a".into()] },
            AgentAction::ToolCall { server: None, tool: "t".into(), arguments: json!({"a": 0.5}) },
            AgentAction::Read { surface: "s".into(), namespace: None, query: Some("q".into()) },
            AgentAction::Custom { custom_kind: "c".into(), payload: json!([null]) },
        ] {
            let value = serde_json::to_value(&action).unwrap();
            assert_eq!(value["kind"], action.kind());
            assert_eq!(read(value).unwrap(), action);
        }
    }

    #[test]
    fn an_absent_field_and_a_null_one_are_the_same_bytes() {
        let absent = read(json!({"kind": "bash", "command": "ls"})).unwrap();
        let null = read(json!({"kind": "bash", "command": "ls", "cwd": null})).unwrap();
        let bytes = br#"{"command":"ls","cwd":null,"kind":"bash"}"#;
        for action in [absent, null] {
            assert_eq!(crate::canonical::to_bytes(&action).unwrap(), bytes);
        }
    }

    #[test]
    fn a_path_that_is_not_utf8_is_kept_and_shown_with_replacements() {
        let action = read(json!({"kind": "filesystem_write", "path_b64": "L3RtcC//"})).unwrap();
        let AgentAction::FilesystemWrite { path, .. } = &action else { panic!("{action:?}") };
        assert_eq!((path.as_bytes(), path.as_str()), (&b"/tmp/\xff"[..], None));
        assert_eq!(path.to_text(), "/tmp/\u{fffd}");
    }

    #[test]
    fn a_path_has_one_spelling() {
        for (fields, message) in [
            (json!({}), "missing field `path`"),
            (json!({"path": "a", "path_b64": "//8="}), "exclude each other"),
            (json!({"path_b64": "/"}), "must be padded standard base64"),
            (json!({"path_b64": "L3RtcA=="}), "send it as `path`"),
        ] {
            let mut value = json!({"kind": "filesystem_write"});
            value.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
            let error = read(value).unwrap_err();
            assert!(error.contains(message), "{error}");
        }
    }

    #[test]
    fn an_unknown_key_or_kind_is_refused_by_name() {
        let error = read(json!({"kind": "bash", "command": "ls", "sudo": true})).unwrap_err();
        assert!(error.contains("unknown field `sudo`"), "{error}");
        let error = read(json!({"kind": "fly"})).unwrap_err();
        assert!(error.contains("unknown variant `fly`"), "{error}");
    }
}
