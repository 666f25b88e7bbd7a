//! Text from outside, made safe to show to people.

use std::{borrow::Cow, fmt::Write as _};

/// Escapes what could deceive or steer a terminal: control characters (ANSI sequences begin with
/// one), bidirectional overrides, and invisible characters, each as `\u{…}`.
///
/// A line feed is escaped too: one message stays one line. A backslash is left as it is, so the
/// text is for people, not for reading back.
#[must_use]
pub fn escape(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_deceptive) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 16);
    for it in text.chars() {
        if is_deceptive(it) {
            // Writing to a `String` cannot fail.
            let _ = write!(escaped, "{}", it.escape_unicode());
        } else {
            escaped.push(it);
        }
    }
    Cow::Owned(escaped)
}

/// Controls, Unicode's bidirectional formatting (UAX #9 §2), zero-width and line separators, tags.
fn is_deceptive(it: char) -> bool {
    it.is_control()
        || matches!(it,
            '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_text_is_not_copied() {
        assert!(matches!(escape("rm -rf \"/tmp/ü\" \\ 漢字"), Cow::Borrowed(_)));
    }

    #[test]
    fn what_steers_a_terminal_or_hides_is_shown() {
        for (text, shown) in [
            ("\u{1b}[2Jgone", "\\u{1b}[2Jgone"),
            ("a\r\nb", "a\\u{d}\\u{a}b"),
            ("abc\u{202e}cba", "abc\\u{202e}cba"),
            ("zero\u{200b}width", "zero\\u{200b}width"),
            ("\u{9b}31m", "\\u{9b}31m"),
        ] {
            assert_eq!(escape(text), shown);
        }
    }
}
