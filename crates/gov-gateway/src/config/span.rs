//! Spans of time as people write them: `250ms`, `30s`, `15m`, `12h`, `7d`.

use std::time::Duration;

/// The units, the largest first, in milliseconds.
const UNITS: [(&str, u64); 5] =
    [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// Reads a whole number and one unit; `None` for anything else.
#[must_use]
pub fn parse(text: &str) -> Option<Duration> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at_checked(digits)?;
    let (_, millis) = UNITS.iter().find(|(name, _)| *name == unit)?;
    number.parse::<u64>().ok()?.checked_mul(*millis).map(Duration::from_millis)
}

/// Writes a span in the largest unit that keeps it whole; below a millisecond it is cut off.
#[must_use]
pub fn show(span: Duration) -> String {
    let millis = span.as_millis();
    let fits = |unit: u64| millis != 0 && millis.is_multiple_of(unit.into());
    match UNITS.iter().find(|(_, unit)| fits(*unit)) {
        Some((name, unit)) => format!("{}{name}", millis / u128::from(*unit)),
        None => "0s".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_reads_back_in_its_largest_unit() {
        for (text, millis, shown) in [
            ("15m", 900_000, "15m"),
            ("90s", 90_000, "90s"),
            ("60s", 60_000, "1m"),
            ("0ms", 0, "0s"),
            ("1500ms", 1_500, "1500ms"),
            ("7d", 604_800_000, "7d"),
        ] {
            let span = parse(text).unwrap();
            assert_eq!(span, Duration::from_millis(millis), "{text}");
            assert_eq!(show(span), shown);
        }
    }

    #[test]
    fn anything_else_is_no_span() {
        for text in ["", "15", "m", "1.5h", "-1s", "15 m", "15M", "99999999999999999999d", "1w"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
