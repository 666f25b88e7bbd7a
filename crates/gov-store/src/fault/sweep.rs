//! Which faults are tried: some in every test run, all on demand.

use std::io::Write as _;

use gov_core::{canonical, dice::Dice, hex::Hex};

use super::{Child, ERRORS, Fault};

/// Over which passages a sweep goes: more than a child makes, so that the list of faults is always
/// the same. A fault that is never reached hurts nobody.
#[derive(Clone, Copy, Debug)]
pub struct Bounds<'a> {
    /// Each call, and how often any thread makes it at most.
    pub calls: &'a [(&'static str, u32)],
    /// Each point where a child can die by itself.
    pub points: &'a [&'static str],
    /// How often a child passes a point at most.
    pub passages: u32,
}

impl Bounds<'_> {
    /// Hurts a child at every passage, and says what was [reported](report). Fails if it makes
    /// more calls than these.
    pub fn sweep(&self, child: &Child, mut hurt: impl FnMut(&Fault)) {
        let passages = child.passages();
        let count =
            |call: &str| passages.iter().find(|(it, _)| *it == call).map_or(0, |(_, it)| *it);
        let within = self.calls.iter().all(|(call, most)| count(call) <= *most);
        assert!(within, "a child makes {passages:?}, and swept are {:?}", self.calls);
        let mut faults = Vec::new();
        for &(call, most) in self.calls {
            for nth in 1..=most {
                // Another run may make one or two more, and no more than that.
                let reached = nth <= count(call) + 2;
                faults.extend(Fault::all_at(call, nth).into_iter().map(|it| (it, reached)));
            }
        }
        for &point in self.points {
            faults.extend((1..=self.passages).map(|nth| (Fault::Crash { point, nth }, true)));
        }
        for (fault, _) in faults.iter().filter(|(_, reached)| *reached) {
            hurt(fault);
        }
        report("every passage", faults.iter().map(|(fault, _)| fault.to_string()));
    }

    /// One random passage of every call and of every point.
    #[must_use]
    pub fn roll(&self, seed: u64) -> Vec<Fault> {
        let mut dice = Dice::of(seed);
        let mut roll = |sides: u32| 1 + u32::try_from(dice.roll(u64::from(sides))).unwrap();
        let mut faults = Vec::new();
        for &(call, most) in self.calls {
            faults.extend(Fault::all_at(call, roll(most / 2)));
        }
        faults.extend(self.points.iter().map(|&point| {
            let nth = roll(self.passages);
            Fault::Crash { point, nth }
        }));
        faults
    }
}

/// Kills and errors at passages of a child that are evenly spread: at most so many of each call.
#[must_use]
pub fn spread(child: &Child, kills: u32, errors: u32) -> Vec<Fault> {
    let mut faults = Vec::new();
    for (call, most) in child.passages() {
        faults.extend(evenly(most, kills).map(|nth| Fault::Kill { call, nth }));
        for errno in ERRORS {
            faults.extend(evenly(most, errors).map(|nth| Fault::Error { call, errno, nth }));
        }
    }
    faults
}

/// One line that depends on the faults alone: whoever gets here found every fact once.
pub fn report(sweep: &str, faults: impl Iterator<Item = String>) {
    let outcomes: Vec<_> = faults.map(|it| format!("{it}: all there once\n")).collect();
    let digest = canonical::sha256(outcomes.concat().as_bytes());
    let (faults, digest) = (outcomes.len(), Hex(&digest));
    let line = format!("torture {sweep}: {faults} faults, all facts there once, digest {digest}\n");
    std::io::stdout().write_all(line.as_bytes()).unwrap();
}

/// At most `count` numbers from 1 to `most`, both ends among them.
fn evenly(most: u32, count: u32) -> impl Iterator<Item = u32> {
    let steps = count.max(2) - 1;
    let mut numbers: Vec<u32> =
        (0..=steps).map(|step| 1 + step * most.saturating_sub(1) / steps).collect();
    numbers.retain(|nth| *nth <= most);
    numbers.dedup();
    numbers.into_iter()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spread_numbers_have_both_ends_and_none_twice() {
        let spread = |most, count| evenly(most, count).collect::<Vec<_>>();
        assert_eq!(spread(9, 3), [1, 5, 9]);
        assert_eq!(spread(3, 6), [1, 2, 3]);
        assert_eq!(spread(1, 6), [1]);
        assert!(spread(0, 6).is_empty());
    }

    #[test]
    fn a_seed_rolls_the_same_passages_again_within_the_bounds() {
        let bounds = Bounds { calls: &[("fsync", 10)], points: &["here"], passages: 3 };
        assert_eq!(bounds.roll(7), bounds.roll(7));
        let within = |fault: &Fault| match fault {
            Fault::Kill { nth, .. } | Fault::Error { nth, .. } => (1..=5).contains(nth),
            Fault::Crash { nth, .. } => (1..=3).contains(nth),
            Fault::None => false,
        };
        assert!((0..50).all(|seed| bounds.roll(seed).iter().all(within)));
    }
}
