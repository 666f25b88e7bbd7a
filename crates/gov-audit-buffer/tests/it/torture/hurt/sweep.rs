//! Which faults are tried: some in every test run, all on demand.

use gov_audit_buffer::buffer::CRASH_POINTS;
use gov_store::{
    crash,
    fault::{Bounds, Fault, can_inject, spread},
};

use super::{
    THESE_TESTS, checker,
    child::{CHILD, EVENTS},
};

/// More than any thread of a child makes of each call.
const MOST: [(&str, u32); 7] = [
    ("pwrite64", 400),
    ("write", 5),
    ("fdatasync", 5),
    ("fsync", 30),
    ("fallocate", 5),
    ("ftruncate", 8),
    ("unlink", 8),
];

/// How often a child passes a point, at most.
const MOST_POINTS: u32 = 40;

fn hurt(fault: &Fault) -> usize {
    CHILD.hurt(fault, &fault.to_string(), checker::check)
}

fn points() -> Vec<&'static str> {
    crash::POINTS.iter().chain(CRASH_POINTS).copied().collect()
}

#[test]
fn a_child_that_is_not_hurt_says_everything_and_all_of_it_is_found() {
    assert_eq!(hurt(&Fault::None) as u64, EVENTS);
}

#[test]
fn whatever_was_acknowledged_before_a_crash_between_two_steps_is_found_once() {
    for point in points() {
        for nth in [1, 7] {
            hurt(&Fault::Crash { point, nth });
        }
    }
}

#[test]
fn whatever_was_acknowledged_before_a_fault_of_the_disk_is_found_once() {
    if !can_inject(THESE_TESTS) {
        return;
    }
    let said = spread(&CHILD, 6, 5).iter().map(hurt).min().unwrap();
    assert!((said as u64) < EVENTS, "no fault struck");
}

#[test]
#[ignore = "takes minutes; run by `cargo xtask torture audit-buffer --seeds N`"]
fn every_passage_of_every_write_and_fsync_can_fail() {
    assert!(can_inject(THESE_TESTS), "strace is missing");
    let bounds = Bounds { calls: &MOST, points: &points(), passages: MOST_POINTS };
    bounds.sweep(&CHILD, |fault| {
        hurt(fault);
    });
}
