//! What only the order of system calls proves.

use gov_store::fault::{
    can_inject,
    order::{self, Call},
};

use crate::torture::{
    THESE_TESTS,
    child::{CHILD, DURABLE, STUCK},
};

#[test]
fn a_durable_record_is_acknowledged_after_the_fsync_of_its_commit() {
    if !can_inject(THESE_TESTS) {
        return;
    }
    let trace = CHILD.trace(tempfile::tempdir().unwrap().path(), DURABLE);
    let calls = order::calls(&trace, "audit-log.db-wal");
    let answers = order::answers(&calls);
    assert_eq!(answers.len(), 10, "{calls:?}");
    for before in answers {
        assert!(order::is_synced(before), "said before it was synced: {before:?}");
    }
}

#[test]
fn a_spooled_record_that_the_log_does_not_take_is_fsynced_all_the_same() {
    if !can_inject(THESE_TESTS) {
        return;
    }
    let trace = CHILD.trace(tempfile::tempdir().unwrap().path(), STUCK);
    // Behind the header comes the frame, then the answer, then the fsync of the flusher.
    let calls = order::calls(&trace, "audit-log.spool");
    let said = calls.iter().position(|call| *call == Call::Said).unwrap();
    assert_eq!(calls[said - 1], Call::Wrote, "acknowledged before it was written: {calls:?}");
    assert_eq!(calls[said..said + 3], [Call::Said, Call::Synced, Call::Said], "{calls:?}");
}
