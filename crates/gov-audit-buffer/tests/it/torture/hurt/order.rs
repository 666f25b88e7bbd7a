//! What only the order of system calls proves.

use gov_store::fault::{
    can_inject,
    order::{self, Call},
};

use super::{
    THESE_TESTS,
    child::{CHILD, DURABLE, EVENTS, SPOOLED},
};

/// The calls before each answer.
fn answers(role: &str) -> Vec<Vec<Call>> {
    let trace = CHILD.trace(tempfile::tempdir().unwrap().path(), role);
    let calls = order::calls(&trace, "audit-buffer.db-wal");
    let answers = order::answers(&calls);
    // One more: it says that it ends.
    assert_eq!(answers.len() as u64, EVENTS + 1, "{calls:?}");
    answers.into_iter().take(30).map(<[_]>::to_vec).collect()
}

#[test]
fn a_durable_event_is_acknowledged_after_the_fsync_of_its_commit() {
    if !can_inject(THESE_TESTS) {
        return;
    }
    for before in answers(DURABLE) {
        assert!(order::is_synced(&before), "said before it was synced: {before:?}");
    }
}

#[test]
fn a_spooled_event_is_acknowledged_after_it_was_written_and_waits_for_no_fsync() {
    if !can_inject(THESE_TESTS) {
        return;
    }
    // The first one comes behind what opening syncs.
    for before in answers(SPOOLED).iter().skip(1) {
        assert!(before.contains(&Call::Wrote), "said before it was written: {before:?}");
        assert!(!before.contains(&Call::Synced), "synced in between: {before:?}");
    }
}
