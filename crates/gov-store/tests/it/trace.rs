//! Reads what `strace` saw a child do.

use std::{
    fs,
    io::{self, Write as _},
    path::Path,
    process::Command,
};

use crate::child;

/// One system call that matters, in the order of the trace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    /// A sync of any file that has returned, and whether it worked.
    Synced(bool),
    /// Bytes handed to the write-ahead log.
    LogWrite,
    /// The write-ahead log was opened.
    LogOpen,
    /// What the child said.
    Said(String),
}

/// Plays `role` under strace, with `more` options. `None` where strace is missing, which is said,
/// and fails under `CI=true`.
pub(crate) fn run(role: &str, dir: &Path, more: &[&str]) -> Option<Vec<Call>> {
    if Command::new("strace").arg("-V").output().is_err() {
        let missing = "the tests of durability need strace";
        assert!(std::env::var("CI").as_deref() != Ok("true"), "{missing}");
        // Not `eprintln!`: the test harness swallows it.
        io::stderr().write_all(format!("skipped: {missing}\n").as_bytes()).unwrap();
        return None;
    }
    let file = dir.join("trace");
    let mut strace = vec!["strace", "-f", "-y", "-qq", "-o", file.to_str().unwrap()];
    strace.extend(["-e", "trace=openat,write,pwrite64,fsync,fdatasync"]);
    strace.extend(more);
    let output = child::wrapped(Some(&strace), role, dir).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{} {errors}", String::from_utf8_lossy(&output.stdout));
    Some(fs::read_to_string(file).unwrap().lines().filter_map(call).collect())
}

fn call(line: &str) -> Option<Call> {
    let is = |name: &str| line.contains(&format!(" {name}("));
    let sync = ["fsync", "fdatasync"]
        .iter()
        .any(|it| is(it) || line.contains(&format!("<... {it} resumed>")));
    if sync {
        // It counts when it returns.
        return (!line.contains("<unfinished")).then(|| Call::Synced(line.ends_with("= 0")));
    }
    if is("openat") && line.contains("gov.db-wal\"") {
        return Some(Call::LogOpen);
    }
    if is("pwrite64") && line.contains("gov.db-wal>") {
        return Some(Call::LogWrite);
    }
    let said = line.split_once(" write(1<")?.1.split_once(">, \"")?.1;
    Some(Call::Said(said.split_once("\\n")?.0.to_owned()))
}
