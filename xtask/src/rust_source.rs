//! Reads Rust just far enough to tell code from comments and strings.

/// A Rust file, taken apart. Lines count from 1.
#[derive(Debug, Default)]
pub(crate) struct RustSource {
    /// The text with every comment and every literal blanked out, line for line.
    pub(crate) code: String,
    /// The string literals, each with the line it starts on.
    pub(crate) strings: Vec<(usize, String)>,
}

impl RustSource {
    pub(crate) fn read(text: &str) -> Self {
        let mut reader = Reader { rest: text, line: 1, source: Self::default() };
        while reader.step() {}
        reader.source
    }

    /// The line on which the file's own test module starts.
    pub(crate) fn tests_start(&self) -> Option<usize> {
        self.code.lines().position(|it| it.trim() == "#[cfg(test)]").map(|it| it + 1)
    }
}

struct Reader<'a> {
    rest: &'a str,
    line: usize,
    source: RustSource,
}

impl Reader<'_> {
    fn step(&mut self) -> bool {
        if self.rest.starts_with("//") {
            self.blank(self.rest.find('\n').unwrap_or(self.rest.len()));
        } else if self.rest.starts_with("/*") {
            self.blank(block_comment_len(self.rest));
        } else if let Some((open, close)) = raw_string(self.rest).filter(|_| self.at_word_start()) {
            let inside = self.rest.get(open..).unwrap_or_default();
            let len = inside.find(&close).unwrap_or(inside.len());
            self.string(open, len, close.len());
        } else if self.rest.starts_with('"') {
            self.string(1, string_len(self.rest.get(1..).unwrap_or_default()), 1);
        } else if let Some(len) = char_literal_len(self.rest) {
            self.blank(len);
        } else if let Some(next) = self.rest.chars().next() {
            self.line += usize::from(next == '\n');
            self.source.code.push(next);
            self.rest = self.rest.get(next.len_utf8()..).unwrap_or_default();
        } else {
            return false;
        }
        true
    }

    /// An `r` inside a word, as in `for "x"`, opens no raw string.
    fn at_word_start(&self) -> bool {
        let word = |it: char| it.is_alphanumeric() || it == '_';
        let before = self.source.code.strip_suffix('b').unwrap_or(&self.source.code);
        !before.ends_with(word)
    }

    fn string(&mut self, open: usize, len: usize, close: usize) {
        let text = self.rest.get(open..open + len).unwrap_or_default().to_owned();
        self.source.strings.push((self.line, text));
        self.blank((open + len + close).min(self.rest.len()));
    }

    fn blank(&mut self, len: usize) {
        let (gone, rest) = self.rest.split_at_checked(len).unwrap_or((self.rest, ""));
        let lines = gone.matches('\n').count();
        self.source.code.push(' ');
        self.source.code.extend(std::iter::repeat_n('\n', lines));
        self.line += lines;
        self.rest = rest;
    }
}

fn block_comment_len(text: &str) -> usize {
    let mut depth = 0_usize;
    for (at, _) in text.char_indices() {
        let here = text.get(at..).unwrap_or_default();
        if here.starts_with("/*") {
            depth += 1;
        } else if text.get(..at).unwrap_or_default().ends_with("*/") {
            depth = depth.saturating_sub(1);
            if depth == 0 {
                return at;
            }
        }
    }
    text.len()
}

/// The length of the opening (`r##"`) and the text that closes it (`"##`).
fn raw_string(text: &str) -> Option<(usize, String)> {
    let after = text.strip_prefix('r')?;
    let hashes = after.len() - after.trim_start_matches('#').len();
    after.get(hashes..)?.starts_with('"').then(|| (hashes + 2, format!("\"{}", "#".repeat(hashes))))
}

/// The length of a string's inside, up to the quote that ends it.
fn string_len(inside: &str) -> usize {
    let mut escaped = false;
    for (at, it) in inside.char_indices() {
        match it {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at,
            _ => (),
        }
    }
    inside.len()
}

/// The length of `'x'` or `'\n'`; a lifetime is none.
fn char_literal_len(text: &str) -> Option<usize> {
    let inside = text.strip_prefix('\'')?;
    if let Some(escape) = inside.strip_prefix('\\') {
        // The character after the backslash may itself be a quote.
        let first = escape.chars().next()?.len_utf8();
        return Some(2 + first + escape.get(first..)?.find('\'')? + 1);
    }
    let first = inside.chars().next()?.len_utf8();
    inside.get(first..)?.starts_with('\'').then_some(first + 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_literals_are_not_code() {
        let text = "let a = \"one\\\" two\"; // three\n/* four /* five */ six */ let b = 'x';\nlet c = r#\"se\"ven\"#;\n";
        let source = RustSource::read(text);
        assert_eq!(source.strings, [(1, "one\\\" two".to_owned()), (3, "se\"ven".to_owned())]);
        assert_eq!(source.code, "let a =  ;  \n  let b =  ;\nlet c =  ;\n");
    }

    #[test]
    fn a_lifetime_opens_no_literal_and_a_quoted_quote_closes_none() {
        let source = RustSource::read("fn f<'a>(x: &'a str) { g('\"', '\\'', b'x'); }\nunsafe");
        assert_eq!(source.strings, []);
        assert!(source.code.ends_with("\nunsafe"));
    }

    #[test]
    fn a_line_keeps_its_number() {
        let source = RustSource::read("/* a\nb */ \"c\nd\" \"e\"");
        assert_eq!(source.strings, [(2, "c\nd".to_owned()), (3, "e".to_owned())]);
    }

    #[test]
    fn the_tests_of_a_file_start_at_their_attribute() {
        assert_eq!(
            RustSource::read("fn a() {}\n#[cfg(test)]\nmod tests {}").tests_start(),
            Some(2)
        );
        assert_eq!(RustSource::read("// #[cfg(test)]").tests_start(), None);
    }
}
