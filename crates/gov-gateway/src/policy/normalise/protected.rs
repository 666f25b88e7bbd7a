//! What no agent may touch: gov itself, and the settings that make a harness ask gov.

use super::glob;

/// Where gov lives and listens. The default is what `gov serve` does without configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Protected {
    /// The port of the HTTP door.
    pub port: u16,
    /// The data directory, absolute; the default one in a home directory is always protected.
    pub data_dir: Option<String>,
    /// The program, absolute; a `gov` in a `bin` or `target` directory is always protected.
    pub binary: Option<String>,
}

impl Default for Protected {
    fn default() -> Self {
        Self { port: 7180, data_dir: None, binary: None }
    }
}

/// Files of the data directory whose names nothing else has.
const DATA_FILES: [&str; 4] = ["gov.db", "audit-log.db", "audit-log.spool", "audit-buffer.db"];

/// Settings by the last two components of their path; `*` in them is a pattern.
const SETTINGS: [(&str, &str); 7] = [
    (".claude", "settings*.json"),
    (".claude", "hooks"),
    ("claude-code", "managed-settings*"),
    (".codex", "config.toml"),
    (".codex", "hooks*"),
    (".cursor", "hooks*"),
    ("*", ".claude.json"),
];

/// Directories that hold settings: deleting or moving them away takes the settings along.
const SETTINGS_DIRS: [&str; 3] = [".claude", ".codex", ".cursor"];

impl Protected {
    /// Whether a command that names the cleaned `path` touches gov, and the settings.
    pub(super) fn named(&self, path: &str) -> (bool, bool) {
        let lower = path.to_lowercase();
        let parts: Vec<&str> = lower.split('/').filter(|it| !it.is_empty()).collect();
        let gov = self.is_gov(&lower, &parts);
        let harness = (0..parts.len()).any(|at| {
            let dir = at.checked_sub(1).and_then(|it| parts.get(it)).copied().unwrap_or(".");
            parts.get(at).is_some_and(|name| is_setting(dir, name))
        });
        (gov, harness)
    }

    /// Whether writing to or deleting the cleaned `path` touches them: their folders count too.
    pub(super) fn written(&self, path: &str) -> (bool, bool) {
        let lower = path.to_lowercase();
        let holds = |inner: &Option<String>| {
            inner.as_ref().is_some_and(|inner| {
                let inner = inner.to_lowercase();
                inner.strip_prefix(&lower).is_some_and(|rest| rest.starts_with('/'))
            })
        };
        let (gov, harness) = self.named(path);
        let last = lower.rsplit('/').next().unwrap_or_default();
        let holds_settings = SETTINGS_DIRS.iter().any(|dir| stands_for(last, dir));
        (gov || holds(&self.data_dir) || holds(&self.binary), harness || holds_settings)
    }

    /// Whether `text`, code for one, mentions them.
    pub(super) fn mentioned(&self, text: &str) -> (bool, bool) {
        // Each is a path, a file with a dot in its name, or a port behind a colon or a slash.
        if !text.contains(['.', '/', '\\', ':']) {
            return (false, false);
        }
        let lower = text.to_lowercase().replace('\\', "/");
        let data = self.data_dir.iter().map(|it| it.to_lowercase()).any(|it| mentions(&lower, &it));
        let file = DATA_FILES.iter().any(|it| lower.contains(it));
        let gov = data
            || (file && !lower.contains(char::is_whitespace))
            || lower.contains(".local/share/gov/")
            || lower.contains("xdg_data_home}/gov")
            || lower.contains("xdg_data_home/gov")
            || lower.contains(".config/gov/")
            || lower.contains("xdg_config_home}/gov")
            || lower.contains("xdg_config_home/gov")
            || mentions_port(&lower, self.port);
        let harness = [".claude/settings", ".claude.json", ".codex/config.toml", ".cursor/hooks"]
            .iter()
            .any(|it| lower.contains(it));
        (gov, harness)
    }

    fn is_gov(&self, lower: &str, parts: &[&str]) -> bool {
        let below = |root: &Option<String>| {
            root.as_ref().is_some_and(|root| {
                let root = root.to_lowercase();
                lower.strip_prefix(&root).is_some_and(|it| it.is_empty() || it.starts_with('/'))
            })
        };
        let data = parts.windows(3).any(|it| {
            matches!(it, [a, b, c] if stands_for(a, ".local") && stands_for(b, "share") && stands_for(c, "gov"))
        });
        // The tokens of people who decide.
        let config = parts
            .windows(2)
            .any(|it| matches!(it, [a, b] if stands_for(a, ".config") && stands_for(b, "gov")));
        let program = matches!(parts, [.., dir, name]
            if stands_for(name, "gov") && ["bin", "sbin", "release", "debug"].iter().any(|it| stands_for(dir, it)));
        let file = parts.last().is_some_and(|name| {
            DATA_FILES.iter().any(|it| {
                name.starts_with(it)
                    || (glob::is_pattern(name) && !name.starts_with('*') && glob::matches(name, it))
            })
        });
        below(&self.data_dir) || below(&self.binary) || data || config || program || file
    }
}

/// Whether a program of this name is gov.
pub(super) fn is_gov_program(name: &str) -> bool {
    name == "gov"
}

fn is_setting(dir: &str, name: &str) -> bool {
    SETTINGS.iter().any(|(in_dir, setting)| {
        (*in_dir == "*" || stands_for(dir, in_dir))
            && (glob::matches(setting, name)
                || (glob::is_pattern(name) && stands_for(name, &setting.replace('*', "")))
                || (name == "*" && *in_dir != "*"))
    })
}

/// Whether a component is `name`, or a pattern that a shell expands to it.
fn stands_for(component: &str, name: &str) -> bool {
    // `*` alone does not expand to what begins with a dot.
    let hidden = name.starts_with('.') && !component.starts_with('.');
    component == name
        || (!hidden
            && glob::is_pattern(component)
            && component != "*"
            && glob::matches(component, name))
}

/// Whether `text` names `path` or something below it, and not a longer name.
fn mentions(text: &str, path: &str) -> bool {
    text.match_indices(path).any(|(at, _)| {
        let after = text.get(at + path.len()..).and_then(|it| it.chars().next());
        !after.is_some_and(|it| it.is_alphanumeric() || matches!(it, '-' | '_' | '.'))
    })
}

/// `:7180`, or `/7180` as in `/dev/tcp/host/7180`, with no further digit.
fn mentions_port(text: &str, port: u16) -> bool {
    [format!(":{port}"), format!("/{port}"), format!("{port}/tcp")].iter().any(|mark| {
        text.match_indices(mark.as_str()).any(|(at, _)| {
            let digit = |it: Option<char>| it.is_some_and(|it| it.is_ascii_digit());
            let after = text.get(at + mark.len()..).and_then(|it| it.chars().next());
            let before = text.get(..at).and_then(|it| it.chars().next_back());
            !digit(after) && (!mark.starts_with(|it: char| it.is_ascii_digit()) || !digit(before))
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gov_and_the_settings_are_known_in_every_spelling() {
        let it = Protected { data_dir: Some("/srv/gov-data".into()), ..Protected::default() };
        for path in [
            "/home/me/.local/share/gov/gov.db",
            "/srv/gov-data",
            "/srv/gov-data/keys/x",
            "/usr/local/bin/gov",
            "/p/target/release/gov",
            "~/.local/sh*/g?v",
            "/home/me/.config/gov/credentials/x",
        ] {
            assert!(it.named(path).0, "{path}");
        }
        for path in
            ["/home/me/gov", "/p/crates/gov-gateway/src", "/srv/gov-data2", "/p/docs/gov.md"]
        {
            assert!(!it.named(path).0, "{path}");
        }
        for path in [
            "/p/.claude/settings.json",
            "/p/.claude/settings.local.json",
            "/p/.CLAUDE/Settings.json",
            "/p/.claude/sett*",
            "/p/.cl*/settings.json",
            "~/.claude.json",
            "/p/.claude/hooks/a.sh",
            "/p/.claude/*",
        ] {
            assert!(it.named(path).1, "{path}");
        }
        for path in ["/p/.claude/commands/a.md", "/p/settings.json", "/p/*", "/p/.claude"] {
            assert!(!it.named(path).1, "{path}");
        }
        assert!(it.written("/p/.claude").1 && it.written("/srv").0);
        assert!(it.mentioned("http://localhost:7180/v1").0 && !it.mentioned("a:71801").0);
    }
}
