//! Text from outside, made safe to show to people.

use std::{borrow::Cow, fmt::Write as _};

/// Escapes what could deceive or steer a terminal: control characters (ANSI sequences begin with
/// one), bidirectional overrides, and invisible characters, each as `\u{…}`.
///
/// A line feed is escaped too: one message stays one line. A backslash is left as it is, so the
/// text is for people, not for reading back.
#[must_use]
pub fn escape(text: &str) -> Cow<'_, str> {
    // Writing to a `String` cannot fail.
    spelled(text, is_deceptive, |it, escaped| _ = write!(escaped, "{}", it.escape_unicode()))
}

/// Escapes the same in a JSON text as JSON spells it, `\u202e` (RFC 8259 §7), so that it is for
/// reading back: to the same value, for JSON has such characters in its strings only.
///
/// Line feeds, carriage returns and tabs stay: they lay the text out, and in a string of JSON they
/// are spelled already.
#[must_use]
pub fn escape_json(text: &str) -> Cow<'_, str> {
    let lays_out = |it| matches!(it, '\n' | '\r' | '\t');
    spelled(
        text,
        |it| is_deceptive(it) && !lays_out(it),
        |it, escaped| {
            for unit in it.encode_utf16(&mut [0; 2]) {
                _ = write!(escaped, "\\u{unit:04x}");
            }
        },
    )
}

fn spelled(
    text: &str,
    is_spelled: impl Fn(char) -> bool,
    spell: impl Fn(char, &mut String),
) -> Cow<'_, str> {
    if !text.chars().any(&is_spelled) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 16);
    for it in text.chars() {
        if is_spelled(it) { spell(it, &mut escaped) } else { escaped.push(it) }
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
    fn json_without_what_deceives_reads_back_as_the_same_value() {
        let text = "a\r\n\t\"\\\u{0}\u{1b}[2J\u{7f}\u{9b}\u{202e}\u{200b}\u{feff}\u{e0041}漢字";
        let value = serde_json::json!({ text: [text] });
        let json = serde_json::to_string_pretty(&value).unwrap();
        let escaped = escape_json(&json);
        assert!(escaped.contains("\\u202e") && escaped.contains("\\udb40\\udc41漢字"), "{escaped}");
        assert!(!escaped.chars().any(|it| it != '\n' && is_deceptive(it)), "{escaped}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&escaped).unwrap(), value);
        assert!(matches!(escape_json("{\r\n\t\"ü\": 1}"), Cow::Borrowed(_)), "only its layout");
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
