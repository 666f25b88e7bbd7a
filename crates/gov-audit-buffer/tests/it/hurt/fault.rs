//! How a child is hurt.

use std::{
    collections::HashMap,
    fmt, fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use super::child;

/// The files whose calls are hurt; standard output and the sink never are.
const FILES: [&str; 6] = [
    "audit-buffer.db",
    "audit-buffer.db-wal",
    "audit-buffer.db-shm",
    "audit-buffer.db.lock",
    "audit-buffer.ballast",
    ".",
];

pub(super) const CALLS: [&str; 7] =
    ["pwrite64", "write", "fdatasync", "fsync", "fallocate", "ftruncate", "unlink"];

/// What happens at the `nth` passage, from 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    None,
    /// The system call of each thread fails.
    Error {
        call: &'static str,
        errno: &'static str,
        nth: u32,
    },
    /// The process is killed in the system call.
    Kill {
        call: &'static str,
        nth: u32,
    },
    /// The process dies between two steps.
    Crash {
        point: &'static str,
        nth: u32,
    },
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("no fault"),
            Self::Error { call, errno, nth } => write!(f, "{errno} at {call} {nth}"),
            Self::Kill { call, nth } => write!(f, "kill at {call} {nth}"),
            Self::Crash { point, nth } => write!(f, "crash at {point} {nth}"),
        }
    }
}

/// What a child said before it ended, a line each.
pub(super) fn run(dir: &Path, role: &str, fault: &Fault) -> Vec<String> {
    let inject = match fault {
        Fault::None | Fault::Crash { .. } => None,
        Fault::Error { call, errno, nth } => Some(format!("{call}:error={errno}:when={nth}")),
        Fault::Kill { call, nth } => Some(format!("{call}:signal=KILL:when={nth}")),
    };
    let program = std::env::current_exe().unwrap();
    let mut command = match inject {
        None => Command::new(program),
        Some(inject) => {
            let mut strace = Command::new("strace");
            strace.args(["-f", "-qq", "-o", "/dev/null", "-e", &format!("inject={inject}")]);
            strace.args(["-e", &format!("trace={}", CALLS.join(","))]);
            for file in FILES {
                strace.arg("-P").arg(real(dir).join(file));
            }
            strace.arg(program);
            strace
        }
    };
    if let Fault::Crash { point, nth } = fault {
        command.env("GOV_CRASH_AT", format!("{point}:{nth}"));
    }
    command.args(["--exact", "hurt::child::plays_the_child", "--ignored", "--nocapture"]);
    command.env(child::DIR, real(dir)).env(child::ROLE, role).env("RUST_BACKTRACE", "0");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let output = command.spawn().unwrap().wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    said.lines().filter_map(|line| Some(line.split_once('@')?.1.to_owned())).collect()
}

/// The calls on the files and on standard output that a child of this role makes, a line each.
pub(super) fn trace(dir: &Path, role: &str) -> Vec<String> {
    let trace = dir.join("trace");
    let mut strace = Command::new("strace");
    strace.args(["-f", "-y", "-qq", "-e", &format!("trace={}", CALLS.join(",")), "-o"]);
    strace.arg(&trace).arg(std::env::current_exe().unwrap());
    strace.args(["--exact", "hurt::child::plays_the_child", "--ignored", "--nocapture"]);
    strace.env(child::DIR, real(dir)).env(child::ROLE, role);
    strace.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    assert!(strace.status().unwrap().success());
    fs::read_to_string(trace).unwrap().lines().map(str::to_owned).collect()
}

/// How often the busiest thread of a child makes each call on the files.
pub(super) fn passages(dir: &Path) -> Vec<(&'static str, u32)> {
    let (files, trace) = (real(dir), trace(dir, "all"));
    let inside = format!("{}", files.display());
    let count = |call: &str| {
        let mut threads = HashMap::<&str, u32>::new();
        for line in trace.iter().filter(|it| it.contains(&inside) && !it.contains("sink.txt")) {
            let Some((thread, rest)) = line.split_once(' ') else { continue };
            if rest.trim_start().starts_with(&format!("{call}(")) {
                *threads.entry(thread).or_default() += 1;
            }
        }
        threads.into_values().max().unwrap_or(0)
    };
    CALLS.iter().map(|call| (*call, count(call))).collect()
}

/// Whether strace is there. Where it is missing that is said, and fails under `CI=true`.
pub(super) fn can_inject() -> bool {
    let found = Command::new("strace").arg("-V").output().is_ok();
    if !found {
        let missing = "the torture of the audit buffer needs strace";
        assert!(std::env::var("CI").as_deref() != Ok("true"), "{missing}");
        // Not `eprintln!`: the test harness swallows it.
        let line = format!("skipped: {missing}\n");
        std::io::Write::write_all(&mut std::io::stderr(), line.as_bytes()).unwrap();
    }
    found
}

/// Paths are compared as text, so a link in between would hide the files.
fn real(dir: &Path) -> PathBuf {
    dir.canonicalize().unwrap()
}
