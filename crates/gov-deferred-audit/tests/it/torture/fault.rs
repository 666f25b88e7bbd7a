//! How a child is hurt.

use std::{
    fmt, fs,
    path::Path,
    process::{Child, Command, Stdio},
};

use crate::torture::child;

/// The files whose calls are hurt; standard output never is.
const FILES: [&str; 12] = [
    "audit-log.spool",
    "audit-log.spool.1",
    "audit-log.spool.2",
    "audit-log.spool.3",
    "audit-log.spool.4",
    "audit-log.db",
    "audit-log.db-wal",
    "toy.db",
    "toy.db-wal",
    "checkpoints/checkpoints.log",
    "keys",
    ".",
];

pub(super) const CALLS: [&str; 4] = ["pwrite64", "write", "fdatasync", "fsync"];

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

/// Where a child can die by itself; the log's and the store's places, and the queue's.
pub(super) const POINTS: [&str; 16] = [
    "queue-after-spool-write",
    "queue-before-settle",
    "spool-before-roll",
    "spool-after-roll",
    "spool-before-remove",
    "feed-before-cursor",
    "feed-after-cursor",
    "log-before-commit",
    "log-after-commit",
    "log-after-outside-copy",
    "store-migrate-before-commit",
    "store-before-checkpoint",
    "store-after-checkpoint",
    "store-before-commit",
    "store-after-commit",
    "store-after-acknowledge",
];

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
pub(super) fn run(dir: &Path, fault: &Fault) -> Vec<String> {
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
            strace.args(["-e", "trace=pwrite64,write,fdatasync,fsync"]);
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
    command.args(["--exact", "torture::child::plays_the_child", "--ignored", "--nocapture"]);
    command.env(child::DIR, real(dir)).env("RUST_BACKTRACE", "0");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let child: Child = command.spawn().unwrap();
    let output = child.wait_with_output().unwrap();
    facts(&output.stdout)
}

pub(super) fn facts(said: &[u8]) -> Vec<String> {
    let said = String::from_utf8_lossy(said).into_owned();
    said.lines().filter_map(|line| Some(line.split_once('@')?.1.to_owned())).collect()
}

/// What a child said whose files may not grow beyond 4 KiB: the write that crosses it is short.
pub(super) fn run_cramped(dir: &Path) -> Vec<String> {
    let mut shell = Command::new("sh");
    shell.args(["-c", "trap '' XFSZ; ulimit -f 8; exec \"$0\" \"$@\""]);
    shell.arg(std::env::current_exe().unwrap());
    shell.args(["--exact", "torture::child::plays_the_child", "--ignored", "--nocapture"]);
    shell.env(child::DIR, real(dir)).env(child::ROLE, child::CRAMPED);
    let output = shell.stdin(Stdio::null()).output().unwrap();
    facts(&output.stdout)
}

/// The calls on the files and on standard output that a child of this role makes, a line each.
pub(super) fn trace(dir: &Path, role: &str) -> Vec<String> {
    let trace = dir.join("trace");
    let mut strace = Command::new("strace");
    strace.args(["-f", "-y", "-qq", "-e", "trace=pwrite64,write,fdatasync,fsync", "-o"]);
    strace.arg(&trace).arg(std::env::current_exe().unwrap());
    strace.args(["--exact", "torture::child::plays_the_child", "--ignored", "--nocapture"]);
    strace.env(child::DIR, real(dir)).env(child::ROLE, role);
    strace.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    assert!(strace.status().unwrap().success());
    fs::read_to_string(trace).unwrap().lines().map(str::to_owned).collect()
}

/// How often the busiest thread of a child makes each call on the files.
pub(super) fn passages(dir: &Path) -> Vec<(&'static str, u32)> {
    let (files, trace) = (real(dir), trace(dir, "all"));
    let inside = format!("<{}", files.display());
    let count = |call: &str| {
        let mut threads = std::collections::HashMap::<&str, u32>::new();
        for line in trace.iter().filter(|line| line.contains(&inside)) {
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
        let missing = "the torture of the audit queue needs strace";
        assert!(std::env::var("CI").as_deref() != Ok("true"), "{missing}");
        // Not `eprintln!`: the test harness swallows it.
        let line = format!("skipped: {missing}\n");
        std::io::Write::write_all(&mut std::io::stderr(), line.as_bytes()).unwrap();
    }
    found
}

/// Paths are compared as text, so a link in between would hide the files.
fn real(dir: &Path) -> std::path::PathBuf {
    dir.canonicalize().unwrap()
}
