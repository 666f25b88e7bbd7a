//! What only the order of system calls proves: a killed process keeps what the kernel has, so no
//! kill can tell whether an fsync was made.

use std::collections::HashSet;

use super::{
    child::{DURABLE, EVENTS, SPOOLED},
    fault,
};

/// What a line of the trace means here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Call {
    Wrote,
    Synced,
    Said,
}

/// The calls that touch the buffer's log, and what was said, in their order.
fn calls(trace: &[String]) -> Vec<Call> {
    let mut calls = Vec::new();
    let mut in_sync = HashSet::new();
    for line in trace {
        let Some((thread, call)) = line.split_once(' ') else { continue };
        let call = call.trim_start();
        let touches = call.contains("/audit-buffer.db-wal>");
        if call.starts_with("write(1<") && call.contains("\"@") {
            calls.push(Call::Said);
        } else if call.starts_with("pwrite64(") && touches {
            calls.push(Call::Wrote);
        } else if (call.starts_with("fsync(") || call.starts_with("fdatasync(")) && touches {
            // It counts when it has returned.
            if call.contains("<unfinished") {
                in_sync.insert(thread.to_owned());
            } else if call.ends_with("= 0") {
                calls.push(Call::Synced);
            }
        } else if call.contains("sync resumed>") && call.ends_with("= 0") && in_sync.remove(thread)
        {
            calls.push(Call::Synced);
        }
    }
    calls
}

/// The calls before each answer.
fn answers(role: &str) -> Vec<Vec<Call>> {
    let trace = fault::trace(tempfile::tempdir().unwrap().path(), role);
    let calls = calls(&trace);
    let answers: Vec<_> =
        calls.split_inclusive(|it| *it == Call::Said).map(<[_]>::to_vec).collect();
    // One more: it says that it ends.
    assert_eq!(answers.len() as u64, EVENTS + 1, "{calls:?}");
    answers
}

#[test]
fn a_durable_event_is_acknowledged_after_the_fsync_of_its_commit() {
    if !fault::can_inject() {
        return;
    }
    for before in answers(DURABLE).iter().take(30) {
        let wrote = before.iter().rposition(|it| *it == Call::Wrote);
        let synced = before.iter().rposition(|it| *it == Call::Synced);
        assert!(wrote.is_some() && synced > wrote, "said before it was synced: {before:?}");
    }
}

#[test]
fn a_spooled_event_is_acknowledged_after_it_was_written_and_waits_for_no_fsync() {
    if !fault::can_inject() {
        return;
    }
    // The first one comes behind what opening syncs.
    for before in answers(SPOOLED).iter().take(30).skip(1) {
        assert!(before.contains(&Call::Wrote), "said before it was written: {before:?}");
        assert!(!before.contains(&Call::Synced), "synced in between: {before:?}");
    }
}
