//! Real NATS servers for tests: started on a free port, stopped, killed and started again.
//!
//! Blocks while a server starts, some hundred milliseconds.

#![expect(clippy::expect_used, clippy::panic, reason = "a test that has no server has failed")]

use std::{
    io::{BufRead as _, BufReader, Write as _},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread::JoinHandle,
};

/// Which kind of server a test needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Release {
    /// 2.12 or newer, with atomic batches.
    Current,
    /// Older than 2.12.
    Old,
}

/// A server that is stopped when it is dropped.
#[derive(Debug)]
pub struct TestServer {
    binary: PathBuf,
    dir: PathBuf,
    port: u16,
    running: Option<Running>,
}

#[derive(Debug)]
struct Running {
    child: Child,
    log: JoinHandle<()>,
}

impl Release {
    /// The program, by the environment or by `PATH`.
    ///
    /// `None`, with a line on standard error, when there is none.
    ///
    /// # Panics
    ///
    /// Then, if `CI=true`.
    #[must_use]
    pub fn binary(self) -> Option<PathBuf> {
        let variable = match self {
            Self::Current => "GOV_TEST_NATS_SERVER",
            Self::Old => "GOV_TEST_NATS_SERVER_OLD",
        };
        let named = std::env::var_os(variable).map(PathBuf::from);
        let binary = named.unwrap_or_else(|| PathBuf::from("nats-server"));
        if self.is(&binary) {
            return Some(binary);
        }
        let wanted = match self {
            Self::Current => "2.12 or newer",
            Self::Old => "older than 2.12",
        };
        let missing = format!("NATS tests need {variable}, a nats-server that is {wanted}");
        assert!(std::env::var("CI").as_deref() != Ok("true"), "{missing}");
        // Not `eprintln!`: the test harness swallows it.
        let written = std::io::stderr().write_all(format!("skipped: {missing}\n").as_bytes());
        written.expect("standard error is open");
        None
    }

    fn is(self, binary: &Path) -> bool {
        let Ok(output) = Command::new(binary).arg("--version").output() else { return false };
        let text = String::from_utf8_lossy(&output.stdout);
        let version = text.trim().rsplit('v').next().unwrap_or_default();
        let mut numbers = version.split('.').map(|part| part.parse::<u32>().unwrap_or(0));
        let version = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
        version > (0, 0) && (version >= (2, 12)) == (self == Self::Current)
    }
}

impl TestServer {
    /// Starts a server that keeps its streams in `dir`, with `config` as its configuration;
    /// `None` when the machine has no such server, as [`Release::binary`] says.
    ///
    /// # Panics
    ///
    /// If it does not start.
    #[must_use]
    pub fn start(release: Release, dir: &Path, config: &str) -> Option<Self> {
        let binary = release.binary()?;
        std::fs::write(dir.join("nats.conf"), config).expect("the directory can be written");
        let mut server = Self { binary, dir: dir.to_owned(), port: 0, running: None };
        server.restart();
        Some(server)
    }

    /// Starts it again, on the same port, after [`TestServer::kill`] or [`TestServer::stop`].
    ///
    /// # Panics
    ///
    /// If it does not start, or still runs.
    pub fn restart(&mut self) {
        assert!(self.running.is_none(), "the server still runs");
        let port = if self.port == 0 { "-1".to_owned() } else { self.port.to_string() };
        let mut command = Command::new(&self.binary);
        command.args(["-a", "127.0.0.1", "-p", &port, "-c"]).arg(self.dir.join("nats.conf"));
        command.args(["-js", "-sd"]).arg(self.store());
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the server can be started");
        let mut lines = BufReader::new(child.stderr.take().expect("it is piped")).lines();
        let mut said = Vec::new();
        loop {
            let Some(Ok(line)) = lines.next() else {
                panic!("the server ended: {said:#?}");
            };
            if let Some((_, port)) = line.rsplit_once("client connections on 127.0.0.1:") {
                self.port = port.trim().parse().expect("it says its port");
            }
            if line.contains("Server is ready") {
                break;
            }
            said.push(line);
        }
        // Who does not read what it says blocks it in the end.
        let log = std::thread::spawn(move || while let Some(Ok(_)) = lines.next() {});
        self.running = Some(Running { child, log });
    }

    /// Where it listens: `nats://127.0.0.1:<port>`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    /// The port that it listens on.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Its process; 0 when it does not run.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.running.as_ref().map_or(0, |it| it.child.id())
    }

    /// The directory with its streams.
    #[must_use]
    pub fn store(&self) -> PathBuf {
        self.dir.join("store")
    }

    /// Ends it as a power cut does to a process: SIGKILL.
    pub fn kill(&mut self) {
        if let Some(mut running) = self.running.take() {
            // Both fail only for a process that has ended.
            let _ = running.child.kill();
            let _ = running.child.wait();
            let _ = running.log.join();
        }
    }

    /// Ends it in order: SIGTERM, and waits.
    pub fn stop(&mut self) {
        self.signal("TERM");
        if let Some(mut running) = self.running.take() {
            let _ = running.child.wait();
            let _ = running.log.join();
        }
    }

    /// Lets it stand still: SIGSTOP.
    pub fn pause(&self) {
        self.signal("STOP");
    }

    /// Lets it go on: SIGCONT.
    pub fn resume(&self) {
        self.signal("CONT");
    }

    fn signal(&self, name: &str) {
        let pid = self.pid();
        if pid > 0 {
            let done = Command::new("kill").args(["-s", name, &pid.to_string()]).status();
            assert!(done.is_ok_and(|it| it.success()), "SIG{name} must reach the server");
        }
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        self.kill();
    }
}
