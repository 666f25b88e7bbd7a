//! Who is asked at which rung, how long each has, and what silence means. Pure rules.

use std::{collections::BTreeSet, time::Duration};

use gov_core::{PersonId, Role, Timestamp};
use serde::{Deserialize, Serialize};

#[cfg(all(test, feature = "test-util"))]
mod tests;

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

/// Who is asked, and how.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rung {
    /// Whoever has one of these roles may decide.
    pub roles: Vec<Role>,
    /// These persons may decide. With no roles either, every approver may.
    pub people: Vec<PersonId>,
    /// How long the rung before has, from its arrival; zero on the first.
    pub after: Span,
    /// Through which notifiers it is told, by name.
    pub notify: Vec<String>,
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
    /// Nobody would ever be told.
    #[error("rung {0} must notify somebody; `log` writes to the server's log")]
    NobodyTold(usize),
    /// Two messages with two keys: the receiver could not drop the second.
    #[error("rung {0} must name each notifier once")]
    ToldTwice(usize),
    /// An approval that is over when it is given.
    #[error("`{0}` must be longer than zero")]
    Zero(&'static str),
}

impl Chain {
    /// The chain of a server that was told nothing: every approver, 15 minutes, then no.
    #[must_use]
    pub fn standard() -> Self {
        const QUARTER: Span = Span(Duration::from_mins(15));
        let rung = Rung {
            roles: Vec::new(),
            people: Vec::new(),
            after: Span::default(),
            notify: vec!["log".to_owned()],
        };
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
            match (index, rung.after.0.is_zero()) {
                (0, true) => continue,
                (0, false) => return Err(ChainError::FirstWaits),
                (_, true) => return Err(ChainError::Never(index)),
                (_, false) => reached = reached.saturating_add(rung.after.0),
            }
            if reached >= self.timeout.0 {
                return Err(ChainError::Never(index));
            }
        }
        Ok(())
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

impl Rung {
    /// Whether a person with these roles may decide here.
    #[must_use]
    pub fn admits(&self, person: PersonId, roles: &[Role]) -> bool {
        let anyone = self.roles.is_empty() && self.people.is_empty();
        anyone || self.people.contains(&person) || self.roles.iter().any(|it| roles.contains(it))
    }

    /// Who is asked, in words: `ops, security, per_…` or `any approver`.
    #[must_use]
    pub fn audience(&self) -> String {
        let roles = self.roles.iter().map(ToString::to_string);
        let names: Vec<_> = roles.chain(self.people.iter().map(ToString::to_string)).collect();
        if names.is_empty() { "any approver".to_owned() } else { names.join(", ") }
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
