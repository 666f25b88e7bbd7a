//! One rung: who is asked, how many must answer, and what becomes of it when it is late or empty.

use std::collections::BTreeSet;

use gov_core::{AgentId, PersonId, Role};
use serde::{Deserialize, Serialize};

use super::{ChainError, Span};
use crate::{quorum, roster::Roster};

/// The most people that one rung may need.
pub const MAX_SEATS: u32 = 100;

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
    /// How many of them must approve.
    #[serde(default = "one")]
    pub quorum: u32,
    /// How many of each role must approve, all of them: beside it stand neither `roles` nor
    /// `people`, nor a quorum but 1.
    #[serde(default)]
    pub require: Vec<Seats>,
    /// Whether the next rung is asked at once where nobody is there to answer; else it has its
    /// time. The last rung is always asked.
    #[serde(default)]
    pub allow_skip_when_empty: bool,
    /// Whether it is told though its time is over already.
    #[serde(default)]
    pub late: Late,
}

/// So many people with one role.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Seats {
    /// The role.
    pub role: Role,
    /// How many, at least 1.
    pub count: u32,
}

/// What becomes of a rung whose time is over when the clock is looked at: after a downtime.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Late {
    /// It is passed over: only the rung whose turn it is now is told.
    #[default]
    SkipToCurrent,
    /// It is told all the same.
    FireAll,
}

/// Who is missing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Shortage {
    /// There is no such person; give somebody the role, or say `allow_skip_when_empty`.
    #[error("nobody is there who may answer ({0})")]
    Nobody(String),
    /// There are some, and not enough.
    #[error("it needs {needed} people ({audience}), and only {present} of them can be counted")]
    TooFew {
        /// Who is asked, in words.
        audience: String,
        /// How many people it needs.
        needed: u32,
        /// How many of these places the people of today can fill, each person one.
        present: u32,
    },
}

impl Rung {
    /// Whether a person with these roles may answer here.
    #[must_use]
    pub fn admits(&self, person: PersonId, roles: &[Role]) -> bool {
        let wanted = self.roles.iter().chain(self.require.iter().map(|it| &it.role));
        self.asks_anyone()
            || self.people.contains(&person)
            || wanted.into_iter().any(|it| roles.contains(it))
    }

    /// Whether every approver may answer here.
    #[must_use]
    pub fn asks_anyone(&self) -> bool {
        self.roles.is_empty() && self.people.is_empty() && self.require.is_empty()
    }

    /// How many people it needs.
    #[must_use]
    pub fn seats(&self) -> u32 {
        let required = self.require.iter().fold(0_u32, |sum, it| sum.saturating_add(it.count));
        if self.require.is_empty() { self.quorum } else { required }
    }

    /// Who is asked, in words: `ops, security, per_…`, `any approver`, `2 of ops, security`, or
    /// `1 of security and 2 of ops`.
    #[must_use]
    pub fn audience(&self) -> String {
        self.audience_named(|_| None)
    }

    /// As [`audience`](Self::audience), with people as they are called, where that is known.
    #[must_use]
    pub fn audience_named(&self, name_of: impl Fn(PersonId) -> Option<String>) -> String {
        if !self.require.is_empty() {
            let each = self.require.iter().map(|it| format!("{} of {}", it.count, it.role));
            return each.collect::<Vec<_>>().join(" and ");
        }
        let roles = self.roles.iter().map(ToString::to_string);
        let people = self.people.iter().map(|it| name_of(*it).unwrap_or_else(|| it.to_string()));
        let names: Vec<_> = roles.chain(people).collect();
        let names = if names.is_empty() { "any approver".to_owned() } else { names.join(", ") };
        if self.quorum == 1 { names } else { format!("{} of {names}", self.quorum) }
    }

    pub(super) fn check_seats(&self, rung: usize) -> Result<(), ChainError> {
        let required = self.require.iter().map(|it| u64::from(it.count));
        let received =
            if self.require.is_empty() { self.quorum.into() } else { required.clone().sum() };
        let nobody = required.clone().any(|it| it == 0);
        if nobody || !(1..=u64::from(MAX_SEATS)).contains(&received) {
            let received = if nobody { 0 } else { received };
            return Err(ChainError::Seats { rung, received });
        }
        let beside = !self.roles.is_empty() || !self.people.is_empty() || self.quorum != 1;
        if beside && !self.require.is_empty() {
            return Err(ChainError::RequireBeside(rung));
        }
        let mut named = BTreeSet::new();
        match self.require.iter().find(|it| !named.insert(&it.role)) {
            Some(twice) => Err(ChainError::RequiredTwice { rung, role: twice.role.clone() }),
            None => Ok(()),
        }
    }

    /// Who is missing among the people of today; `None` if they are enough.
    pub(super) fn shortage(&self, roster: &Roster, agent: Option<&AgentId>) -> Option<Shortage> {
        let audience = self.audience();
        let mut candidates = roster.candidates(self, agent).peekable();
        if candidates.peek().is_none() {
            return Some(Shortage::Nobody(audience));
        }
        let (needed, present) = (self.seats(), quorum::filled(self, candidates));
        (present < needed).then_some(Shortage::TooFew { audience, needed, present })
    }
}

impl Default for Rung {
    /// Any one approver, at once; nobody is told.
    fn default() -> Self {
        Self {
            roles: Vec::new(),
            people: Vec::new(),
            after: Span::default(),
            notify: Vec::new(),
            quorum: one(),
            require: Vec::new(),
            allow_skip_when_empty: false,
            late: Late::default(),
        }
    }
}

/// The quorum of a rung that says nothing of it.
fn one() -> u32 {
    1
}
