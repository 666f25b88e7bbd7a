//! Which faults are tried: some in every test run, many on demand.

use gov_core::{canonical, dice::Dice, hex::Hex};

use crate::{
    restart::frame_starts,
    torture::{
        checker,
        fault::{self, Fault, POINTS},
    },
};

const ERRORS: [&str; 2] = ["EIO", "ENOSPC"];

/// Lets a child live and be hurt, restarts on what it left, and checks. How many facts it said.
fn hurt(fault: &Fault) -> usize {
    hurt_as(fault, &fault.to_string())
}

fn hurt_as(fault: &Fault, why: &str) -> usize {
    let dir = tempfile::tempdir().unwrap();
    let said = fault::run(dir.path(), fault);
    let facts: Vec<String> = said.iter().filter(|it| *it != "END").cloned().collect();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(checker::check(dir.path(), &facts, why));
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

/// More than any thread of a child makes of each call, so that the list of faults is always the
/// same; a fault that is never reached hurts nobody.
const MOST: [(&str, u32); 4] = [("pwrite64", 260), ("write", 20), ("fdatasync", 10), ("fsync", 50)];

/// How often a child passes a point, at most.
const MOST_POINTS: u32 = 12;

#[test]
#[ignore = "takes minutes; run by `cargo xtask torture deferred-audit --seeds N`"]
fn every_passage_of_every_write_and_fsync_can_fail() {
    assert!(fault::can_inject(), "strace is missing");
    let passages = fault::passages(tempfile::tempdir().unwrap().path());
    let within = |(call, most): &(&str, u32)| {
        MOST.iter().any(|(known, bound)| known == call && most <= bound)
    };
    assert!(passages.iter().all(within), "{passages:?}");
    let mut faults = Vec::new();
    for (call, most) in MOST {
        // Beyond what was just counted a run or two more may be reached, and no more than that.
        let reached = passages.iter().find(|(it, _)| *it == call).map_or(most, |(_, it)| it + 2);
        for nth in 1..=most {
            let kinds = all_at(call, nth);
            faults.extend(kinds.into_iter().map(|fault| (fault, nth <= reached)));
        }
    }
    let points = POINTS.iter().flat_map(|point| (1..=MOST_POINTS).map(|nth| (*point, nth)));
    faults.extend(points.map(|(point, nth)| (Fault::Crash { point, nth }, true)));
    let tried: Vec<_> = faults.iter().filter(|(_, reached)| *reached).collect();
    for (fault, _) in tried {
        hurt(fault);
    }
    report("every passage", faults.iter().map(|(fault, _)| fault.to_string()));
}

/// `GOV_TEST_SEEDS=n`: each seed hurts a child at one random passage of every call and point.
#[test]
#[ignore = "takes minutes; run by `cargo xtask torture deferred-audit --seeds N`"]
fn random_passages_can_fail() {
    assert!(fault::can_inject(), "strace is missing");
    let seeds: u64 = std::env::var("GOV_TEST_SEEDS").map_or(20, |it| it.parse().unwrap());
    let mut outcomes = Vec::new();
    for seed in 0..seeds {
        let mut dice = Dice::of(seed);
        let mut roll = |sides: u32| 1 + u32::try_from(dice.roll(u64::from(sides))).unwrap();
        let mut faults: Vec<Fault> =
            MOST.into_iter().flat_map(|(call, most)| all_at(call, roll(most / 2))).collect();
        faults.extend(POINTS.map(|point| Fault::Crash { point, nth: roll(MOST_POINTS) }));
        for fault in faults {
            hurt_as(&fault, &format!("seed {seed}, {fault}"));
            outcomes.push(format!("{seed} {fault}"));
        }
    }
    report(&format!("seeds 0..{seeds}"), outcomes.into_iter());
}

fn all_at(call: &'static str, nth: u32) -> Vec<Fault> {
    let mut faults = vec![Fault::Kill { call, nth }];
    faults.extend(ERRORS.map(|errno| Fault::Error { call, errno, nth }));
    faults
}

/// One line that depends on the faults alone: whoever gets here found every fact once.
fn report(sweep: &str, outcomes: impl Iterator<Item = String>) {
    let outcomes: Vec<_> = outcomes.map(|it| format!("{it}: all there once\n")).collect();
    let digest = canonical::sha256(outcomes.concat().as_bytes());
    let (faults, digest) = (outcomes.len(), Hex(&digest));
    let line = format!("torture {sweep}: {faults} faults, all facts there once, digest {digest}\n");
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
