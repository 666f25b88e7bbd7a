//! The real binary, as a user runs it.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
};

use rustix::process::{Pid, Signal};

/// A place for data directories and files, and the commands that work in it.
pub(crate) struct Place {
    home: tempfile::TempDir,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self { home: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    /// The data directory; nothing makes it but the command under test.
    pub(crate) fn data_dir(&self) -> PathBuf {
        self.path("gov")
    }

    /// `gov` with `arguments`, in an environment of its own, on [`Place::data_dir`].
    pub(crate) fn gov(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_gov"));
        command.env_clear().env("XDG_DATA_HOME", self.home.path()).args(arguments);
        command
    }

    /// Runs it to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        Ran::of(self.gov(arguments).output().unwrap())
    }

    /// Runs it with variables.
    pub(crate) fn run_with(&self, variables: &[(&str, &str)], arguments: &[&str]) -> Ran {
        Ran::of(self.gov(arguments).envs(variables.iter().copied()).output().unwrap())
    }

    /// Runs it with variables and `input` on standard input.
    pub(crate) fn run_on(
        &self,
        variables: &[(&str, &str)],
        arguments: &[&str],
        input: &[u8],
    ) -> Ran {
        let mut command = self.gov(arguments);
        command.envs(variables.iter().copied()).stdin(Stdio::piped());
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        // A command that does not read all of it is judged by its end.
        let _ = child.stdin.take().unwrap().write_all(input);
        Ran::of(child.wait_with_output().unwrap())
    }

    /// Runs `gov serve` that is expected not to start; one that does is ended, and fails the test.
    pub(crate) fn serve_in_vain(&self, arguments: &[&str]) -> Ran {
        let mut command = self.gov(&["serve"]);
        // A fixed port would be taken from another test.
        command.env("GOV__SERVER__LISTEN", "127.0.0.1:0");
        command.args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        if !line.is_empty() {
            child.kill().unwrap();
        }
        let output = child.wait_with_output().unwrap();
        assert_eq!(line, "", "it started");
        Ran::of(output)
    }

    /// Starts a server on a free port and waits until it has said its five lines.
    pub(crate) fn serve(&self, arguments: &[&str]) -> Serving {
        Serving::start(self.gov(&[&["serve", "--listen", "127.0.0.1:0"], arguments].concat()))
    }

    /// Writes a file in this place.
    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, text).unwrap();
        path
    }
}

/// How a command ended and what it said.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ran {
    pub(crate) fn of(output: Output) -> Self {
        Self {
            code: output.status.code().expect("it ended by itself"),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// It failed with this code, in one line on standard error that holds `message`.
    pub(crate) fn failed(&self, code: i32, message: &str) {
        assert_eq!(self.code, code, "{self:?}");
        assert!(self.err.contains(message), "wanted {message}: {self:?}");
        assert!(self.err.starts_with("gov: ") && self.err.lines().count() == 1, "{self:?}");
        assert_eq!(self.out, "", "{self:?}");
    }
}

/// A server process; killed where a test drops it.
pub(crate) struct Serving {
    child: Child,
    pub(crate) address: SocketAddr,
    pub(crate) lines: Vec<String>,
}

impl Serving {
    fn start(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut lines = Vec::new();
        while lines.len() < 5 {
            let mut line = String::new();
            if out.read_line(&mut line).unwrap() == 0 {
                let mut error = String::new();
                child.stderr.take().unwrap().read_to_string(&mut error).unwrap();
                panic!("the server did not start: {lines:?} {error}");
            }
            lines.push(line.trim_end().to_owned());
        }
        let address = lines[0].rsplit_once("http://").unwrap().1.parse().unwrap();
        Self { child, address, lines }
    }

    /// The admin token of a first start.
    pub(crate) fn admin(&self) -> &str {
        self.lines[4].strip_prefix("admin token, shown only now: ").unwrap()
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Ends it by a signal and gives its exit code and what it said on standard error.
    pub(crate) fn end(mut self, signal: Signal) -> (Option<i32>, String) {
        rustix::process::kill_process(Pid::from_child(&self.child), signal).unwrap();
        let status = self.child.wait().unwrap();
        let mut error = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut error).unwrap();
        (status.code(), error)
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// `gov.db` of a directory that no server has open.
pub(crate) fn database(data_dir: &Path, name: &str) -> rusqlite::Connection {
    rusqlite::Connection::open(data_dir.join(name)).unwrap()
}
