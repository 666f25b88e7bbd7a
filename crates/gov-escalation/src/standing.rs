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

#[cfg(all(test, feature = "test-util"))]
mod tests {
    #![expect(clippy::unwrap_used, reason = "the helpers of these tests panic as the tests do")]

    use gov_core::{Clock as _, Timestamp, clock::ManualClock, id::uuid::Uuid};

    use super::*;
    use crate::{approval::Vote, clock::RunningClock, store::conformance::request, transition};

    fn person(number: u128) -> PersonId {
        PersonId::from_uuid(Uuid::from_u128(number))
    }

    /// Yes of people with these roles, on a request with these rungs that were all asked.
    fn standings(rungs: Vec<Rung>, votes: &[&str]) -> Vec<(u32, u32, String)> {
        let now = ManualClock::default().now();
        let mut request = request(1);
        let last = rungs.len() - 1;
        request.chain.rungs = rungs;
        let id = gov_core::ApprovalId::at(now);
        let mut approval =
            transition::open(id, request, None, RunningClock::default(), now).approval;
        approval.rung = u32::try_from(last).unwrap();
        approval.votes = (1..).zip(votes).map(|(number, roles)| vote(number, roles)).collect();
        let name_of = |it: PersonId| (it == person(9)).then(|| "Ann".to_owned());
        let all = approval.standings(name_of);
        assert!((0..).zip(&all).all(|(index, it)| it.rung == index));
        all.into_iter().map(|it| (it.filled, it.needed, it.missing)).collect()
    }

    fn vote(number: u128, roles: &str) -> Vote {
        Vote {
            person: person(number),
            seat: person(number),
            verdict: Verdict::Approve,
            roles: roles.split_whitespace().map(|it| it.parse().unwrap()).collect(),
            rung: 0,
            at: Timestamp::UNIX_EPOCH,
            comment: None,
        }
    }

    fn require(seats: &[(&str, u32)]) -> Rung {
        let seat =
            |(role, count): &(&str, u32)| Seats { role: role.parse().unwrap(), count: *count };
        Rung { require: seats.iter().map(seat).collect(), ..Rung::default() }
    }

    #[test]
    fn what_is_missing_is_what_the_votes_leave_free() {
        let both = || vec![require(&[("security", 1), ("ops", 2)])];
        let said = |filled, missing: &str| vec![(filled, 3, missing.to_owned())];
        assert_eq!(standings(both(), &[]), said(0, "1 of security and 2 of ops"));
        assert_eq!(standings(both(), &["ops"]), said(1, "1 of security and 1 of ops"));
        assert_eq!(standings(both(), &["ops", "ops"]), said(2, "1 of security"));
        // Whoever is both sits where the others cannot.
        assert_eq!(standings(both(), &["ops security", "ops"]), said(2, "1 of ops"));
        assert_eq!(standings(both(), &["lead"]), said(0, "1 of security and 2 of ops"));
    }

    #[test]
    fn every_rung_that_was_asked_says_how_far_it_is() {
        let ops = || Rung {
            roles: vec!["ops".parse().unwrap()],
            people: vec![person(9)],
            quorum: 2,
            ..Rung::default()
        };
        let anyone = Rung { quorum: 3, ..Rung::default() };
        assert_eq!(
            standings(vec![ops(), anyone], &["ops", "lead"]),
            [(1, 2, "1 of ops, Ann".to_owned()), (2, 3, "1 more approver".to_owned())]
        );
        assert_eq!(standings(vec![ops()], &[]), [(0, 2, "2 of ops, Ann".to_owned())]);
    }
}
