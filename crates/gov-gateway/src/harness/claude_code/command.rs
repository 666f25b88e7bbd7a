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

/// What a hook's command says of itself, as far as it can be read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HookOptions {
    /// The server.
    pub url: Option<String>,
    /// Which agent it is.
    pub agent: Option<AgentId>,
    /// The file with the agent's token.
    pub token_file: Option<PathBuf>,
}

impl HookOptions {
    /// Reads the options of a command, whoever wrote it. What a shell would expand is not read.
    #[must_use]
    pub fn read(command: &str) -> Self {
        let mut read = Self::default();
        let mut words = words(command).into_iter();
        while let Some(word) = words.next() {
            let (option, value) = match word.split_once('=') {
                Some((option, value)) => (option.to_owned(), Some(value.to_owned())),
                None => (word, None),
            };
            if !matches!(option.as_str(), "--url" | "--agent" | "--token-file") {
                continue;
            }
            let value = value.or_else(|| words.next());
            match option.as_str() {
                "--url" => read.url = value,
                "--agent" => read.agent = value.and_then(|it| it.parse().ok()),
                _ => read.token_file = value.map(PathBuf::from),
            }
        }
        read
    }
}

/// The words of a POSIX shell, quotes and backslashes taken off.
fn words(command: &str) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
    let mut rest = command.chars();
    while let Some(it) = rest.next() {
        match (quote, it) {
            (None, '\'' | '"') => {
                quote = Some(it);
                word.get_or_insert_default();
            }
            (Some(open), close) if open == close => quote = None,
            (None | Some('"'), '\\') => word.get_or_insert_default().extend(rest.next()),
            (None, it) if it.is_whitespace() => words.extend(word.take()),
            (_, it) => word.get_or_insert_default().push(it),
        }
    }
    words.extend(word);
    words
}

/// Whether a command in the settings runs gov's hook.
pub(super) fn is_ours(command: &str) -> bool {
    let Some((program, _)) = command.split_once(MARK) else { return false };
    let program = program.trim_end().trim_end_matches(['\'', '"']);
    program.rsplit(['/', ' ', '\'', '"']).next() == Some("gov")
}

/// One word for a POSIX shell.
#[must_use]
pub fn quoted(word: &str) -> String {
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
        let HookCommand { url, agent, token_file, .. } = hook.clone();
        let options =
            HookOptions { url: Some(url), agent: Some(agent), token_file: Some(token_file) };
        assert_eq!(HookOptions::read(&hook.to_string()), options);
    }

    #[test]
    fn options_are_read_however_they_are_quoted() {
        let command = r#"/x/gov hook claude-code --url="http://h:1" --token-file '/a b/t' --agent"#;
        let options = HookOptions::read(command);
        assert_eq!(options.url.as_deref(), Some("http://h:1"));
        assert_eq!(options.token_file, Some("/a b/t".into()));
        assert_eq!(options.agent, None);
        assert_eq!(HookOptions::read("'unclosed"), HookOptions::default());
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
