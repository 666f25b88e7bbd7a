//! Text from outside as the page may show it.
//!
//! Views hold no other kind of text from agents, so that none reaches a template unescaped; what
//! means something in HTML is askama's to escape.

use std::fmt;

use gov_core::text;

/// Up to how many lines are shown at once.
const HEAD_LINES: usize = 8;

/// Up to how many characters are shown at once.
const HEAD_CHARS: usize = 640;

/// Up to how many characters stand in a list, which is fetched again and again.
const LISTED_CHARS: usize = 16 * 1024;

/// Up to how many characters a title has.
const TITLE_CHARS: usize = 160;

/// Text in which nothing can hide, reorder or steer: one line, where it is not said otherwise.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Shown(String);

impl Shown {
    /// The whole text as one line; a line feed shows as `\u{a}`.
    #[must_use]
    pub fn line(text: &str) -> Self {
        Self(text::escape(text).into_owned())
    }

    /// The beginning of the text, for a title; who cut it shows all of it elsewhere.
    #[must_use]
    pub fn title(text: &str) -> Self {
        match text.char_indices().nth(TITLE_CHARS) {
            Some((end, _)) => Self::line(&format!("{}…", text.get(..end).unwrap_or_default())),
            None => Self::line(text),
        }
    }

    /// The whole text with its line breaks.
    #[must_use]
    pub fn lines(text: &str) -> Self {
        let lines: Vec<_> = text.split('\n').map(text::escape).collect();
        Self(lines.join("\n"))
    }

    /// A text of JSON, to be read back as the same value; its layout stays.
    #[must_use]
    pub fn json(text: &str) -> Self {
        Self(text::escape_json(text).into_owned())
    }

    /// As it is shown.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether there is nothing to show.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Lines: what is shown at once, and all of it where that is more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// The first lines, or all.
    pub head: Shown,
    /// All of it, where the head is not.
    pub rest: Option<Rest>,
}

/// A block that is too long to be shown at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rest {
    /// From the first character to the last; `None` where it stands on a page of its own.
    pub whole: Option<Shown>,
    /// How many lines it has.
    pub lines: usize,
    /// How many characters it has, as they were received.
    pub characters: usize,
}

impl Block {
    /// The text with its line breaks; within a line nothing can hide.
    #[must_use]
    pub fn of(text: &str) -> Self {
        let (lines, characters) = (text.split('\n').count(), text.chars().count());
        if lines <= HEAD_LINES && characters <= HEAD_CHARS {
            return Self { head: Shown::lines(text), rest: None };
        }
        let begin: String = text.chars().take(HEAD_CHARS).collect();
        let begin: Vec<_> = begin.split('\n').take(HEAD_LINES).collect();
        let rest = Rest { whole: Some(Shown::lines(text)), lines, characters };
        Self { head: Shown::lines(&begin.join("\n")), rest: Some(rest) }
    }

    /// The block as it may stand in a list: one of very many characters without all of them.
    #[must_use]
    pub fn listed(self) -> Self {
        let short = |it: Rest| match it.characters {
            0..=LISTED_CHARS => it,
            _ => Rest { whole: None, ..it },
        };
        Self { rest: self.rest.map(short), ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_hides_reorders_or_steers_is_spelled_out() {
        let text = "rm \u{1b}[2K\u{202e}cba\u{200b}\r\necho";
        assert_eq!(Shown::line(text).0, "rm \\u{1b}[2K\\u{202e}cba\\u{200b}\\u{d}\\u{a}echo");
        assert_eq!(Block::of(text).head.0, "rm \\u{1b}[2K\\u{202e}cba\\u{200b}\\u{d}\necho");
    }

    #[test]
    fn a_short_block_is_shown_whole() {
        let text = ["line"; HEAD_LINES].join("\n");
        let block = Block::of(&text);
        assert_eq!((block.head.0, block.rest), (text, None));
    }

    #[test]
    fn a_long_block_says_how_much_there_is_and_holds_all_of_it() {
        let many_lines = format!("first\n{}last", "\n".repeat(HEAD_LINES));
        let one_line = format!("{}last", "ü".repeat(HEAD_CHARS));
        for text in [many_lines, one_line] {
            let block = Block::of(&text);
            assert!(!block.head.0.contains("last"));
            let rest = block.rest.unwrap();
            let whole = rest.whole.unwrap().0;
            assert!(whole.ends_with("last") && whole.starts_with(&block.head.0));
            assert_eq!(rest.lines, text.split('\n').count());
            assert_eq!(rest.characters, text.chars().count());
        }
    }

    #[test]
    fn a_very_long_block_is_not_whole_in_a_list_and_still_says_how_long_it_is() {
        let listed = |length: usize| Block::of(&"x".repeat(length)).listed().rest.unwrap();
        assert!(listed(LISTED_CHARS).whole.is_some());
        let rest = listed(LISTED_CHARS + 1);
        assert_eq!((rest.whole, rest.characters), (None, LISTED_CHARS + 1));
    }

    #[test]
    fn a_title_is_cut_where_a_character_ends() {
        let title = Shown::title(&"漢".repeat(TITLE_CHARS + 1)).0;
        assert_eq!(title.chars().count(), TITLE_CHARS + 1);
        assert!(title.ends_with('…'));
    }
}
