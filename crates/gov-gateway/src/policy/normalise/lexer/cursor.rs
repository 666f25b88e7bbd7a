//! A place in a script's text.

/// Characters, and how far they were read.
pub(super) struct Cursor {
    chars: Vec<char>,
    at: usize,
}

impl Cursor {
    pub(super) fn new(text: &str) -> Self {
        Self { chars: text.chars().collect(), at: 0 }
    }

    pub(super) fn peek(&self) -> Option<char> {
        self.chars.get(self.at).copied()
    }

    pub(super) fn peek_second(&self) -> Option<char> {
        self.chars.get(self.at + 1).copied()
    }

    pub(super) fn next(&mut self) -> Option<char> {
        let it = self.peek()?;
        self.at += 1;
        Some(it)
    }

    pub(super) fn looking_at(&self, text: &str) -> bool {
        let rest = self.chars.get(self.at..).unwrap_or_default();
        let mut count = 0;
        for (index, it) in text.chars().enumerate() {
            if rest.get(index) != Some(&it) {
                return false;
            }
            count += 1;
        }
        count > 0
    }

    pub(super) fn eat(&mut self, text: &str) -> bool {
        let found = self.looking_at(text);
        if found {
            self.at += text.chars().count();
        }
        found
    }

    /// Skips blanks and continued lines.
    pub(super) fn skip_blanks(&mut self) {
        while matches!(self.peek(), Some(' ' | '\t' | '\r')) || self.looking_at("\\\n") {
            self.at += if self.looking_at("\\\n") { 2 } else { 1 };
        }
    }

    pub(super) fn skip_line(&mut self) {
        while self.peek().is_some_and(|it| it != '\n') {
            self.at += 1;
        }
    }

    /// The text up to `end`, which is eaten; `None` if it never comes.
    pub(super) fn until(&mut self, end: char) -> Option<String> {
        let rest = self.chars.get(self.at..)?;
        let length = rest.iter().position(|it| *it == end)?;
        let text = rest.get(..length)?.iter().collect();
        self.at += length + 1;
        Some(text)
    }

    /// The next line without its end; `None` at the end of the text.
    pub(super) fn line(&mut self) -> Option<String> {
        self.peek()?;
        let rest = self.chars.get(self.at..)?;
        let length = rest.iter().position(|it| *it == '\n').unwrap_or(rest.len());
        let text = rest.get(..length)?.iter().collect();
        self.at = (self.at + length + 1).min(self.chars.len());
        Some(text)
    }

    /// The inside of `((…))`, where `((` begins `skip` + 1 characters before the inside; eaten
    /// as a whole. `None`, and nothing is eaten, if the inner parenthesis does not close as `))`.
    pub(super) fn arithmetic(&mut self, skip: usize) -> Option<String> {
        let start = self.at + skip + 1;
        let mut depth = 1_usize;
        let mut at = start;
        while depth > 0 {
            match self.chars.get(at)? {
                '(' => depth += 1,
                ')' => depth -= 1,
                _ => (),
            }
            at += 1;
        }
        if self.chars.get(at) != Some(&')') {
            return None;
        }
        let inside = self.chars.get(start..at - 1)?.iter().collect();
        self.at = at + 1;
        Some(inside)
    }
}
