//! A point in time, and the one way it is written.

use std::{fmt, ops::Add, str::FromStr, time::Duration};

use chrono::{DateTime, Datelike as _, NaiveDateTime, TimeDelta, Timelike as _, Utc};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

const FORMAT: &str = "%Y-%m-%dT%H:%M:%S%.6fZ";

/// A point in time: UTC, whole microseconds, 1970 to 9999.
///
/// Its text, in serde too, always has six fractional digits, so equal times are
/// equal bytes: `2026-01-01T00:00:00.000000Z`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp {
    // INVARIANT: from 0 to MAX, microseconds since 1970.
    micros: i64,
}

impl Timestamp {
    /// 1970-01-01T00:00:00.000000Z.
    pub const UNIX_EPOCH: Self = Self { micros: 0 };

    /// 9999-12-31T23:59:59.999999Z: a deadline that never comes.
    pub const MAX: Self = Self { micros: 253_402_300_799_999_999 };

    /// The time `micros` microseconds after 1970; `None` outside the range.
    #[must_use]
    pub fn from_micros(micros: i64) -> Option<Self> {
        (0..=Self::MAX.micros).contains(&micros).then_some(Self { micros })
    }

    /// Like [`Timestamp::from_micros`], with the nearest end of the range for what lies outside.
    #[must_use]
    pub fn from_micros_clamped(micros: i64) -> Self {
        Self { micros: micros.clamp(0, Self::MAX.micros) }
    }

    /// Microseconds since 1970; never negative.
    #[must_use]
    pub const fn as_micros(self) -> i64 {
        self.micros
    }

    /// Whole seconds since 1970, for formats that count in them.
    #[must_use]
    pub const fn as_unix_seconds(self) -> i64 {
        self.micros / 1_000_000
    }

    /// The span from `earlier` to `self`; zero if `earlier` is the later one.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        let micros = self.micros.saturating_sub(earlier.micros).max(0);
        Duration::from_micros(micros.cast_unsigned())
    }
}

/// Stops at [`Timestamp::MAX`]: too far ahead is never, not at once.
impl Add<Duration> for Timestamp {
    type Output = Self;

    fn add(self, span: Duration) -> Self {
        let micros = i64::try_from(span.as_micros()).unwrap_or(i64::MAX);
        Self::from_micros_clamped(self.micros.saturating_add(micros))
    }
}

/// For `timestamptz` columns.
impl From<Timestamp> for DateTime<Utc> {
    fn from(time: Timestamp) -> Self {
        DateTime::UNIX_EPOCH + TimeDelta::microseconds(time.micros)
    }
}

/// As chrono writes `FORMAT`, by hand: a log writes a time in every entry.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = DateTime::from(*self);
        let mut text = *b"0000-00-00T00:00:00.000000Z";
        for (place, number) in [
            (0..4, time.year().cast_unsigned()),
            (5..7, time.month()),
            (8..10, time.day()),
            (11..13, time.hour()),
            (14..16, time.minute()),
            (17..19, time.second()),
            (20..26, time.timestamp_subsec_micros()),
        ] {
            put_digits(text.get_mut(place).unwrap_or_default(), number);
        }
        f.pad(std::str::from_utf8(&text).map_err(|_| fmt::Error)?)
    }
}

/// Fills `digits` with the last digits of `number`.
fn put_digits(digits: &mut [u8], mut number: u32) {
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + (number % 10).to_le_bytes()[0];
        number /= 10;
    }
}

/// The text is not a time in the one form that is accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a time must look like `2026-01-01T00:00:00.000000Z`, between 1970 and 9999")]
pub struct ParseTimestampError;

impl FromStr for Timestamp {
    type Err = ParseTimestampError;

    /// Accepts exactly what [`fmt::Display`] prints.
    fn from_str(text: &str) -> Result<Self, ParseTimestampError> {
        NaiveDateTime::parse_from_str(text, FORMAT)
            .ok()
            .and_then(|time| Self::from_micros(time.and_utc().timestamp_micros()))
            .filter(|time| time.to_string() == text)
            .ok_or(ParseTimestampError)
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_always_has_six_fractional_digits_and_reads_back() {
        for (micros, text) in [
            (0, "1970-01-01T00:00:00.000000Z"),
            (1_767_225_600_500_000, "2026-01-01T00:00:00.500000Z"),
            (Timestamp::MAX.as_micros(), "9999-12-31T23:59:59.999999Z"),
        ] {
            let time = Timestamp::from_micros(micros).unwrap();
            assert_eq!(serde_json::to_string(&time).unwrap(), format!("\"{text}\""));
            assert_eq!(serde_json::from_str::<Timestamp>(&format!("\"{text}\"")).unwrap(), time);
        }
    }

    #[test]
    fn the_text_is_the_one_that_chrono_writes() {
        // A step that meets every month, weekday and hour, leap days and the ends of centuries.
        for step in 0..100_000 {
            let time = Timestamp::from_micros(step * 2_532_989_999_999).unwrap();
            assert_eq!(time.to_string(), DateTime::from(time).format(FORMAT).to_string());
        }
    }

    #[test]
    fn any_other_spelling_is_refused() {
        for text in [
            "2026-01-01T00:00:00Z",
            "2026-01-01T00:00:00.5Z",
            "2026-01-01T00:00:00.5000000Z",
            "2026-01-01T00:00:00.000000+00:00",
            " 2026-01-01T00:00:00.000000Z",
            "2026-1-1T0:0:0.000000Z",
            "2016-12-31T23:59:60.000000Z",
            "1969-12-31T23:59:59.999999Z",
        ] {
            assert_eq!(text.parse::<Timestamp>(), Err(ParseTimestampError), "{text}");
        }
    }

    #[test]
    fn a_deadline_too_far_ahead_is_never_and_not_at_once() {
        assert_eq!(Timestamp::UNIX_EPOCH + Duration::MAX, Timestamp::MAX);
        assert_eq!(Timestamp::UNIX_EPOCH.since(Timestamp::MAX), Duration::ZERO);
    }
}
