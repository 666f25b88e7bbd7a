//! Which faults are tried: some in every test run, many on demand.

use gov_store::fault::{Bounds, Fault, can_inject, report, spread};

use crate::{
    restart::frame_starts,
    torture::{
        THESE_TESTS, checker,
        child::{CHILD, CRAMPED},
    },
};

/// Where a child can die by itself; the log's and the store's places, and the queue's.
const POINTS: [&str; 16] = [
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

/// More than a child makes of each call, and of each point.
const BOUNDS: Bounds<'_> = Bounds {
    calls: &[("pwrite64", 260), ("write", 20), ("fdatasync", 10), ("fsync", 50)],
    points: &POINTS,
    passages: 12,
};

fn hurt(fault: &Fault) -> usize {
    CHILD.hurt(fault, &fault.to_string(), checker::check)
}

#[test]
fn a_child_that_is_not_hurt_says_everything_and_all_of_it_is_found() {
    let dir = tempfile::tempdir().unwrap();
    let said = CHILD.run(dir.path(), "all", &Fault::None);
    assert_eq!(said.last().map(String::as_str), Some("END"), "{said:?}");
    assert!(!said.iter().any(|it| it.starts_with("E ")), "{said:?}");
    assert!(hurt(&Fault::None) >= 36);
}

#[test]
fn whatever_was_acknowledged_before_a_crash_between_two_steps_is_found_once() {
    for point in POINTS {
        for nth in [1, 4] {
            hurt(&Fault::Crash { point, nth });
        }
    }
}

#[test]
fn a_short_write_leaves_no_torn_frame_before_the_next_one() {
    let dir = tempfile::tempdir().unwrap();
    // Files may not grow beyond 4 KiB: the write that crosses it is short.
    let limit = ["sh", "-c", "trap '' XFSZ; ulimit -f 8; exec \"$0\" \"$@\""];
    let said = CHILD.run_in(&limit, dir.path(), CRAMPED);
    let taken = said.iter().filter(|it| it.starts_with('s')).count();
    let last_refusal = said.iter().rposition(|it| it.starts_with("E ")).unwrap();
    assert!(taken > 5, "{said:?}");
    let spool = std::fs::read(dir.path().join("audit-log.spool")).unwrap();
    // It panics on bytes that are no frame.
    assert_eq!(frame_starts(&spool).len(), taken, "{last_refusal}");
}

#[test]
fn whatever_was_acknowledged_before_a_fault_of_the_disk_is_found_once() {
    if !can_inject(THESE_TESTS) {
        return;
    }
    let said = spread(&CHILD, 9, 6).iter().map(hurt).min().unwrap();
    assert!(said < 36, "no fault struck");
}

#[test]
#[ignore = "takes minutes; run by `cargo xtask torture deferred-audit --seeds N`"]
fn every_passage_of_every_write_and_fsync_can_fail() {
    assert!(can_inject(THESE_TESTS), "strace is missing");
    BOUNDS.sweep(&CHILD, |fault| {
        hurt(fault);
    });
}

/// `GOV_TEST_SEEDS=n`: each seed hurts a child at one random passage of every call and point.
#[test]
#[ignore = "takes minutes; run by `cargo xtask torture deferred-audit --seeds N`"]
fn random_passages_can_fail() {
    assert!(can_inject(THESE_TESTS), "strace is missing");
    let seeds: u64 = std::env::var("GOV_TEST_SEEDS").map_or(20, |it| it.parse().unwrap());
    let mut outcomes = Vec::new();
    for seed in 0..seeds {
        for fault in BOUNDS.roll(seed) {
            CHILD.hurt(&fault, &format!("seed {seed}, {fault}"), checker::check);
            outcomes.push(format!("{seed} {fault}"));
        }
    }
    report(&format!("seeds 0..{seeds}"), outcomes.into_iter());
}
