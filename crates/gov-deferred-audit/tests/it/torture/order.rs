//! What only the order of system calls proves: a killed process keeps what the kernel has, so no
//! kill can tell whether an fsync was made.

use crate::torture::{child, fault};

/// What a line of the trace means here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Call {
    Wrote,
    Synced,
    Said,
}

/// The calls that touch `file`, and what was said, in their order.
fn calls(trace: &[String], file: &str) -> Vec<Call> {
    let mut calls = Vec::new();
    let mut in_sync = std::collections::HashSet::new();
    for line in trace {
        let Some((thread, call)) = line.split_once(' ') else { continue };
        let call = call.trim_start();
        let touches = call.contains(file);
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

#[test]
fn a_durable_record_is_acknowledged_after_the_fsync_of_its_commit() {
    if !fault::can_inject() {
        return;
    }
    let trace = fault::trace(tempfile::tempdir().unwrap().path(), child::DURABLE);
    let calls = calls(&trace, "/audit-log.db-wal>");
    let said: Vec<usize> = (0..calls.len()).filter(|at| calls[*at] == Call::Said).collect();
    assert_eq!(said.len(), 10, "{calls:?}");
    let mut from = 0;
    for at in said {
        let before = &calls[from..at];
        let wrote = before.iter().rposition(|call| *call == Call::Wrote);
        let synced = before.iter().rposition(|call| *call == Call::Synced);
        assert!(wrote.is_some() && synced > wrote, "said before it was synced: {before:?}");
        from = at + 1;
    }
}

#[test]
fn a_spooled_record_that_the_log_does_not_take_is_fsynced_all_the_same() {
    if !fault::can_inject() {
        return;
    }
    let trace = fault::trace(tempfile::tempdir().unwrap().path(), child::STUCK);
    // Behind the header comes the frame, then the answer, then the fsync of the flusher.
    let calls = calls(&trace, "/audit-log.spool>");
    let said = calls.iter().position(|call| *call == Call::Said).unwrap();
    assert_eq!(calls[said - 1], Call::Wrote, "acknowledged before it was written: {calls:?}");
    assert_eq!(calls[said..said + 3], [Call::Said, Call::Synced, Call::Said], "{calls:?}");
}
