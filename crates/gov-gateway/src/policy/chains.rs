//! What may be wrong with a chain that a policy asks.

use std::collections::BTreeMap;

use gov_escalation::{
    Roster,
    chain::{Chain, ChainError, Rung},
};

/// Says of a chain, by its name, what is wrong with it; `None`: nothing.
pub type ChainFault<'f> = &'f dyn Fn(&str) -> Option<String>;

/// A chain that is none of these is not configured.
pub fn unknown(known: &[&str]) -> impl Fn(&str) -> Option<String> {
    |chain| {
        if known.contains(&chain) {
            return None;
        }
        let known: Vec<_> = known.iter().map(|it| format!("`{it}`")).collect();
        Some(format!(
            "is not configured; known are {}; add `[chains.{chain}]` to the configuration, or name \
             one of these",
            known.join(", ")
        ))
    }
}

/// As [`unknown`]; and one that the people of today could never satisfy would only ever time out.
///
/// A rung that any approver may answer is no fault while nobody is there at all: a server begins so.
pub fn unknown_or_unstaffed(
    chains: &BTreeMap<String, Chain>,
    people: &Roster,
) -> impl Fn(&str) -> Option<String> {
    move |name| {
        let Some(chain) = chains.get(name) else {
            let known: Vec<_> = chains.keys().map(String::as_str).collect();
            return unknown(&known)(name);
        };
        let error = chain.staffed(people, None).err()?;
        if let ChainError::Unsatisfiable { rung, .. } = &error
            && people.members.is_empty()
            && chain.rungs.get(*rung).is_some_and(Rung::asks_anyone)
        {
            return None;
        }
        Some(format!("would only ever time out: {error}; give people these roles, or change it"))
    }
}

#[cfg(test)]
mod tests {
    use gov_core::PersonId;
    use gov_escalation::chain::Span;

    use super::*;

    fn chains(rung: Rung) -> BTreeMap<String, Chain> {
        let rungs = vec![Rung { notify: vec!["log".to_owned()], ..rung }];
        let timeout = Span(std::time::Duration::from_hours(1));
        [("c".to_owned(), Chain { rungs, timeout, ..Chain::standard() })].into()
    }

    fn said(rung: Rung, people: &[&str]) -> Option<String> {
        let member = |(number, role): (usize, &&str)| {
            let id = PersonId::from_uuid(gov_core::id::uuid::Uuid::from_u128(number as u128 + 1));
            (id, vec![role.parse().unwrap()])
        };
        let members = people.iter().enumerate().map(member).collect();
        unknown_or_unstaffed(&chains(rung), &Roster { members, ..Roster::default() })("c")
    }

    #[test]
    fn a_chain_that_today_nobody_could_satisfy_is_a_fault() {
        let ops = |quorum| Rung { roles: vec!["ops".parse().unwrap()], quorum, ..Rung::default() };
        let said_of = |rung, people: &[&str]| said(rung, people).unwrap_or_default();
        assert!(said_of(ops(1), &[]).contains("rung 0 can never be satisfied: nobody is there"));
        assert!(said_of(ops(2), &["ops", "lead"]).contains("it needs 2 people"));
        assert_eq!(said(ops(2), &["ops", "ops"]), None);
    }

    #[test]
    fn a_server_without_people_may_ask_any_approver() {
        let anybody = |quorum| Rung { quorum, ..Rung::default() };
        assert_eq!(said(anybody(2), &[]), None);
        assert!(said(anybody(2), &["ops"]).unwrap().contains("it needs 2 people"));
    }
}
