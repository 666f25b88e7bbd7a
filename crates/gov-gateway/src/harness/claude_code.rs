//! Claude Code's settings, and gov's hook in them.
//!
//! Source: the settings and hooks references at code.claude.com/docs. `onFailure: "block"` is
//! known from version 2.1.295 on; for older ones `|| exit 2` makes a hook that cannot start or
//! dies block too, and gov's own time limit ends well before the harness's.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
};

use serde_json::{Value, json};

use super::json_text::{Edited, JsonText, Node, TextError};

mod command;

pub use self::command::{HookCommand, HookOptions, quoted};

/// After how many seconds the harness gives the hook up; gov's own limit is 10.
pub const HARNESS_TIMEOUT_SECONDS: u64 = 30;

/// `settings.json` in `$CLAUDE_CONFIG_DIR`, else in `~/.claude`; `None` without a home.
pub fn default_settings(variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let set = |name: &str| variable(name).filter(|it| !it.is_empty()).map(PathBuf::from);
    let dir = set("CLAUDE_CONFIG_DIR").or_else(|| set("HOME").map(|it| it.join(".claude")))?;
    Some(dir.join("settings.json"))
}

/// The settings as they would be with the hook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Planned {
    /// The whole text.
    pub text: String,
    /// What the user should know about what is already there.
    pub notes: Vec<String>,
}

/// The settings cannot be changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SettingsError {
    /// They cannot be read as JSON.
    #[error("the settings are malformed, {0}; correct them first, nothing was changed")]
    Malformed(#[from] TextError),
    /// A part is not what the harness expects.
    #[error("`{what}` in the settings must be {wanted}; correct it first, nothing was changed")]
    Shape {
        /// Which part.
        what: &'static str,
        /// What it must be.
        wanted: &'static str,
    },
    /// The changed text would not mean what was meant: a mistake of the program.
    #[error("the change would have damaged the settings, so it was not made; please report this")]
    WouldDamage,
}

/// One place where a hook of gov stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Installed {
    /// The command as the harness runs it, by `sh -c`.
    pub command: String,
    /// Which tools it is asked about; empty and `*` are all of them.
    pub matcher: String,
    /// Whether the harness blocks when the hook fails.
    pub blocks_on_failure: bool,
    /// After how many seconds the harness gives the hook up and lets the call go on, if it says.
    pub timeout_seconds: Option<u64>,
}

/// What the settings say about gov.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// Each of gov's hooks.
    pub hooks: Vec<Installed>,
    /// Whether all hooks are switched off.
    pub disabled: bool,
}

/// Looks for gov's hook.
///
/// # Errors
///
/// [`SettingsError`] where the text is malformed.
pub fn find(text: &str) -> Result<Found, SettingsError> {
    let settings = JsonText::parse(text)?;
    let root = settings.root();
    let hooks = ours(root).into_iter().map(|(group, handler)| Installed {
        command: text_of(handler, "command"),
        matcher: text_of(group, "matcher"),
        blocks_on_failure: text_of(handler, "onFailure") == "block",
        timeout_seconds: handler.get("timeout").and_then(|it| it.to_value().as_u64()),
    });
    let disabled = root.get("disableAllHooks").is_some_and(|it| it.to_value() == true);
    Ok(Found { hooks: hooks.collect(), disabled })
}

/// Puts the hook in, or brings the one that is there up to date; everything else stays as it is.
///
/// # Errors
///
/// [`SettingsError`]: nothing can be changed safely.
pub fn plan(text: &str, hook: &HookCommand) -> Result<Planned, SettingsError> {
    let text = if text.trim().is_empty() { "{}\n" } else { text };
    let settings = JsonText::parse(text)?;
    let root = settings.root();
    if !root.is_object() {
        return Err(SettingsError::Shape { what: "the whole", wanted: "an object" });
    }
    let handler = handler_json(hook);
    let group = format!(
        "{{\n  \"matcher\": \"*\",\n  \"hooks\": [\n    {}\n  ]\n}}",
        handler.replace('\n', "\n    ")
    );
    let found = ours(root);
    let Edited(changed) = match (found.first(), root.get("hooks")) {
        (Some((_, it)), _) if it.to_value() == handler_value(hook) => Edited(text.to_owned()),
        (Some((_, it)), _) => settings.replace(it, &handler),
        (None, None) => {
            let list = group.replace('\n', "\n    ");
            let hooks = format!("{{\n  \"PreToolUse\": [\n    {list}\n  ]\n}}");
            settings.append(root, Some("hooks"), &hooks)
        }
        (None, Some(hooks)) if !hooks.is_object() => {
            return Err(SettingsError::Shape { what: "hooks", wanted: "an object" });
        }
        (None, Some(hooks)) => match hooks.get("PreToolUse") {
            None => {
                let list = format!("[\n  {}\n]", group.replace('\n', "\n  "));
                settings.append(hooks, Some("PreToolUse"), &list)
            }
            Some(list) if list.elements().is_none() => {
                return Err(SettingsError::Shape { what: "hooks.PreToolUse", wanted: "a list" });
            }
            Some(list) => settings.append(list, None, &group),
        },
    };
    check(root, &changed, hook)?;
    Ok(Planned { notes: notes(&find(&changed)?), text: changed })
}

/// The two texts must be equal but for our hook, which must be in the second.
fn check(before: &Node, changed: &str, hook: &HookCommand) -> Result<(), SettingsError> {
    let after = JsonText::parse(changed).map_err(|_| SettingsError::WouldDamage)?;
    let found = ours(after.root());
    let there = found.iter().any(|(_, it)| it.to_value() == handler_value(hook));
    if there && without_ours(before.to_value()) == without_ours(after.root().to_value()) {
        Ok(())
    } else {
        Err(SettingsError::WouldDamage)
    }
}

fn without_ours(mut settings: Value) -> Value {
    if let Some(Value::Array(groups)) = settings.pointer_mut("/hooks/PreToolUse") {
        for group in groups.iter_mut() {
            if let Some(Value::Array(handlers)) = group.get_mut("hooks") {
                handlers.retain(|it| {
                    !it.get("command").and_then(Value::as_str).is_some_and(command::is_ours)
                });
            }
        }
        groups.retain(|it| it.get("hooks") != Some(&json!([])));
    }
    let empty = [json!([]), json!({})];
    if let Some(Value::Object(hooks)) = settings.get_mut("hooks") {
        hooks.retain(|_, it| !empty.contains(it));
    }
    if let Value::Object(all) = &mut settings {
        all.retain(|key, it| key != "hooks" || !empty.contains(it));
    }
    settings
}

fn notes(found: &Found) -> Vec<String> {
    let mut notes = Vec::new();
    if found.disabled {
        notes.push("`disableAllHooks` is true, so the hook will not run: remove it".to_owned());
    }
    if found.hooks.len() > 1 {
        notes.push("gov's hook stands there more than once: one is enough".to_owned());
    }
    for hook in &found.hooks {
        if !matches!(hook.matcher.as_str(), "" | "*" | ".*") {
            let matcher = gov_core::text::escape(&hook.matcher);
            notes.push(format!("the matcher `{matcher}` keeps other tools away from gov: use `*`"));
        }
    }
    notes
}

/// Each hook of gov under `PreToolUse`, with the group that it stands in.
fn ours(root: &Node) -> Vec<(&Node, &Node)> {
    let groups = root.get("hooks").and_then(|it| it.get("PreToolUse")).and_then(Node::elements);
    let mut found = Vec::new();
    for group in groups.unwrap_or_default() {
        for handler in group.get("hooks").and_then(Node::elements).unwrap_or_default() {
            if handler.get("command").and_then(Node::as_str).is_some_and(command::is_ours) {
                found.push((group, handler));
            }
        }
    }
    found
}

fn text_of(node: &Node, key: &str) -> String {
    node.get(key).and_then(Node::as_str).unwrap_or_default().to_owned()
}

fn handler_value(hook: &HookCommand) -> Value {
    json!({
        "type": "command", "command": hook.to_string(),
        "timeout": HARNESS_TIMEOUT_SECONDS, "onFailure": "block",
    })
}

/// In the order that people expect; `serde_json` would sort the keys.
fn handler_json(hook: &HookCommand) -> String {
    format!(
        "{{\n  \"type\": \"command\",\n  \"command\": {},\n  \"timeout\": \
         {HARNESS_TIMEOUT_SECONDS},\n  \"onFailure\": \"block\"\n}}",
        Value::from(hook.to_string())
    )
}

/// Where an agent's token is kept: `credentials/<agent>.token` in the data directory.
///
/// An agent id that could not be a file name stands there by its hash.
#[must_use]
pub fn token_file(data_dir: &Path, agent: &gov_core::AgentId) -> PathBuf {
    let id = agent.as_str();
    let plain = |it: char| it.is_ascii_alphanumeric() || "-_.@".contains(it);
    let name = if id.chars().all(plain) && !id.starts_with('.') && id.len() <= 128 {
        id.to_owned()
    } else {
        gov_core::hex::Hex(&gov_core::canonical::sha256(id.as_bytes())).to_string()
    };
    data_dir.join("credentials").join(format!("{name}.token"))
}

#[cfg(test)]
mod tests;
