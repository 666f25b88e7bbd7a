//! Which chains can work, who may decide, and when the clock strikes.

use gov_core::{Clock as _, PersonId, clock::ManualClock};

use super::*;
use crate::store::conformance;

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn the_standard_chain_works() {
    assert_eq!(Chain::standard().check(), Ok(()));
    assert_eq!(conformance::chain().check(), Ok(()));
}

#[test]
fn a_chain_has_one_to_three_rungs() {
    for (count, wanted) in
        [(0, Err(ChainError::Rungs(0))), (1, Ok(())), (3, Ok(())), (4, Err(ChainError::Rungs(4)))]
    {
        assert_eq!(chain(&vec![SECOND; count]).check(), wanted);
    }
    let text = ChainError::Rungs(4).to_string();
    assert_eq!(text, "a chain needs 1 to 3 rungs; received 4");
}

#[test]
fn the_first_rung_is_asked_at_once() {
    let mut it = chain(&[SECOND]);
    it.rungs[0].after = Span(SECOND);
    assert_eq!(it.check(), Err(ChainError::FirstWaits));
}

#[test]
fn a_rung_that_is_never_asked_is_refused() {
    let half = Duration::from_secs(30);
    for (waits, wanted) in [
        // The waits add up to the time-out, or beyond every number.
        (vec![SECOND, half, half], Err(ChainError::Never(2))),
        (vec![SECOND, Duration::MAX, Duration::MAX], Err(ChainError::Never(1))),
        (vec![SECOND, Duration::ZERO], Err(ChainError::Never(1))),
        (vec![SECOND, half, SECOND * 29], Ok(())),
    ] {
        assert_eq!(chain(&waits).check(), wanted, "{waits:?}");
    }
}

#[test]
fn the_first_escalation_comes_well_before_the_time_out() {
    // The time-out is a minute.
    for (second, third, wanted, late) in [
        (30, 29, Ok(()), false),
        (31, 1, Ok(()), true),
        (53, 1, Ok(()), true),
        (54, 1, Err(ChainError::TooLate), true),
        (59, 0, Err(ChainError::TooLate), true),
        (60, 0, Err(ChainError::Never(1)), true),
        // Whoever comes last may come late: somebody was told well before.
        (10, 49, Ok(()), false),
    ] {
        let mut waits = vec![SECOND, SECOND * second];
        waits.extend((third > 0).then_some(SECOND * third));
        let it = chain(&waits);
        assert_eq!(it.timeout.0, SECOND * 60);
        assert_eq!((it.check(), it.escalates_late()), (wanted, late), "{second} s, {third} s");
    }
    assert!(!chain(&[SECOND]).escalates_late(), "nobody is asked second");
}

#[test]
fn every_rung_tells_somebody_once() {
    let mut it = chain(&[SECOND, SECOND]);
    it.rungs[1].notify = vec!["log".to_owned(), "chat".to_owned(), "log".to_owned()];
    assert_eq!(it.check(), Err(ChainError::ToldTwice(1)));
    it.rungs[1].notify.clear();
    assert_eq!(it.check(), Err(ChainError::NobodyTold(1)));
}

#[test]
fn a_time_of_zero_is_refused_by_name() {
    for name in ["timeout", "approved_for"] {
        let mut it = chain(&[SECOND]);
        let span = if name == "timeout" { &mut it.timeout } else { &mut it.approved_for };
        *span = Span::default();
        assert_eq!(it.check(), Err(ChainError::Zero(name)));
    }
}

#[test]
fn the_clock_strikes_at_the_next_rung_and_at_last_at_the_time_out() {
    let now = ManualClock::default().now();
    let it = chain(&[SECOND, SECOND * 10, SECOND * 20]);
    let times_out = now + it.timeout.0;
    assert_eq!(it.next_deadline(0, now, times_out), now + SECOND * 10);
    assert_eq!(it.next_deadline(1, now + SECOND * 10, times_out), now + SECOND * 30);
    // Arrived late: the time-out stays where it was.
    assert_eq!(it.next_deadline(1, now + SECOND * 50, times_out), times_out);
    for last in [2, 3, u32::MAX] {
        assert_eq!(it.next_deadline(last, now, times_out), times_out);
    }
}

#[test]
fn a_rung_admits_its_roles_and_its_people_and_nobody_else() {
    let [one, other] =
        [1, 2].map(|it| PersonId::from_uuid(gov_core::id::uuid::Uuid::from_u128(it)));
    let roles = |names: &[&str]| names.iter().map(|it| it.parse().unwrap()).collect::<Vec<Role>>();
    let mut rung = conformance::chain().rungs.remove(0);
    rung.people = vec![one];
    assert!(rung.admits(one, &[]));
    assert!(rung.admits(other, &roles(&["dev", "ops"])));
    assert!(!rung.admits(other, &[]));
    assert!(!rung.admits(other, &roles(&["dev", "Ops"])));
    assert_eq!(rung.audience(), format!("ops, {one}"));

    (rung.roles, rung.people) = (Vec::new(), Vec::new());
    assert!(rung.admits(other, &[]));
    assert_eq!(rung.audience(), "any approver");
}

#[test]
fn a_stored_chain_reads_back_and_a_foreign_field_does_not() {
    let mut it = conformance::chain();
    it.timeout = Span(Duration::from_micros(u64::MAX));
    let text = serde_json::to_string(&it).unwrap();
    assert_eq!(serde_json::from_str::<Chain>(&text).unwrap(), it);
    // What was stored before there were quorums needs one person, as it did then.
    let mut old = serde_json::to_value(conformance::chain()).unwrap();
    for rung in old["rungs"].as_array_mut().unwrap() {
        let rung = rung.as_object_mut().unwrap();
        for new in ["quorum", "require", "allow_skip_when_empty", "late"] {
            rung.remove(new).unwrap();
        }
    }
    assert_eq!(serde_json::from_value::<Chain>(old).unwrap(), conformance::chain());
    let foreign = text.replacen('{', "{\"quorum\":2,", 1);
    assert!(serde_json::from_str::<Chain>(&foreign).is_err());
}

#[test]
fn what_a_rung_needs_can_be_met_and_is_said_once() {
    let seats = |named: &[(&str, u32)]| {
        let seat =
            |(role, count): &(&str, u32)| Seats { role: role.parse().unwrap(), count: *count };
        named.iter().map(seat).collect::<Vec<_>>()
    };
    let bare = Rung { notify: vec!["log".to_owned()], ..Rung::default() };
    let ops = || vec!["ops".parse().unwrap()];
    let person = PersonId::from_uuid(gov_core::id::uuid::Uuid::from_u128(1));
    for (rung, wanted) in [
        (Rung { quorum: 100, ..bare.clone() }, Ok(())),
        (Rung { quorum: 0, ..bare.clone() }, Err(ChainError::Seats { rung: 0, received: 0 })),
        (Rung { quorum: 101, ..bare.clone() }, Err(ChainError::Seats { rung: 0, received: 101 })),
        (Rung { require: seats(&[("ops", 2), ("security", 1)]), ..bare.clone() }, Ok(())),
        (
            Rung { require: seats(&[("ops", 2), ("security", 0)]), ..bare.clone() },
            Err(ChainError::Seats { rung: 0, received: 0 }),
        ),
        (
            Rung { require: seats(&[("ops", u32::MAX), ("security", 1)]), ..bare.clone() },
            Err(ChainError::Seats { rung: 0, received: 1 << 32 }),
        ),
        (
            Rung { require: seats(&[("ops", 1), ("ops", 2)]), ..bare.clone() },
            Err(ChainError::RequiredTwice { rung: 0, role: "ops".parse().unwrap() }),
        ),
        (
            Rung { require: seats(&[("ops", 1)]), roles: ops(), ..bare.clone() },
            Err(ChainError::RequireBeside(0)),
        ),
        (
            Rung { require: seats(&[("ops", 1)]), people: vec![person], ..bare.clone() },
            Err(ChainError::RequireBeside(0)),
        ),
        (
            Rung { require: seats(&[("ops", 1)]), quorum: 2, ..bare.clone() },
            Err(ChainError::RequireBeside(0)),
        ),
    ] {
        let chain = Chain { rungs: vec![rung], ..Chain::standard() };
        assert_eq!(chain.check(), wanted, "{chain:?}");
    }
    let both = Rung { require: seats(&[("security", 1), ("ops", 2)]), ..bare.clone() };
    assert_eq!(both.audience(), "1 of security and 2 of ops");
    assert_eq!(Rung { quorum: 2, roles: ops(), ..bare }.audience(), "2 of ops");
    assert!(!both.asks_anyone() && both.seats() == 3);
}

#[test]
fn a_rung_that_the_people_can_never_satisfy_is_named_with_the_reason() {
    let roster = conformance::roster();
    let coder: AgentId = "coder".parse().unwrap();
    let staffed = |rungs: Vec<Rung>, agent| {
        let chain = Chain { rungs, ..conformance::chain() };
        chain.staffed(&roster, agent).map_err(|it| it.to_string())
    };
    let ops = |quorum| Rung { roles: vec!["ops".parse().unwrap()], quorum, ..Rung::default() };
    let skip = Rung {
        roles: vec!["ghost".parse().unwrap()],
        allow_skip_when_empty: true,
        ..Rung::default()
    };
    let ghost = Rung { allow_skip_when_empty: false, ..skip.clone() };
    let require = |named: &[(&str, u32)]| {
        let seat =
            |(role, count): &(&str, u32)| Seats { role: role.parse().unwrap(), count: *count };
        Rung { require: named.iter().map(seat).collect(), ..Rung::default() }
    };

    assert_eq!(staffed(vec![ops(1), ops(5)], None), Ok(()));
    let few = "rung 1 can never be satisfied: it needs 6 people (6 of ops), and only 5 of them can \
               be counted";
    assert_eq!(staffed(vec![ops(1), ops(6)], None).unwrap_err(), few);
    // The owner of the agent does not count for it.
    assert!(staffed(vec![ops(5)], Some(&coder)).is_err());
    assert_eq!(staffed(vec![ops(4)], Some(&coder)), Ok(()));

    let nobody = "rung 0 can never be satisfied: nobody is there who may answer (ghost)";
    assert_eq!(staffed(vec![ghost, ops(1)], None).unwrap_err(), nobody);
    assert_eq!(staffed(vec![skip.clone(), ops(1)], None), Ok(()));
    assert_eq!(staffed(vec![skip.clone(), skip], None).unwrap_err(), nobody);

    // Two people have the role `security`, one of them `ops` as well.
    assert_eq!(staffed(vec![require(&[("security", 2), ("ops", 4)])], None), Ok(()));
    assert!(staffed(vec![require(&[("security", 2), ("ops", 5)])], None).is_err());
    assert!(staffed(vec![require(&[("security", 3)])], None).is_err());
    let empty = Chain::standard().staffed(&Roster::default(), None).unwrap_err();
    assert!(empty.to_string().ends_with("(any approver)"), "{empty}");
}

/// Rungs with these waits (the first one's is dropped), a minute in all.
fn chain(waits: &[Duration]) -> Chain {
    let rungs = waits.iter().enumerate().map(|(index, wait)| Rung {
        after: Span(if index == 0 { Duration::ZERO } else { *wait }),
        ..conformance::chain().rungs.remove(0)
    });
    Chain { rungs: rungs.collect(), timeout: Span(SECOND * 60), ..conformance::chain() }
}
