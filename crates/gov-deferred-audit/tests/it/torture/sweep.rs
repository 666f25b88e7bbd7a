//! Which faults are tried: some in every test run, many on demand.

use std::fmt::Write as _;

use gov_core::{Clock as _, SystemClock, canonical, hex::Hex};

use crate::{
    restart::frame_starts,
    torture::{
        checker,
        fault::{self, CALLS, Fault, POINTS},
    },
};

const ERRORS: [&str; 2] = ["EIO", "ENOSPC"];

/// Lets a child live and be hurt, restarts on what it left, and checks. How many facts it said.
fn hurt(fault: &Fault) -> usize {
    let dir = tempfile::tempdir().unwrap();
    let said = fault::run(dir.path(), fault);
    let facts: Vec<String> = said.iter().filter(|it| *it != "END").cloned().collect();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(checker::check(dir.path(), &facts, &fault.to_string()));
    facts.iter().filter(|it| !it.starts_with('E')).count()
}

#[test]
fn a_child_that_is_not_hurt_says_everything_and_all_of_it_is_found() {
    let dir = tempfile::tempdir().unwrap();
    let said = fault::run(dir.path(), &Fault::None);
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
    let said = fault::run_cramped(dir.path());
    let taken = said.iter().filter(|it| it.starts_with('s')).count();
    let last_refusal = said.iter().rposition(|it| it.starts_with("E ")).unwrap();
    assert!(taken > 5, "{said:?}");
    let spool = std::fs::read(dir.path().join("audit-log.spool")).unwrap();
    // It panics on bytes that are no frame.
    assert_eq!(frame_starts(&spool).len(), taken, "{last_refusal}");
}

#[test]
fn whatever_was_acknowledged_before_a_fault_of_the_disk_is_found_once() {
    if !fault::can_inject() {
        return;
    }
    let passages = fault::passages(tempfile::tempdir().unwrap().path());
    for (call, most) in passages {
        for nth in spread(most, 9) {
            hurt(&Fault::Kill { call, nth });
        }
        for errno in ERRORS {
            for nth in spread(most, 6) {
                hurt(&Fault::Error { call, errno, nth });
            }
        }
    }
}

/// `GOV_TEST_SEEDS=n` tries every passage of every call and point for each of n children.
#[test]
#[ignore = "takes minutes; run by `cargo xtask torture deferred_audit --seeds N`"]
fn every_passage_of_every_write_and_fsync_can_fail() {
    let seeds: u64 = std::env::var("GOV_TEST_SEEDS").map_or(1, |it| it.parse().unwrap());
    assert!(fault::can_inject(), "strace is missing");
    let started = SystemClock.now();
    let mut outcomes = String::new();
    let mut facts = 0;
    for seed in 0..seeds {
        let passages = fault::passages(tempfile::tempdir().unwrap().path());
        for fault in all(&passages) {
            facts += hurt(&fault);
            writeln!(outcomes, "{seed} {fault}: all there").unwrap();
        }
    }
    let tried = outcomes.lines().count();
    let took = SystemClock.now().since(started).as_secs();
    let digest = canonical::sha256(outcomes.as_bytes());
    let line = format!(
        "torture deferred_audit: seeds 0..{seeds}, {tried} faults, {facts} facts, {took} s, \
         digest {}\n",
        Hex(&digest)
    );
    std::io::Write::write_all(&mut std::io::stdout(), line.as_bytes()).unwrap();
}

fn all(passages: &[(&'static str, u32)]) -> Vec<Fault> {
    let mut faults = Vec::new();
    for (call, most) in passages.iter().copied() {
        debug_assert!(CALLS.contains(&call));
        for nth in 1..=most {
            faults.push(Fault::Kill { call, nth });
            faults.extend(ERRORS.map(|errno| Fault::Error { call, errno, nth }));
        }
    }
    let points = POINTS.iter().flat_map(|point| (1..=9).map(|nth| (*point, nth)));
    faults.extend(points.map(|(point, nth)| Fault::Crash { point, nth }));
    faults
}

/// At most `count` numbers from 1 to `most`, evenly, both ends among them.
fn spread(most: u32, count: u32) -> Vec<u32> {
    let steps = count.max(2) - 1;
    let mut numbers: Vec<u32> =
        (0..=steps).map(|step| 1 + step * most.saturating_sub(1) / steps).collect();
    numbers.retain(|nth| *nth <= most);
    numbers.dedup();
    numbers
}
