//! The command that the harness runs, by `sh -c`.

use std::{fmt, path::PathBuf};

use gov_core::AgentId;

/// Which words make a command ours, whatever path and options it has.
const MARK: &str = " hook claude-code";

/// gov's hook as a shell command.
///
/// Server, agent and token file are written out, so that the agent's environment does not decide
/// them. The token itself is never part of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HookCommand {
    /// The `gov` program.
    pub program: PathBuf,
    /// The server.
    pub url: String,
    /// Which agent it is.
    pub agent: AgentId,
    /// The file with the agent's token.
    pub token_file: PathBuf,
}

impl fmt::Display for HookCommand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}{MARK} --url {} --agent {} --token-file {} || exit 2",
            quoted(&self.program.to_string_lossy()),
            quoted(&self.url),
            quoted(self.agent.as_str()),
            quoted(&self.token_file.to_string_lossy()),
        )
    }
}

/// Whether a command in the settings runs gov's hook.
pub(super) fn is_ours(command: &str) -> bool {
    let Some((program, _)) = command.split_once(MARK) else { return false };
    let program = program.trim_end().trim_end_matches(['\'', '"']);
    program.rsplit(['/', ' ', '\'', '"']).next() == Some("gov")
}

/// One word for a POSIX shell.
fn quoted(word: &str) -> String {
    let plain = |it: char| it.is_ascii_alphanumeric() || "/-_.:@%+=,".contains(it);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_is_safe_for_a_shell_and_blocks_where_gov_cannot_start() {
        let hook = HookCommand {
            program: "/opt/my tools/gov".into(),
            url: "http://127.0.0.1:7180".into(),
            agent: "ann's agent".parse().unwrap(),
            token_file: "/d/credentials/a.token".into(),
        };
        assert_eq!(
            hook.to_string(),
            r"'/opt/my tools/gov' hook claude-code --url http://127.0.0.1:7180 --agent 'ann'\''s agent' --token-file /d/credentials/a.token || exit 2"
        );
        assert!(is_ours(&hook.to_string()));
    }

    #[test]
    fn only_a_command_that_runs_gov_is_ours() {
        for ours in [
            "gov hook claude-code",
            "\"/a b/gov\" hook claude-code",
            "exec /x/gov hook claude-code -v",
        ] {
            assert!(is_ours(ours), "{ours}");
        }
        for other in
            ["", "mygov hook claude-code", "/gov/x hook claude-code", "gov hook codex", "echo gov"]
        {
            assert!(!is_ours(other), "{other}");
        }
    }
}
