//! The part of the page that changes by itself.

use gov_core::{Health, HealthState, Timestamp};

use super::{card::Card, row::Row, shown::Shown, time::TimeView};
use crate::identity::Halt;

/// How many requests are shown; the oldest of more.
pub const MOST_CARDS: u32 = 50;

/// How many answers are shown.
pub const MOST_ROWS: u32 = 50;

/// What is seen at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Live {
    /// When that is.
    pub now: TimeView,
    /// What the forms carry.
    pub csrf: String,
    /// The halt that lasts.
    pub halt: Option<HaltBanner>,
    /// Requests that wait for an answer, the most urgent first.
    pub cards: Listed<Card>,
    /// The last answers, the newest first.
    pub rows: Listed<Row>,
    /// The signed log.
    pub log: LogView,
    /// The parts of the server, as `/readyz` has them.
    pub parts: Vec<PartView>,
}

/// Everything is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HaltBanner {
    /// Since when.
    pub since: TimeView,
    /// Why.
    pub reason: Shown,
}

/// A list, or why there is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Listed<T> {
    /// The items; `more` if not all of them are here.
    Items {
        /// Those that are shown.
        items: Vec<T>,
        /// Whether there are others.
        more: bool,
    },
    /// It cannot be read now.
    Unavailable,
}

/// How far the signed log is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogView {
    /// The name its checkpoints are signed under.
    pub origin: Shown,
    /// How many records are signed: `1,204`.
    pub size: String,
    /// The time of the last of them.
    pub last: Option<TimeView>,
}

/// How one part of the server is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartView {
    /// What people call it.
    pub name: String,
    /// `healthy`, `degraded` or `dead`.
    pub state: &'static str,
    /// Why, where it is not healthy.
    pub reason: Option<Shown>,
}

impl Live {
    /// The state of all parts together, in a word: the worst of theirs.
    #[must_use]
    pub fn state(&self) -> &'static str {
        let any = |state| self.parts.iter().any(|it| it.state == state);
        if any("dead") {
            "not ready"
        } else if any("degraded") {
            "degraded"
        } else {
            "ready"
        }
    }
}

impl From<Halt> for HaltBanner {
    fn from(halt: Halt) -> Self {
        Self { since: halt.halted_at.into(), reason: Shown::line(&halt.reason) }
    }
}

impl PartView {
    /// How the part is now.
    #[must_use]
    pub fn of(part: &dyn Health) -> Self {
        let (state, reason) = match part.health() {
            HealthState::Healthy => ("healthy", None),
            HealthState::Degraded(reason) => ("degraded", Some(reason)),
            HealthState::Dead(reason) => ("dead", Some(reason)),
        };
        let reason = reason.as_deref().map(Shown::line);
        Self { name: part.name().replace('_', " "), state, reason }
    }
}

impl LogView {
    /// The log at the moment.
    #[must_use]
    pub fn new(origin: &str, size: u64, last: Option<Timestamp>) -> Self {
        let size = super::time::count(size);
        Self { origin: Shown::line(origin), size, last: last.map(Into::into) }
    }
}
