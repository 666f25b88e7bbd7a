//! `gov install`: puts gov in front of a coding agent.

use std::{
    env, io,
    io::{IsTerminal as _, Write as _},
    path::{Path, PathBuf},
};

use clap::{Args, Subcommand};
use gov_core::AgentId;
use serde::Serialize;

use super::{
    Exit, Failure, Outcome, Places, console,
    places::{server_url, utf8},
    target::json_line,
};
use crate::harness::{
    claude_code::{self, HookCommand},
    settings_file::{FileError, SettingsFile},
};

mod agent_token;
mod diff;

use self::agent_token::AgentToken;

/// `gov install`: puts gov in front of a coding agent.
#[derive(Debug, Subcommand)]
pub enum Install {
    /// Claude Code: a `PreToolUse` hook in its settings, and a token for the agent.
    ///
    /// Shows the change and asks before it writes. What was there is kept beside it.
    ClaudeCode(ClaudeCode),
}

/// `gov install claude-code`.
#[derive(Debug, Args)]
pub struct ClaudeCode {
    /// The settings file; by default `settings.json` in `$CLAUDE_CONFIG_DIR`, else in `~/.claude`.
    #[arg(long, value_name = "FILE")]
    settings: Option<PathBuf>,
    /// Which agent it shall be.
    #[arg(long, value_name = "ID", default_value = "claude-code")]
    agent: AgentId,
    /// The server that the hook asks; by default where the configuration makes it listen.
    #[arg(long, env = "GOV_URL")]
    url: Option<String>,
    /// Write without asking.
    #[arg(long)]
    yes: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    places: Places,
}

/// What was done.
#[derive(Debug, Serialize)]
struct Done<'a> {
    settings: &'a Path,
    settings_changed: bool,
    diff: &'a str,
    backup: Option<PathBuf>,
    agent_id: &'a AgentId,
    url: &'a str,
    token_file: &'a Path,
    token_made: bool,
    notes: &'a [String],
    next: String,
}

impl Install {
    /// Runs the command.
    ///
    /// # Errors
    ///
    /// [`Failure`]: nothing was written, or at most a token for the agent.
    pub fn run(self) -> Outcome {
        let Self::ClaudeCode(it) = self;
        it.run()
    }
}

impl ClaudeCode {
    fn run(self) -> Outcome {
        let url = match &self.url {
            Some(url) => url.clone(),
            None => server_url(&self.places.load(&[])?.config),
        };
        let token_file = claude_code::token_file(&absolute(&self.places.data_dir()?)?, &self.agent);
        utf8("--data-dir", &token_file)?;
        let token = AgentToken::new(&self.agent, &token_file, &url, &self.places)?;
        let hook = HookCommand {
            program: program()?,
            url: url.clone(),
            agent: self.agent.clone(),
            token_file: token_file.clone(),
        };
        let settings = SettingsFile::read(&settings_path(self.settings.as_deref())?)?;
        let planned = claude_code::plan(settings.text(), &hook).map_err(|error| {
            let file = gov_core::text::escape(&settings.path().to_string_lossy()).into_owned();
            Failure::because(Exit::Usage, format!("`{file}`"), error)
        })?;
        let settings_changed = planned.text != settings.text();
        let diff = diff::unified(settings.path(), settings.text(), &planned.text);
        if settings_changed && !self.agreed(&diff)? {
            console::error("nothing was changed").map_err(terminal)?;
            return Ok(Exit::JudgedNo);
        }
        // The token first: a hook without one blocks everything.
        let token_made = token.ensure()?;
        let backup = if settings_changed { settings.replace(&planned.text)? } else { None };
        let done = Done {
            settings: settings.path(),
            settings_changed,
            diff: &diff,
            backup,
            agent_id: &self.agent,
            url: &url,
            token_file: &token_file,
            token_made,
            notes: &planned.notes,
            next: self.next(),
        };
        if self.json {
            json_line(&done)?;
        } else {
            console::line(&done.to_text())?;
        }
        Ok(Exit::Yes)
    }

    /// Shows the change and waits for a yes.
    fn agreed(&self, diff: &str) -> Result<bool, Failure> {
        if !self.json {
            console::line(diff.trim_end())?;
        }
        if self.yes {
            return Ok(true);
        }
        if !io::stdin().is_terminal() {
            let what = "nothing was changed, since there is no terminal to ask at; look at the \
                        change, and repeat the command with `--yes`";
            return Err(Failure::new(Exit::Usage, what));
        }
        if self.json {
            console::error(diff.trim_end()).map_err(terminal)?;
        }
        let mut answer = String::new();
        write!(io::stderr(), "write this? [y/N] ")
            .and_then(|()| io::stdin().read_line(&mut answer))
            .map_err(terminal)?;
        Ok(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"))
    }

    /// `gov doctor` with the flags that this command had.
    fn next(&self) -> String {
        let shown = |path: &Path| path.to_string_lossy().into_owned();
        let flags = [
            ("--settings", self.settings.as_deref().map(shown)),
            ("--url", self.url.clone()),
            ("--config", self.places.config.as_deref().map(shown)),
            ("--data-dir", self.places.data_dir.as_deref().map(shown)),
        ];
        let mut words = vec!["gov doctor".to_owned()];
        for (flag, value) in flags {
            words.extend(value.map(|it| format!("{flag} {}", claude_code::quoted(&it))));
        }
        words.join(" ")
    }
}

impl Done<'_> {
    fn to_text(&self) -> String {
        let shown = |path: &Path| gov_core::text::escape(&path.to_string_lossy()).into_owned();
        let mut lines = Vec::new();
        if self.settings_changed {
            lines.push(format!("hook: written into {}", shown(self.settings)));
            lines.extend(self.backup.as_deref().map(|it| format!("before it: {}", shown(it))));
        } else {
            lines.push(format!("hook: nothing to do, it stands in {}", shown(self.settings)));
        }
        let agent = gov_core::text::escape(self.agent_id.as_str());
        let token = if self.token_made { "made now" } else { "as it was" };
        lines.push(format!("token of agent {agent}: {token}, in {}", shown(self.token_file)));
        lines.extend(self.notes.iter().map(|it| format!("note: {it}")));
        let next = gov_core::text::escape(&self.next);
        lines.push(format!("next: `{next}` shows that a forbidden call is really blocked"));
        lines.join("\n")
    }
}

/// The settings file that is meant.
///
/// # Errors
///
/// [`Failure`] where neither a flag nor the environment names one.
pub(super) fn settings_path(given: Option<&Path>) -> Result<PathBuf, Failure> {
    let usual = || claude_code::default_settings(|name| env::var_os(name));
    given.map(Path::to_owned).or_else(usual).ok_or_else(|| {
        let what = "no settings file: name one with `--settings`, or set `$HOME`";
        Failure::new(Exit::Usage, what)
    })
}

/// This program, as the hook calls it.
fn program() -> Result<PathBuf, Failure> {
    let program = env::current_exe().map_err(|error| {
        Failure::because(Exit::NotJudged, "cannot tell where this program lies", error)
    })?;
    utf8("gov", &program)?;
    Ok(program)
}

fn absolute(path: &Path) -> Result<PathBuf, Failure> {
    std::path::absolute(path).map_err(|error| {
        let what = format!("cannot tell where `{}` is", path.display());
        Failure::because(Exit::Usage, what, error)
    })
}

fn terminal(error: io::Error) -> Failure {
    Failure::because(Exit::NotJudged, "cannot use the terminal", error)
}

impl From<FileError> for Failure {
    fn from(error: FileError) -> Self {
        Self::of(Exit::Usage, error)
    }
}
