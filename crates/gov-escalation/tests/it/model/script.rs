//! What happens in one case: the same for the same seed, on every backend.

use std::time::Duration;

use gov_core::dice::Dice;
use gov_escalation::{
    approval::Verdict,
    chain::{Chain, Fallback, Late, Rung, Seats, Span},
    store::conformance::{self, RUNG},
};

/// How many actions a case is about.
pub(crate) const ACTIONS: u32 = 4;

/// The action that is no action but several calls, asked for at once.
pub(crate) const GRANT: u32 = 3;

/// How many calls.
pub(crate) const CALLS: u32 = 3;

/// How many things happen in a case, at least.
pub(crate) const STEPS: u64 = 50;

/// One thing that happens; actions are numbered from 0.
#[derive(Clone, Debug)]
pub(crate) enum Event {
    /// An agent asks; it joins what is open.
    Ask(u32, Chain),
    /// A person answers, having seen this action or another.
    Answer {
        action: u32,
        person: &'static str,
        verdict: Verdict,
        saw: u32,
    },
    /// The agent uses it for this action or another, under a key.
    Use {
        action: u32,
        of: u32,
        key: Option<&'static str>,
    },
    /// A policy asks another chain.
    Reopen(u32, Chain),
    /// A person who saw this action or another makes an action of it that asks this chain.
    Edit {
        action: u32,
        into: u32,
        person: &'static str,
        saw: u32,
        chain: Chain,
    },
    Cancel(u32),
    /// The scheduler looks, once.
    Fire,
    /// The time moves by so many seconds, also back.
    Move(i64),
    /// Everything is halted.
    Halt,
    /// It goes on.
    Resume,
}

const PEOPLE: [&str; 10] =
    ["ann", "bob", "cem", "sec", "both", "lead", "owner", "temp", "deputy", "stranger"];

/// The events of a case.
pub(crate) fn of_seed(seed: u64) -> Vec<Event> {
    let mut dice = Dice::of(seed);
    let steps = STEPS + dice.roll(15);
    let asks = (0..ACTIONS).map(|it| Event::Ask(it, chain(&mut dice))).collect::<Vec<_>>();
    asks.into_iter().chain((0..steps).map(|_| event(&mut dice))).collect()
}

fn event(dice: &mut Dice) -> Event {
    let action = one_of(dice, &[0, 1, 2, 3]);
    // The wrong action, now and then.
    let other = if dice.roll(8) == 0 { (action + 1) % ACTIONS } else { action };
    match dice.roll(29) {
        0..=3 => Event::Ask(action, chain(dice)),
        4..=12 => {
            let no = dice.roll(9) == 0;
            let verdict = if no { Verdict::Reject } else { Verdict::Approve };
            Event::Answer { action, person: one_of(dice, &PEOPLE), verdict, saw: other }
        }
        13..=14 => using(dice, action, other),
        // Calls are many.
        20..=21 if action == GRANT => using(dice, action, other),
        15 => Event::Reopen(action, chain(dice)),
        16 if dice.roll(3) == 0 => Event::Cancel(action),
        16..=19 => Event::Fire,
        20..=23 => Event::Move(i64::try_from(dice.roll(1500)).unwrap() - 200),
        24 if dice.roll(2) == 0 => Event::Halt,
        24..=25 => Event::Resume,
        _ => {
            let into = one_of(dice, &[0, 1, 2, 3]);
            Event::Edit {
                action,
                into,
                person: one_of(dice, &PEOPLE),
                saw: other,
                chain: chain(dice),
            }
        }
    }
}

fn using(dice: &mut Dice, action: u32, of: u32) -> Event {
    Event::Use { action, of, key: one_of(dice, &[None, Some("a"), Some("b")]) }
}

fn chain(dice: &mut Dice) -> Chain {
    let count = 1 + dice.roll(3);
    let rungs = (0..count).map(|index| rung(dice, index > 0)).collect();
    let fallback = one_of(dice, &[Fallback::Deny, Fallback::Deny, Fallback::Allow, Fallback::Park]);
    Chain { rungs, fallback, ..conformance::chain() }
}

fn rung(dice: &mut Dice, waits: bool) -> Rung {
    let after = if waits { RUNG } else { Duration::ZERO };
    let bare = Rung {
        after: Span(after),
        notify: vec!["log".to_owned()],
        allow_skip_when_empty: dice.roll(2) == 0,
        late: one_of(dice, &[Late::SkipToCurrent, Late::FireAll]),
        ..Rung::default()
    };
    let roles = |names: &[&str]| names.iter().map(|it| it.parse().unwrap()).collect();
    let quorum = 1 + u32::try_from(dice.roll(3)).unwrap();
    match dice.roll(6) {
        0 => Rung { roles: roles(&["ops"]), quorum, ..bare },
        1 => Rung { roles: roles(&["ops", "lead"]), quorum, ..bare },
        2 => Rung { roles: roles(&["ghost"]), ..bare },
        3 => Rung { people: vec![conformance::person("sec")], quorum, ..bare },
        4 => Rung { quorum, ..bare },
        _ => {
            let seat = |(role, count): (&str, u32)| Seats { role: role.parse().unwrap(), count };
            Rung { require: [("security", 1), ("ops", quorum)].map(seat).to_vec(), ..bare }
        }
    }
}

fn one_of<T: Clone>(dice: &mut Dice, all: &[T]) -> T {
    all[usize::try_from(dice.roll(all.len() as u64)).unwrap()].clone()
}
