//! What an action is, whatever its spelling.
//!
//! An action becomes [`Facts`]: paths cleaned, hosts in their one spelling, command lines taken
//! apart. Where a thing cannot be known before it runs, a flag says so (`unknown_…`); where the
//! action cannot be read at all, it is [`Unparsable`], and that is a refusal.
//!
//! Reading a shell command without running it is a heuristic. What it cannot see stands in
//! `docs/formats/policy-context.md`.

mod arguments;
mod code;
mod command;
mod effects;
mod facts;
mod gather;
mod git;
mod glob;
pub mod host;
mod lexer;
pub mod path;
mod prefix;
mod protected;
mod shell;
mod tool;
mod word;

use std::str::FromStr as _;

use gov_core::AgentAction;
use serde_json::Value;

pub use self::{
    facts::{Facts, Flags, Resource},
    protected::Protected,
};
use self::{gather::Gather, shell::Shell};
use super::Risk;

/// Stands in a text for what cannot be known before the command runs: SUBSTITUTE, which no real
/// path, host or program holds.
pub(crate) const UNKNOWN: char = '\u{1a}';

/// The longest command line that is read, in bytes.
pub const MAX_COMMAND_BYTES: usize = 256 * 1024;

/// The action cannot be read, and why; the text holds nothing of it but names of fields.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unparsable(pub(crate) String);

impl Unparsable {
    pub(crate) fn new(problem: impl Into<String>) -> Self {
        Self(problem.into())
    }
}

/// What `action` is; `context` is what the caller says beside it.
///
/// # Errors
///
/// [`Unparsable`]: refuse, and tell the agent why.
pub fn facts(
    action: &AgentAction,
    context: Option<&Value>,
    protected: &Protected,
) -> Result<Facts, Unparsable> {
    if let Some(context) = context {
        arguments::refuse_reserved_keys("context", context)?;
    }
    let said = |key: &str| text_field(context, key);
    let (given, own) = (said("cwd")?, action_cwd(action));
    let mut gather = Gather::new(protected, given.or(own))?;
    if let (Some(_), Some(own)) = (given, own) {
        gather.start_in(own)?;
    }
    gather.facts.risk = said("risk")?
        .map(Risk::from_str)
        .transpose()
        .map_err(|error| Unparsable::new(format!("`context.risk`: {error}")))?;
    look_at(action, &mut gather)?;
    gather.finish()
}

fn look_at(action: &AgentAction, gather: &mut Gather<'_>) -> Result<(), Unparsable> {
    match action {
        AgentAction::Bash { command, .. } => {
            gather.say(command);
            Shell::new(gather).script(command)?;
            gather.facts.resource = Resource::Command(gather.first_program());
        }
        AgentAction::ProcessSpawn { binary, args } => {
            gather.say(binary);
            for arg in args {
                gather.say(arg);
            }
            Shell::new(gather).spawn(binary, args)?;
            gather.facts.resource = Resource::Command(gather.first_program());
        }
        AgentAction::FilesystemWrite { path, byte_estimate } => {
            let text = path.to_text();
            if text.is_empty() || text.contains('\0') {
                return Err(Unparsable::new("`path` must not be empty or hold a NUL"));
            }
            gather.facts.flags.path_is_bytes = path.as_str().is_none();
            gather.facts.byte_estimate = *byte_estimate;
            gather.say(&text);
            let cleaned = gather.write(&text);
            gather.facts.resource = Resource::Path(cleaned);
        }
        AgentAction::NetworkRequest { host, scheme } => {
            gather.say(host);
            gather.say(scheme);
            let host = gather.required_host("host", host)?;
            gather.facts.resource = Resource::Host(host);
        }
        AgentAction::ToolCall { server, tool, arguments } => {
            tool::look_at(gather, server.as_deref(), tool, arguments, true)?;
        }
        AgentAction::Read { surface, namespace, query } => {
            gather.say(surface);
            for text in [namespace, query].into_iter().flatten() {
                gather.say(text);
                gather.look_like(text);
            }
            gather.facts.resource = Resource::Surface(surface.clone());
        }
        AgentAction::Custom { custom_kind, payload } => {
            tool::look_at(gather, None, custom_kind, payload, false)?;
            gather.facts.resource = Resource::Kind(custom_kind.clone());
        }
        // A kind that this version does not know.
        _ => return Err(Unparsable::new(format!("`kind` {} is not known", action.kind()))),
    }
    Ok(())
}

fn action_cwd(action: &AgentAction) -> Option<&str> {
    match action {
        AgentAction::Bash { cwd, .. } => cwd.as_deref(),
        _ => None,
    }
}

/// A text in the caller's context; absent and null are the same.
fn text_field<'a>(context: Option<&'a Value>, key: &str) -> Result<Option<&'a str>, Unparsable> {
    match context.and_then(|context| context.get(key)) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(Unparsable::new(format!("`context.{key}` must be a text"))),
    }
}
