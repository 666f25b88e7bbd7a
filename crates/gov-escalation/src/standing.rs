//! What an approval that waits has, and what it still needs.

use gov_core::PersonId;

use crate::{
    approval::{Approval, Verdict},
    chain::{Rung, Seats},
    quorum,
};

/// How far the votes have come on one rung that was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Which, from 0.
    pub rung: u32,
    /// How many of its places are filled.
    pub filled: u32,
    /// How many it has.
    pub needed: u32,
    /// Who is still needed, in words: `1 of security and 2 of ops`, `2 of ops, Ann`,
    /// `1 more approver`.
    pub missing: String,
}

impl Approval {
    /// How far each rung is that was asked so far, in order: one of them is enough. People are
    /// called as `name_of` says.
    #[must_use]
    pub fn standings(&self, name_of: impl Fn(PersonId) -> Option<String>) -> Vec<Standing> {
        let yes: Vec<_> = self.votes.iter().filter(|it| it.verdict == Verdict::Approve).collect();
        let votes = || yes.iter().map(|it| (it.seat, it.roles.as_slice()));
        let of = |(rung, it): (u32, &Rung)| {
            let (filled, needed) = (quorum::filled(it, votes()), it.seats());
            let missing = if it.require.is_empty() {
                more(it, needed.saturating_sub(filled), &name_of)
            } else {
                seats(&quorum::vacant(it, votes()))
            };
            Standing { rung, filled, needed, missing }
        };
        (0..).zip(self.asked()).map(of).collect()
    }
}

fn more(rung: &Rung, number: u32, name_of: impl Fn(PersonId) -> Option<String>) -> String {
    if rung.asks_anyone() {
        return format!("{number} more approver{}", if number == 1 { "" } else { "s" });
    }
    let anyone = Rung { quorum: 1, ..rung.clone() };
    format!("{number} of {}", anyone.audience_named(name_of))
}

fn seats(vacant: &[Seats]) -> String {
    let each = vacant.iter().map(|it| format!("{} of {}", it.count, it.role));
    each.collect::<Vec<_>>().join(" and ")
}
