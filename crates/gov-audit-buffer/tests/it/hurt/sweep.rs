//! Which faults are tried: some in every test run, all on demand.

use gov_audit_buffer::buffer::CRASH_POINTS;
use gov_core::{canonical, hex::Hex};
use gov_store::crash;

use super::{
    checker,
    child::EVENTS,
    fault::{self, Fault},
};

const ERRORS: [&str; 2] = ["EIO", "ENOSPC"];

/// How often a child passes a point, at most.
const MOST_POINTS: u32 = 40;

/// Lets a child live and be hurt, opens what it left, and checks. How many events it said.
fn hurt(fault: &Fault) -> usize {
    let dir = tempfile::tempdir().unwrap();
    let said = fault::run(dir.path(), "all", fault);
    let said: Vec<String> = said.into_iter().filter(|it| *it != "END").collect();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(checker::check(dir.path(), &said, &fault.to_string()));
    said.iter().filter(|it| !it.starts_with('E')).count()
}

fn points() -> impl Iterator<Item = &'static str> {
    crash::POINTS.iter().chain(CRASH_POINTS).copied()
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
    if !fault::can_inject() {
        return;
    }
    for (call, most) in fault::passages(tempfile::tempdir().unwrap().path()) {
        for nth in spread(most, 6) {
            hurt(&Fault::Kill { call, nth });
        }
        for errno in ERRORS {
            for nth in spread(most, 5) {
                hurt(&Fault::Error { call, errno, nth });
            }
        }
    }
}

#[test]
#[ignore = "takes minutes; run by `cargo xtask torture audit-buffer --seeds N`"]
fn every_passage_of_every_write_and_fsync_can_fail() {
    assert!(fault::can_inject(), "strace is missing");
    let mut faults = Vec::new();
    for (call, most) in fault::passages(tempfile::tempdir().unwrap().path()) {
        // Beyond what was just counted a run or two more may be reached.
        for nth in 1..=most + 2 {
            faults.push(Fault::Kill { call, nth });
            faults.extend(ERRORS.map(|errno| Fault::Error { call, errno, nth }));
        }
    }
    faults.extend(
        points()
            .flat_map(|it| (1..=MOST_POINTS).map(move |nth| (it, nth)))
            .map(|(point, nth)| Fault::Crash { point, nth }),
    );
    for fault in &faults {
        hurt(fault);
    }
    let outcomes: Vec<_> = faults.iter().map(|it| format!("{it}: all there once\n")).collect();
    let digest = canonical::sha256(outcomes.concat().as_bytes());
    let (faults, digest) = (faults.len(), Hex(&digest));
    let line = format!("torture every passage: {faults} faults, all there once, digest {digest}\n");
    std::io::Write::write_all(&mut std::io::stdout(), line.as_bytes()).unwrap();
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
