//! The UTC day by which events are kept together.

use std::{fmt, str::FromStr};

use gov_core::Timestamp;

const MICROS: i64 = 24 * 60 * 60 * 1_000_000;

/// One UTC day, from 1970-01-01 to 9999-12-31. Its text is `2026-01-01`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Day {
    // INVARIANT: days since 1970, from 0 to that of `Timestamp::MAX`.
    number: i64,
}

impl Day {
    /// The day that `at` belongs to.
    pub(super) fn of(at: Timestamp) -> Self {
        Self { number: at.as_micros() / MICROS }
    }

    /// Its first microsecond.
    pub(super) fn start(self) -> Timestamp {
        Timestamp::from_micros_clamped(self.number.saturating_mul(MICROS))
    }

    /// The first microsecond of the next day; `None` behind the last.
    #[cfg(feature = "postgres")]
    pub(super) fn end(self) -> Option<Timestamp> {
        let next = Self { number: self.number + 1 };
        (next <= Self::of(Timestamp::MAX)).then(|| next.start())
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.start().to_string();
        f.write_str(text.split('T').next().unwrap_or_default())
    }
}

impl FromStr for Day {
    type Err = gov_core::timestamp::ParseTimestampError;

    /// Accepts exactly what [`fmt::Display`] prints.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        format!("{text}T00:00:00.000000Z").parse().map(Self::of)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_begins_at_midnight_utc_and_ends_before_the_next() {
        let day: Day = "2026-01-01".parse().unwrap();
        assert_eq!(day.start().to_string(), "2026-01-01T00:00:00.000000Z");
        let last: Timestamp = "2026-01-01T23:59:59.999999Z".parse().unwrap();
        assert_eq!(Day::of(last), day);
        assert_eq!(Day::of(last + std::time::Duration::from_micros(1)).to_string(), "2026-01-02");
    }

    #[test]
    fn the_ends_of_time_have_days() {
        for (at, text) in [(Timestamp::UNIX_EPOCH, "1970-01-01"), (Timestamp::MAX, "9999-12-31")] {
            assert_eq!(Day::of(at).to_string(), text);
            assert_eq!(text.parse(), Ok(Day::of(at)));
        }
    }

    #[cfg(feature = "postgres")]
    #[test]
    fn a_day_ends_where_the_next_begins_and_the_last_does_not() {
        let day: Day = "2026-02-28".parse().unwrap();
        assert_eq!(day.end().unwrap().to_string(), "2026-03-01T00:00:00.000000Z");
        assert_eq!(Day::of(Timestamp::MAX).end(), None);
    }

    #[test]
    fn what_is_no_day_is_refused() {
        for text in ["", "2026-1-1", "2026-02-30", "2026-01-01T", "2026-01-01-wal", "10000-01-01"] {
            assert!(text.parse::<Day>().is_err(), "{text}");
        }
    }
}
