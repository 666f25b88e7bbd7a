//! The servers as child processes.

use std::{
    io::{BufRead as _, BufReader, Read as _},
    net::SocketAddr,
    process::{Child, Command, Stdio},
    time::Duration,
};

use serde_json::Value;

use crate::{
    approval,
    load::{Figures, Plan},
};

/// The agent that asks.
pub(crate) const AGENT: &str = "bench";

/// The person who decides.
const PERSON: &str = "bench";

/// A server that runs until this is dropped.
pub(crate) struct Server {
    child: Child,
    address: SocketAddr,
    token: String,
    approver: String,
    data: Option<tempfile::TempDir>,
}

impl Server {
    /// The baseline: this program, in its other role.
    pub(crate) fn bare() -> Self {
        let child = Command::new(std::env::current_exe().unwrap())
            .arg("--bare")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        Self::listening(child, [String::new(), String::new()], None)
    }

    /// `gov serve` on a fresh data directory, with the starter policy `balanced`.
    pub(crate) fn gov(durability: &str) -> Self {
        let data = tempfile::tempdir().unwrap();
        let dir = data.path().join("gov");
        run(&dir, &["people", "add", PERSON]);
        let agent = ["--scope", "agent", "--agent", AGENT];
        let approver = ["--scope", "approver", "--person", PERSON];
        let tokens = [agent, approver].map(|of| {
            let created = run(&dir, &[&["tokens", "create", "--json"], of.as_slice()].concat());
            let created: Value = serde_json::from_slice(&created).unwrap();
            created["token"].as_str().unwrap().to_owned()
        });
        let child = gov(&dir)
            .args(["serve", "--listen", "127.0.0.1:0"])
            .env("GOV__DURABILITY__REFUSE", durability)
            .env("GOV__SERVER__LOG_LEVEL", "error")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        Self::listening(child, tokens, Some(data))
    }

    /// Waits for the line that names the address.
    fn listening(
        mut child: Child,
        [token, approver]: [String; 2],
        data: Option<tempfile::TempDir>,
    ) -> Self {
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        let address = loop {
            line.clear();
            assert!(out.read_line(&mut line).unwrap() > 0, "the server ended before it listened");
            if let Some(address) = line.split([' ', '/', '\n']).find_map(|it| it.parse().ok()) {
                break address;
            }
        };
        // Somebody must take what else it prints.
        std::thread::spawn(move || out.read_to_end(&mut Vec::new()));
        Self { child, address, token, approver, data }
    }

    /// Runs `plan` against this server.
    pub(crate) fn measure(&self, plan: &Plan) -> Figures {
        plan.run(self.address, &self.token, || cpu_time(self.child.id()))
    }

    /// Walks `count` approvals from the question to their use.
    pub(crate) fn walk_approvals(&self, count: usize) -> approval::Spans {
        approval::walk(self.address, [&self.token, &self.approver], count)
    }

    /// Stops the server in order, and counts its log's records of one kind.
    pub(crate) fn stop_and_count_records(mut self, kind: &str) -> usize {
        let id = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(id, rustix::process::Signal::TERM).unwrap();
        assert!(self.child.wait().unwrap().success());
        let (dir, out) = {
            let data = self.data.as_ref().unwrap().path();
            (data.join("gov"), data.join("export"))
        };
        run(&dir, &["audit", "export", out.to_str().unwrap()]);
        let kind = format!("\"kind\":\"{kind}\"");
        count_in(&out.join("tile/entries"), kind.as_bytes())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs `gov` to its end and gives what it printed.
fn run(dir: &std::path::Path, arguments: &[&str]) -> Vec<u8> {
    let ran = gov(dir).args(arguments).output().unwrap();
    assert!(ran.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&ran.stderr));
    ran.stdout
}

fn gov(dir: &std::path::Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gov"));
    command.env("GOV__SERVER__DATA_DIR", dir).env_remove("GOV_URL").env_remove("GOV_TOKEN");
    command
}

fn count_in(dir: &std::path::Path, needle: &[u8]) -> usize {
    let mut count = 0;
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        count += if path.is_dir() {
            count_in(&path, needle)
        } else {
            let bytes = std::fs::read(&path).unwrap();
            bytes.windows(needle.len()).filter(|it| *it == needle).count()
        };
    }
    count
}

/// User and system time of a process: fields 14 and 15 of `/proc/<pid>/stat`, in clock ticks.
fn cpu_time(pid: u32) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    // The second field is the command in parentheses and may hold spaces.
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    let ticks: u64 = [11, 12].map(|it| fields[it].parse::<u64>().unwrap()).iter().sum();
    Duration::from_millis(ticks * 1_000 / rustix::param::clock_ticks_per_second())
}
