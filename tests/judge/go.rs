//! The outside judge in Go, built once a process: its own sumdb packages share no code with gov.
//!
//! The end-to-end tests and those of gov-deferred-audit include this file.

use std::{
    io::{self, Write as _},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::OnceLock,
};

/// Where Debian's golang-golang-x-mod-dev puts its sources.
const GOPATH: &str = "/usr/share/gocode";

static JUDGE: OnceLock<Option<PathBuf>> = OnceLock::new();

/// The judge, to be given an export; `None` where this machine has no Go, which is said on standard
/// error and is a failure in CI.
pub(crate) fn go_judge() -> Option<Command> {
    let judge = JUDGE.get_or_init(|| {
        if missing() {
            let skipped = "the outside judge did not judge: apt-get install golang-go \
                           golang-golang-x-mod-dev";
            assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "{skipped}");
            io::stderr().write_all(format!("skipped: {skipped}\n").as_bytes()).unwrap();
            return None;
        }
        Some(build())
    });
    judge.as_ref().map(Command::new)
}

fn missing() -> bool {
    let runs = Command::new("go").arg("version").stdout(Stdio::null()).status();
    let sources = Path::new(GOPATH).join("src/golang.org/x/mod/sumdb/tlog");
    !(runs.is_ok_and(|it| it.success()) && sources.is_dir())
}

fn build() -> PathBuf {
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/judge/main.go");
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR"));
    // A runner with a process a test builds it in several at once: each puts a whole one there.
    let (new, judge) = (dir.join(format!("judge.{}", std::process::id())), dir.join("judge"));
    let mut go = Command::new("go");
    go.env("GO111MODULE", "off").env("GOPATH", GOPATH).arg("build").arg("-o").arg(&new);
    let built = go.arg(source).stdin(Stdio::null()).output().unwrap();
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    std::fs::rename(new, &judge).unwrap();
    judge
}
