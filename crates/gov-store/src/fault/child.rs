//! The process that is hurt.

use std::{
    collections::HashMap,
    ffi::OsStr,
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use super::Fault;
use crate::crash;

/// Where a child works, and what kind of life it leads.
const DIR: &str = "GOV_TEST_CHILD_DIR";
const ROLE: &str = "GOV_TEST_CHILD_ROLE";

/// A test of this binary that plays a child, and where it is hurt.
#[derive(Clone, Copy, Debug)]
pub struct Child {
    /// The path of the `#[ignore]`d test: `torture::child::plays_the_child`.
    pub test: &'static str,
    /// The files in its directory whose calls are hurt, `.` for the directory itself. What it says
    /// is never hurt.
    pub files: &'static [&'static str],
    /// The system calls that are hurt.
    pub calls: &'static [&'static str],
}

/// Says that something was acknowledged. Straight to the file descriptor: what was said is said,
/// also if the process dies next.
pub fn say(what: &str) {
    let mut out = std::io::stdout();
    out.write_all(format!("@{what}\n").as_bytes()).unwrap();
    out.flush().unwrap();
}

impl Child {
    /// In the child: its directory and its role. `None` in a process that is nobody's child.
    #[must_use]
    pub fn here() -> Option<(PathBuf, String)> {
        Some((std::env::var_os(DIR)?.into(), std::env::var(ROLE).ok()?))
    }

    /// What a child said before it ended, a line each.
    #[must_use]
    pub fn run(&self, dir: &Path, role: &str, fault: &Fault) -> Vec<String> {
        let mut strace = Vec::new();
        if let Some(injection) = fault.injection() {
            let options = ["strace", "-f", "-qq", "-o", "/dev/null", "-e"];
            strace.extend(options.map(str::to_owned));
            strace.extend([format!("inject={injection}"), "-e".to_owned(), self.traced()]);
            for file in self.files {
                strace.extend(["-P".to_owned(), real(dir).join(file).display().to_string()]);
            }
        }
        let mut command = self.command(&strace, dir, role);
        if let Fault::Crash { point, nth } = fault {
            command.env(crash::VARIABLE, format!("{point}:{nth}"));
        }
        said(&mut command)
    }

    /// Like [`run`](Self::run) without a fault, with the words of `wrapper` before its command.
    #[must_use]
    pub fn run_in(&self, wrapper: &[&str], dir: &Path, role: &str) -> Vec<String> {
        said(&mut self.command(wrapper, dir, role))
    }

    /// Lets a child live in a fresh directory and be hurt, and hands the directory, what it said (but
    /// `END`) and `why` to `check`. How many facts it said: what begins with `E` is none.
    pub fn hurt(
        &self,
        fault: &Fault,
        why: &str,
        check: impl AsyncFnOnce(&Path, &[String], &str),
    ) -> usize {
        let dir = tempfile::tempdir().unwrap();
        let mut said = self.run(dir.path(), "all", fault);
        said.retain(|it| it != "END");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(check(dir.path(), &said, why));
        said.iter().filter(|it| !it.starts_with('E')).count()
    }

    /// The calls on any file and on standard output that a child of this role makes, a line each.
    #[must_use]
    pub fn trace(&self, dir: &Path, role: &str) -> Vec<String> {
        let trace = dir.join("trace");
        let file = trace.display().to_string();
        let strace = ["strace", "-f", "-y", "-qq", "-e", &self.traced(), "-o", &file];
        let status = self.command(&strace, dir, role).stdout(Stdio::null()).status().unwrap();
        assert!(status.success(), "{role}: {status}");
        fs::read_to_string(trace).unwrap().lines().map(str::to_owned).collect()
    }

    /// How often the busiest thread of a child makes each call on the files.
    #[must_use]
    pub fn passages(&self) -> Vec<(&'static str, u32)> {
        let dir = tempfile::tempdir().unwrap();
        let trace = self.trace(dir.path(), "all");
        let dir = real(dir.path());
        // Behind a descriptor, or by its name.
        let names: Vec<_> = self
            .files
            .iter()
            .map(|it| if *it == "." { dir.clone() } else { dir.join(it) })
            .flat_map(|it| [format!("<{}>", it.display()), format!("\"{}\"", it.display())])
            .collect();
        let ours = |line: &&String| names.iter().any(|it| line.contains(it));
        let calls: Vec<_> = trace.iter().filter(ours).filter_map(|it| it.split_once(' ')).collect();
        let busiest = |call: &str| {
            let mut threads = HashMap::<&str, u32>::new();
            for (thread, made) in &calls {
                let same =
                    made.trim_start().strip_prefix(call).is_some_and(|it| it.starts_with('('));
                *threads.entry(thread).or_default() += u32::from(same);
            }
            threads.into_values().max().unwrap_or(0)
        };
        self.calls.iter().map(|call| (*call, busiest(call))).collect()
    }

    fn command(&self, wrapper: &[impl AsRef<OsStr>], dir: &Path, role: &str) -> Command {
        let program = std::env::current_exe().unwrap();
        let mut words = wrapper.iter().map(AsRef::as_ref).chain([program.as_os_str()]);
        let mut command = Command::new(words.next().unwrap());
        command.args(words).args(["--exact", self.test, "--ignored", "--nocapture"]);
        command.env(DIR, real(dir)).env(ROLE, role).env("RUST_BACKTRACE", "0");
        command.stdin(Stdio::null()).stderr(Stdio::null());
        command
    }

    fn traced(&self) -> String {
        format!("trace={}", self.calls.join(","))
    }
}

fn said(command: &mut Command) -> Vec<String> {
    let output = command.output().unwrap().stdout;
    let lines = String::from_utf8_lossy(&output);
    // The harness may have begun the line.
    lines.lines().filter_map(|line| Some(line.split_once('@')?.1.to_owned())).collect()
}

/// Paths are compared as text, so a link in between would hide the files.
fn real(dir: &Path) -> PathBuf {
    dir.canonicalize().unwrap()
}
