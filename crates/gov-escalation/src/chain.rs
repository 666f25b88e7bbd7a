//! Who is asked at which rung, how long each has, and what silence means. Pure rules.

use std::{collections::BTreeSet, time::Duration};

use gov_core::{AgentId, Role, Timestamp};
use serde::{Deserialize, Serialize};

use crate::{approval::Vote, quorum, roster::Roster};

mod rung;
#[cfg(all(test, feature = "test-util"))]
mod tests;

pub use self::rung::{Late, MAX_SEATS, Rung, Seats, Shortage};

/// The most rungs a chain may have.
pub const MAX_RUNGS: usize = 3;

/// The name of the chain that is asked where a policy names none.
pub const DEFAULT_CHAIN: &str = "default";

/// Rungs, a time-out and a fallback. It is stored with each approval as it was when the request
/// came, so a changed configuration moves no open one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Chain {
    /// Its name in the configuration and in policies.
    pub name: String,
    /// One to [`MAX_RUNGS`]; the first is asked at once.
    pub rungs: Vec<Rung>,
    /// How long all rungs together have, from the request.
    pub timeout: Span,
    /// How long an approval may be used once it is given.
    pub approved_for: Span,
    /// What silence means.
    pub fallback: Fallback,
    /// Whether the digest covers the session, so that another session's approval does not count.
    pub bind_session: bool,
}

/// What happens when nobody has answered within the time-out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fallback {
    /// The answer is no.
    #[default]
    Deny,
    /// The answer is yes: only where the configuration acknowledges the risk.
    Allow,
    /// It stays open without a clock.
    Park,
}

/// A length of time that is stored as whole microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span(pub Duration);

/// The chain can never work: correct the configuration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ChainError {
    /// Too few or too many rungs.
    #[error("a chain needs 1 to {MAX_RUNGS} rungs; received {0}")]
    Rungs(usize),
    /// The first rung is asked at once, so it waits for nothing.
    #[error("rung 0 is asked at once, so its `after` must be zero")]
    FirstWaits,
    /// Two rungs at one time, or one that is never asked.
    #[error("rung {0} must come after the one before it and before the time-out")]
    Never(usize),
    /// Whoever is asked next has hardly any time.
    #[error(
        "rung 1 must be asked before nine tenths of the time-out are over, or it has no time to \
         answer: make its `after` shorter or `timeout` longer"
    )]
    TooLate,
    /// Nobody would ever be told.
    #[error("rung {0} must notify somebody; `log` writes to the server's log")]
    NobodyTold(usize),
    /// Two messages with two keys: the receiver could not drop the second.
    #[error("rung {0} must name each notifier once")]
    ToldTwice(usize),
    /// An approval that is over when it is given.
    #[error("`{0}` must be longer than zero")]
    Zero(&'static str),
    /// Nobody, or more people than there can be.
    #[error("rung {rung} must need 1 to {MAX_SEATS} people; received {received}")]
    Seats {
        /// Which rung.
        rung: usize,
        /// How many it needs.
        received: u64,
    },
    /// Two answers to one question: who, and how many.
    #[error(
        "rung {0} has `require`, which names the roles and their numbers: leave out `roles`, \
         `people` and `quorum`"
    )]
    RequireBeside(usize),
    /// The same role with two numbers.
    #[error("rung {rung} must name `{role}` once in `require`")]
    RequiredTwice {
        /// Which rung.
        rung: usize,
        /// The role.
        role: Role,
    },
    /// The people of today can never answer.
    #[error("rung {rung} can never be satisfied: {shortage}")]
    Unsatisfiable {
        /// Which rung.
        rung: usize,
        /// Who is missing.
        shortage: Shortage,
    },
}

impl Chain {
    /// The chain of a server that was told nothing: every approver, 15 minutes, then no.
    #[must_use]
    pub fn standard() -> Self {
        const QUARTER: Span = Span(Duration::from_mins(15));
        let rung = Rung { notify: vec!["log".to_owned()], ..Rung::default() };
        Self {
            name: DEFAULT_CHAIN.to_owned(),
            rungs: vec![rung],
            timeout: QUARTER,
            approved_for: QUARTER,
            fallback: Fallback::Deny,
            bind_session: false,
        }
    }

    /// Whether every rung is reached, told, and has time.
    ///
    /// # Errors
    ///
    /// [`ChainError`]: the first thing that is wrong.
    pub fn check(&self) -> Result<(), ChainError> {
        if !(1..=MAX_RUNGS).contains(&self.rungs.len()) {
            return Err(ChainError::Rungs(self.rungs.len()));
        }
        for (span, name) in [(self.timeout, "timeout"), (self.approved_for, "approved_for")] {
            if span.0.is_zero() {
                return Err(ChainError::Zero(name));
            }
        }
        let mut reached = Duration::ZERO;
        for (index, rung) in self.rungs.iter().enumerate() {
            if rung.notify.is_empty() {
                return Err(ChainError::NobodyTold(index));
            }
            if rung.notify.iter().collect::<BTreeSet<_>>().len() < rung.notify.len() {
                return Err(ChainError::ToldTwice(index));
            }
            rung.check_seats(index)?;
            match (index, rung.after.0.is_zero()) {
                (0, true) => continue,
                (0, false) => return Err(ChainError::FirstWaits),
                (_, true) => return Err(ChainError::Never(index)),
                (_, false) => reached = reached.saturating_add(rung.after.0),
            }
            if reached >= self.timeout.0 {
                return Err(ChainError::Never(index));
            }
            // No number of nanoseconds in a `Duration` is near the end of `u128`.
            if index == 1 && reached.as_nanos() * 10 >= self.timeout.0.as_nanos() * 9 {
                return Err(ChainError::TooLate);
            }
        }
        Ok(())
    }

    /// Whether the second rung is asked when more than half of the time-out is over: it works, and
    /// leaves whoever is asked then less time than those who were silent had.
    #[must_use]
    pub fn escalates_late(&self) -> bool {
        self.rungs.get(1).is_some_and(|it| it.after.0.as_nanos() * 2 > self.timeout.0.as_nanos())
    }

    /// Whether the people of today could satisfy every rung, apart from the owners of `agent`.
    ///
    /// An empty rung that is skipped is no fault while another one can answer.
    ///
    /// # Errors
    ///
    /// [`ChainError::Unsatisfiable`]: the first rung that nobody can ever satisfy, and why.
    pub fn staffed(&self, roster: &Roster, agent: Option<&AgentId>) -> Result<(), ChainError> {
        let mut skipped = None;
        for (rung, it) in self.rungs.iter().enumerate() {
            let Some(shortage) = it.shortage(roster, agent) else { continue };
            let error = ChainError::Unsatisfiable { rung, shortage };
            let is_empty = roster.candidates(it, agent).next().is_none();
            if !(is_empty && it.allow_skip_when_empty) {
                return Err(error);
            }
            skipped = skipped.or(Some(error));
        }
        let all_skipped = self.rungs.iter().all(|it| it.shortage(roster, agent).is_some());
        skipped.filter(|_| all_skipped).map_or(Ok(()), Err)
    }

    /// The first rung up to `upto` that the votes satisfy. A vote counts on every rung that admits
    /// who has cast it, wherever it was cast.
    #[must_use]
    pub fn satisfied_by(&self, upto: u32, votes: &[Vote]) -> Option<u32> {
        (0..=upto)
            .map_while(|index| self.rung(index).map(|rung| (index, rung)))
            .find(|(_, rung)| quorum::is_met(rung, votes))
            .map(|(index, _)| index)
    }

    /// The rung at `index`, from 0.
    #[must_use]
    pub fn rung(&self, index: u32) -> Option<&Rung> {
        self.rungs.get(usize::try_from(index).ok()?)
    }

    /// When the clock of an open request strikes next: the next rung's turn, or the time-out.
    #[must_use]
    pub fn next_deadline(&self, rung: u32, arrived: Timestamp, times_out: Timestamp) -> Timestamp {
        let next = rung.checked_add(1).and_then(|it| self.rung(it));
        next.map_or(times_out, |it| (arrived + it.after.0).min(times_out))
    }
}

impl Serialize for Span {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(u64::try_from(self.0.as_micros()).unwrap_or(u64::MAX))
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        u64::deserialize(deserializer).map(|it| Self(Duration::from_micros(it)))
    }
}
