//! What the clock does to one due timer, worked out before anything is written.

use gov_core::{ApprovalId, Timestamp, payload::SealError};

use super::{SealedStep, unavailable};
use crate::{
    approval::Approval,
    event::EscalationEvent,
    roster::Roster,
    store::{Fired, StoreError},
    transition,
};

/// What is to be written for one due timer, if its generation is still the one that was read.
#[derive(Debug)]
pub(in crate::store) struct Planned {
    pub(in crate::store) id: ApprovalId,
    /// As it was read, whether it makes sense or not.
    pub(in crate::store) generation: i64,
    pub(in crate::store) plan: Plan,
    /// What it counts as.
    pub(in crate::store) counts: Fired,
    /// Who is asked then.
    pub(in crate::store) event: Option<EscalationEvent>,
}

/// What one due timer is for.
#[derive(Debug)]
pub(in crate::store) enum Plan {
    /// The approval takes a step.
    Step(Box<SealedStep>),
    /// The approval is over: its clock is stopped.
    Stop,
    /// The approval cannot be read: it is set aside for this reason.
    SetAside(String),
}

/// Asks the rules what becomes of a due approval, as it was read; `None` for one that is not due
/// any more: all was halted between the two looks.
///
/// # Errors
///
/// [`StoreError::Unavailable`] without randomness; whatever is wrong with the row itself is a
/// [`Plan::SetAside`].
pub(in crate::store) fn plan(
    id: ApprovalId,
    generation: i64,
    read: Result<Approval, StoreError>,
    people: Option<&Roster>,
    now: Timestamp,
) -> Result<Option<Planned>, StoreError> {
    let (mut counts, mut event) = (Fired::default(), None);
    let mut set_aside = |why: String| {
        counts.set_aside = 1;
        Plan::SetAside(why)
    };
    let plan = match read {
        Err(StoreError::Corrupt { column, .. }) => set_aside(format!("invalid `{column}`")),
        Err(StoreError::NotFound(_)) => set_aside("a timer without an approval".to_owned()),
        Err(other) => return Err(other),
        Ok(it) if it.due_at.is_some_and(|due| it.clock.at(now) < due) => return Ok(None),
        Ok(approval) => match transition::fire(&approval, people, now) {
            None => {
                counts.stale = 1;
                Plan::Stop
            }
            Some(step) => {
                counts.count(&approval, &step);
                event = EscalationEvent::of(&step.approval);
                match SealedStep::of(step, Some(&approval)) {
                    Ok(step) => Plan::Step(Box::new(step)),
                    Err(error @ SealError::NoRandomness(_)) => return Err(unavailable(error)),
                    Err(error) => {
                        (counts, event) = (Fired { set_aside: 1, ..Fired::default() }, None);
                        Plan::SetAside(error.to_string())
                    }
                }
            }
        },
    };
    Ok(Some(Planned { id, generation, plan, counts, event }))
}

#[cfg(all(test, feature = "test-util"))]
mod tests {
    use std::time::Duration;

    use gov_core::{Clock as _, clock::ManualClock};

    use super::*;
    use crate::{
        clock::RunningClock,
        store::conformance::{RUNG, request},
    };

    #[test]
    fn what_a_halt_froze_between_two_looks_is_left_alone() {
        let now = ManualClock::default().now();
        let id = ApprovalId::at(now);
        let clock = RunningClock::default();
        let it = transition::open(id, request(1), None, clock, now).approval;
        let halted_at = Some(now + Duration::from_mins(1));
        let frozen = Approval { clock: RunningClock { halted_at, ..clock }, ..it.clone() };
        assert!(plan(id, 1, Ok(frozen), None, now + RUNG).unwrap().is_none());
        let planned = plan(id, 1, Ok(it), None, now + RUNG).unwrap().unwrap();
        assert!(matches!(planned.plan, Plan::Step(_)), "{planned:?}");
    }
}
