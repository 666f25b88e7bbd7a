//! The hook in the coding agent's settings.

use std::path::Path;

use super::check::Check;
use crate::harness::{
    claude_code::{self, Found, HookOptions, Installed},
    settings_file::SettingsFile,
};

/// The way out of most of it.
pub(super) const INSTALL: &str = "`gov install claude-code` puts it right";

/// Gives gov's hooks, and what is to be said about them.
pub(super) fn examine(path: &Path, url: &str) -> (Vec<Installed>, Vec<Check>) {
    let name = "hook";
    let found = SettingsFile::read(path).map_err(anyhow::Error::from).and_then(|file| {
        match file.text().trim() {
            // No settings are settings without a hook.
            "" => Ok(Found::default()),
            _ => Ok(claude_code::find(file.text())?),
        }
    });
    let Found { hooks, disabled } = match found {
        Ok(found) => found,
        Err(error) => {
            let detail = format!("`{}`: {error:#}", path.display());
            return (Vec::new(), vec![Check::failed(name, detail, "correct it first")]);
        }
    };
    let mut checks = Vec::new();
    if hooks.is_empty() {
        let detail = format!("none of gov's stands under PreToolUse in `{}`", path.display());
        checks.push(Check::not_judged(name, detail, INSTALL));
    }
    for hook in &hooks {
        checks.push(Check::ok(name, format!("stands in `{}`: {}", path.display(), hook.command)));
        checks.extend(weaknesses(hook, url));
    }
    if hooks.len() > 1 {
        let detail = format!("gov's stands there {} times; one is enough", hooks.len());
        checks.push(Check::warning(name, detail, "remove the others by hand"));
    }
    if disabled {
        let detail = "`disableAllHooks` is true, so the agent is not held back at all";
        checks.push(Check::failed(name, detail, "remove that line from the settings"));
    }
    (hooks, checks)
}

fn weaknesses(hook: &Installed, url: &str) -> Vec<Check> {
    let mut checks = Vec::new();
    if !matches!(hook.matcher.as_str(), "" | "*" | ".*") {
        let name = "matcher";
        let detail = format!("gov is asked only about tools that fit `{}`", hook.matcher);
        let way_out = "set the matcher to `*`";
        checks.push(if hook.matcher.split('|').any(|it| it == "Bash") {
            Check::warning(name, detail, way_out)
        } else {
            Check::failed(name, format!("{detail}, and shell commands do not"), way_out)
        });
    }
    if !hook.blocks_on_failure {
        let detail = "a hook that dies or is too slow lets the call go on";
        checks.push(Check::warning("on failure", detail, INSTALL));
    }
    let options = HookOptions::read(&hook.command);
    if let Some(other) = options.url.filter(|it| it.trim_end_matches('/') != url) {
        let detail = format!("the hook asks `{other}`, and this command looked at `{url}`");
        let way_out = "repeat this command with the hook's `--url`, or install the hook anew";
        checks.push(Check::warning("hook's server", detail, way_out));
    }
    checks
}
