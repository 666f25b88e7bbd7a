//! Where a story happens: a home of its own, and the commands that are run in it.

use std::{
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use serde_json::Value;

use crate::server::Server;

/// The agent that the stories' token speaks for.
pub(crate) const AGENT: &str = "coder";

/// A home directory; what lies in it goes with it.
pub(crate) struct Place {
    home: tempfile::TempDir,
    /// Settings that every command here is given, by their environment variables.
    settings: Vec<(&'static str, String)>,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self { home: tempfile::tempdir().unwrap(), settings: Vec::new() }
    }

    /// A place whose server shares a database, and the log in it, with others.
    pub(crate) fn sharing(database_url: &str, keys: &Path) -> Self {
        let keys = keys.to_str().unwrap().to_owned();
        let settings =
            vec![("GOV__DATABASE__URL", database_url.to_owned()), ("GOV__LOG__KEY_DIR", keys)];
        Self { settings, ..Self::new() }
    }

    pub(crate) fn home(&self) -> &Path {
        self.home.path()
    }

    /// The data directory; nothing makes it but the commands.
    pub(crate) fn data_dir(&self) -> PathBuf {
        self.home.path().join("data/gov")
    }

    /// `program` in an environment that holds this home and nothing else.
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        let data = self.home.path().join("data");
        command.env_clear().env("HOME", self.home.path()).env("XDG_DATA_HOME", data);
        command.envs(self.settings.iter().map(|(name, value)| (name, value)));
        command.current_dir(self.home.path());
        command
    }

    /// `gov` with these arguments.
    pub(crate) fn gov(&self, arguments: &[&str]) -> Command {
        let mut command = self.command(env!("CARGO_BIN_EXE_gov"));
        command.args(arguments);
        command
    }

    /// Runs `gov` to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        Ran::of(self.gov(arguments))
    }

    /// Starts a server on a free port, with these lines of configuration.
    pub(crate) fn serve(&self, config: &str) -> Server {
        let arguments = self.serve_arguments(config);
        let mut command = self.gov(&[]);
        command.args(arguments);
        Server::start(command, self)
    }

    /// What `gov` is called with to serve under these lines of configuration.
    pub(crate) fn serve_arguments(&self, config: &str) -> Vec<String> {
        let file = self.home.path().join("gov.toml");
        std::fs::write(&file, config).unwrap();
        ["serve", "--listen", "127.0.0.1:0", "--config", file.to_str().unwrap()]
            .map(str::to_owned)
            .to_vec()
    }

    /// A new token of [`AGENT`], made while no server runs.
    pub(crate) fn agent_token(&self) -> String {
        self.agent_token_of(AGENT)
    }

    /// A new token of any agent, made while no server runs.
    pub(crate) fn agent_token_of(&self, agent: &str) -> String {
        self.token(&["--scope", "agent", "--agent", agent])
    }

    /// A new token of an admin, made while no server runs.
    pub(crate) fn admin_token(&self) -> String {
        self.token(&["--scope", "admin"])
    }

    /// A new token of an auditor, made while no server runs.
    pub(crate) fn auditor_token(&self) -> String {
        self.token(&["--scope", "auditor"])
    }

    /// A person with these roles, and a token of theirs, made while no server runs.
    pub(crate) fn approver_token(&self, name: &str, roles: &[&str]) -> String {
        let roles: Vec<_> = roles.iter().flat_map(|it| ["--role", it]).collect();
        self.run(&[&["people", "add", name], roles.as_slice()].concat()).ok();
        self.token(&["--scope", "approver", "--person", name])
    }

    fn token(&self, of: &[&str]) -> String {
        let ran = self.run(&[&["tokens", "create", "--json"], of].concat()).ok();
        let json: Value = serde_json::from_str(&ran.out).unwrap();
        json["token"].as_str().unwrap().to_owned()
    }

    /// Exports the log as it is now, to the same directory each time.
    pub(crate) fn export(&self) -> PathBuf {
        let dir = self.home.path().join("export");
        self.run(&["audit", "export", dir.to_str().unwrap()]).ok();
        dir
    }

    /// Judges the log where it lies, under `more` flags.
    pub(crate) fn verify(&self, more: &[&str]) -> Ran {
        self.run(&[&["audit", "verify"], more].concat())
    }

    /// Judges an exported log, under `more` flags.
    pub(crate) fn verify_export(&self, dir: &Path, more: &[&str]) -> Ran {
        self.run(&[&["audit", "verify", "--export", dir.to_str().unwrap()], more].concat())
    }

    /// Goes on from what a rollback left.
    pub(crate) fn accept_rollback(&self, reason: &str) {
        self.run(&["audit", "accept-rollback", "--reason", reason]).ok();
    }
}

/// Lines of configuration: two rungs, the second `after` the first, and a no at the `timeout`.
pub(crate) fn chain(after: &str, timeout: &str) -> String {
    format!(
        r#"
[chains.default]
timeout = "{timeout}"
fallback = "deny"
[[chains.default.rungs]]
roles = ["ops"]
notify = ["log"]
[[chains.default.rungs]]
roles = ["lead"]
after = "{after}"
notify = ["log"]
"#
    )
}

/// How a command ended and what it said.
#[derive(Debug)]
pub(crate) struct Ran {
    /// Absent where a signal ended it.
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ran {
    pub(crate) fn of(mut command: Command) -> Self {
        Self::ended(command.stdin(Stdio::null()).output().unwrap())
    }

    /// Runs it to its end with this on standard input.
    pub(crate) fn with_input(mut command: Command, input: &[u8]) -> Self {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        // It may answer without reading all of it; then what it says counts.
        let _ = child.stdin.take().unwrap().write_all(input);
        Self::ended(child.wait_with_output().unwrap())
    }

    fn ended(output: Output) -> Self {
        Self {
            code: output.status.code(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// It ended with 0.
    #[track_caller]
    pub(crate) fn ok(self) -> Self {
        assert_eq!(self.code, Some(0), "{self:?}");
        self
    }

    /// It ended with this code and said this on standard error.
    #[track_caller]
    pub(crate) fn failed(&self, code: i32, message: &str) {
        assert_eq!(self.code, Some(code), "{self:?}");
        assert!(self.err.contains(message), "wanted `{message}`: {self:?}");
    }
}
