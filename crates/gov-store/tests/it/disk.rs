//! What the two levels of durability do to the disk: proven by the order of system calls.

use crate::trace::{self, Call};

#[test]
fn a_spooled_commit_is_written_before_its_answer_and_never_synced() {
    let dir = tempfile::tempdir().unwrap();
    let Some(calls) = trace::run("levels", dir.path(), &[]) else { return };
    for call in each_line(&calls, "spooled begins", "full begins") {
        let [head @ .., Call::Said(_)] = call else { panic!("{call:?}") };
        assert!(head.contains(&Call::LogWrite), "answered before it was written: {call:?}");
        assert!(!head.iter().any(|it| matches!(it, Call::Synced(_))), "synced: {call:?}");
    }
}

#[test]
fn a_full_commit_is_synced_once_after_its_last_byte_and_before_its_answer() {
    let dir = tempfile::tempdir().unwrap();
    let Some(calls) = trace::run("levels", dir.path(), &[]) else { return };
    for call in each_line(&calls, "full begins", "ends") {
        let [head @ .., last, Call::Said(_)] = call else { panic!("{call:?}") };
        assert_eq!(*last, Call::Synced(true), "not the last thing before the answer: {call:?}");
        assert!(!head.is_empty() && head.iter().all(|it| *it == Call::LogWrite), "{call:?}");
    }
}

#[test]
fn after_a_failed_sync_nobody_is_acknowledged_and_the_files_are_opened_anew() {
    // The fifteenth sync of a thread: the writer's, as opening takes fewer.
    let inject = ["fsync", "fdatasync"].map(|it| format!("inject={it}:error=EIO:when=15"));
    let options = ["-e", &inject[0], "-e", &inject[1]];
    let dir = tempfile::tempdir().unwrap();
    let Some(calls) = trace::run("full", dir.path(), &options) else { return };

    let failed = calls.iter().position(|it| *it == Call::Synced(false)).unwrap();
    let (before, after) = calls.split_at(failed);
    let acknowledged = before.iter().filter(|it| said(it, "acknowledged")).count();
    let unknown = after.iter().find(|it| matches!(it, Call::Said(_))).unwrap();
    assert_eq!(*unknown, Call::Said(format!("unknown {}", acknowledged + 1)));

    let opened = after.iter().position(|it| *it == Call::LogOpen).unwrap();
    let synced = after.iter().position(|it| *it == Call::Synced(true)).unwrap();
    assert!(opened < synced, "the sync was tried again on the old descriptor");

    let all = calls.iter().filter(|it| said(it, "acknowledged")).count();
    assert_eq!(all, 60);
    assert!(calls.contains(&Call::Said("closed".to_owned())));
}

fn said(call: &Call, what: &str) -> bool {
    matches!(call, Call::Said(text) if text.starts_with(what))
}

/// The calls between two marks, cut after each answer.
fn each_line<'a>(calls: &'a [Call], begin: &str, end: &str) -> Vec<&'a [Call]> {
    let at = |what: &str| calls.iter().position(|it| said(it, what)).unwrap();
    let between = calls.get(at(begin) + 1..at(end)).unwrap();
    let lines: Vec<_> = between.split_inclusive(|it| said(it, "acknowledged")).collect();
    assert_eq!(lines.len(), 20);
    lines
}
