//! A point in time, and the one way it is written.

use std::{fmt, ops::Add, str::FromStr, time::Duration};

use chrono::{DateTime, NaiveDateTime, TimeDelta, Utc};
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

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        DateTime::from(*self).format(FORMAT).fmt(f)
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
