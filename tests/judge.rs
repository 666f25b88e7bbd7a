//! The outside judge: Go's own sumdb packages, which share no code with gov.

use std::{
    io::{self, Write as _},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::OnceLock,
};

use crate::place::Ran;

/// Where Debian's golang-golang-x-mod-dev puts its sources.
const GOPATH: &str = "/usr/share/gocode";

/// The judge, built once for all stories.
static JUDGE: OnceLock<Option<PathBuf>> = OnceLock::new();

/// Judges an exported log; `None` where this machine has no Go, which is said on standard error
/// and is a failure in CI.
pub(crate) fn judge(export: &Path) -> Option<Ran> {
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
    let mut command = Command::new(judge.as_ref()?);
    command.arg(export);
    Some(Ran::of(command))
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
    go.arg(source);
    Ran::of(go).ok();
    std::fs::rename(new, &judge).unwrap();
    judge
}
