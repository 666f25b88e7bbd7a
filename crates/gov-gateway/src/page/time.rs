//! Times and spans as people read them.

use std::time::Duration;

use gov_core::Timestamp;

/// A point in time: for machines, and in UTC for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimeView {
    /// `2026-01-01T00:00:00.000000Z`.
    pub iso: String,
    /// `2026-01-01`.
    pub date: String,
    /// `00:00:00`.
    pub clock: String,
}

impl From<Timestamp> for TimeView {
    fn from(time: Timestamp) -> Self {
        let iso = time.to_string();
        let part = |range: std::ops::Range<usize>| iso.get(range).unwrap_or_default().to_owned();
        Self { date: part(0..10), clock: part(11..19), iso }
    }
}

/// A span in its two greatest units: `2 h 5 min`, `11 min 42 s`, `9 s`.
#[must_use]
pub fn span(span: Duration) -> String {
    let seconds = span.as_secs();
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    match (days, hours, minutes, seconds % 60) {
        (0, 0, 0, s) => format!("{s} s"),
        (0, 0, m, s) => format!("{m} min {s} s"),
        (0, h, m, _) => format!("{h} h {m} min"),
        (d, h, ..) => format!("{d} d {h} h"),
    }
}

/// A number with its thousands apart: `1,204`.
#[must_use]
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_said_in_its_two_greatest_units() {
        for (seconds, text) in [
            (0, "0 s"),
            (59, "59 s"),
            (702, "11 min 42 s"),
            (7500, "2 h 5 min"),
            (90_000, "1 d 1 h"),
        ] {
            assert_eq!(span(Duration::from_secs(seconds)), text);
        }
    }

    #[test]
    fn a_number_has_its_thousands_apart() {
        for (number, text) in [(0, "0"), (999, "999"), (1000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(count(number), text);
        }
    }
}
