//! The clock of all approvals, which stands still while everything is halted.
//!
//! Deadlines are stored as if no halt had ever been, and read as what that is by the calendar: the
//! end of a halt moves every one of them, and writes one row.

use std::time::Duration;

use gov_core::Timestamp;

/// What the clock of all approvals shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RunningClock {
    /// Since when it stands still; `None`: it runs.
    pub halted_at: Option<Timestamp>,
    /// What the halts before that one have given back, all together.
    pub given_back: Duration,
}

/// The clock with what it takes to know a halt that was heard of before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Halts {
    pub(crate) clock: RunningClock,
    /// When the last halt began, also if it has ended.
    pub(crate) last: Option<Timestamp>,
}

impl RunningClock {
    /// What it shows at `now`: deadlines are compared with that, and begin from it.
    #[must_use]
    pub fn at(&self, now: Timestamp) -> Timestamp {
        self.halted_at.map_or(now, |it| it.min(now))
    }

    /// A deadline as it is stored.
    pub(crate) fn stored(&self, deadline: Timestamp) -> Timestamp {
        let micros = deadline.as_micros().saturating_sub(self.micros());
        Timestamp::from_micros_clamped(micros)
    }

    /// The microseconds of a stored deadline by the calendar, if nothing halts before it.
    pub(crate) fn by_calendar(&self, stored: i64) -> i64 {
        stored.saturating_add(self.micros())
    }

    /// When the first of all timers strikes, from its deadline as it is stored; `None` while the
    /// clock stands still.
    pub(crate) fn strikes_at(&self, stored: Option<i64>) -> Option<Timestamp> {
        let micros = stored.filter(|_| self.halted_at.is_none()).map(|it| self.by_calendar(it));
        // Out of the calendar is never, or overdue: no reason to stop the clock of all others.
        micros.map(Timestamp::from_micros_clamped)
    }

    fn micros(&self) -> i64 {
        i64::try_from(self.given_back.as_micros()).unwrap_or(i64::MAX)
    }
}

impl Halts {
    /// After a halt that began at `at`; `None` where that changes nothing: the clock stands still
    /// already, or this halt was heard of before.
    pub(crate) fn halt(self, at: Timestamp) -> Option<Self> {
        let is_news = self.clock.halted_at.is_none() && self.last.is_none_or(|it| it < at);
        let clock = RunningClock { halted_at: Some(at), ..self.clock };
        is_news.then_some(Self { clock, last: Some(at) })
    }

    /// After the end at `at` of the halt that began at `halted_at`, and what it gives back; `None`
    /// where the clock runs, or stands still for a later halt.
    ///
    /// An earlier halt whose end nobody has heard of ends with it.
    pub(crate) fn resume(self, halted_at: Timestamp, at: Timestamp) -> Option<(Self, Duration)> {
        let since = self.clock.halted_at.filter(|it| *it <= halted_at)?;
        // Two servers, two clocks: an end before the beginning gives back nothing.
        let by = at.since(since);
        let given_back = self.clock.given_back.saturating_add(by);
        Some((Self { clock: RunningClock { halted_at: None, given_back }, ..self }, by))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_micros(seconds * 1_000_000).unwrap()
    }

    #[test]
    fn a_deadline_is_read_as_it_was_written() {
        let clock = RunningClock { given_back: Duration::from_secs(7), ..RunningClock::default() };
        assert_eq!(clock.stored(at(100)), at(93));
        for it in [at(100), Timestamp::MAX] {
            assert_eq!(clock.by_calendar(clock.stored(it).as_micros()), it.as_micros());
        }
        assert_eq!(clock.by_calendar(i64::MAX), i64::MAX);
    }

    #[test]
    fn a_halt_that_was_heard_of_before_is_no_news_when_it_is_over() {
        let halted = Halts::default().halt(at(10)).unwrap();
        assert_eq!(halted.halt(at(11)), None);
        let (over, by) = halted.resume(at(10), at(25)).unwrap();
        assert_eq!((by, over.clock.given_back), (Duration::from_secs(15), Duration::from_secs(15)));
        assert_eq!(over.halt(at(10)), None);
        assert_eq!(over.resume(at(10), at(25)), None);
        assert!(over.halt(at(11)).is_some());
    }

    #[test]
    fn the_end_of_an_earlier_halt_does_not_end_a_later_one() {
        let (over, _) = Halts::default().halt(at(10)).unwrap().resume(at(10), at(20)).unwrap();
        let again = over.halt(at(30)).unwrap();
        assert_eq!(again.resume(at(10), at(40)), None);
        assert!(again.resume(at(30), at(40)).is_some());
    }

    #[test]
    fn an_end_that_was_missed_comes_with_that_of_a_later_halt() {
        let halted = Halts::default().halt(at(10)).unwrap();
        let (_, by) = halted.resume(at(30), at(40)).unwrap();
        assert_eq!(by, Duration::from_secs(30));
    }

    #[test]
    fn an_end_before_the_beginning_gives_back_nothing() {
        let (over, by) = Halts::default().halt(at(10)).unwrap().resume(at(10), at(9)).unwrap();
        assert_eq!((by, over.clock), (Duration::ZERO, RunningClock::default()));
    }
}
