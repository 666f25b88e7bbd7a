//! Which chains can work, who may decide, and when the clock strikes.

use gov_core::{Clock as _, clock::ManualClock};

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
    let foreign = text.replacen('{', "{\"quorum\":2,", 1);
    assert!(serde_json::from_str::<Chain>(&foreign).is_err());
}

/// Rungs with these waits (the first one's is dropped), a minute in all.
fn chain(waits: &[Duration]) -> Chain {
    let rungs = waits.iter().enumerate().map(|(index, wait)| Rung {
        after: Span(if index == 0 { Duration::ZERO } else { *wait }),
        ..conformance::chain().rungs.remove(0)
    });
    Chain { rungs: rungs.collect(), timeout: Span(SECOND * 60), ..conformance::chain() }
}
