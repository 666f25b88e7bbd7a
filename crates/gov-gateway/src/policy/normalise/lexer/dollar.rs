//! `$…`, and backquotes.

use super::{
    super::{
        Unparsable,
        word::{Piece, is_name},
    },
    Lexer, push, unclosed,
};

impl Lexer {
    /// What follows a `$` that was eaten.
    pub(super) fn dollar(
        &mut self,
        pieces: &mut Vec<Piece>,
        quoted: bool,
    ) -> Result<(), Unparsable> {
        let variable = |name: String| Piece::Variable { name, plain: true, quoted };
        match self.cursor.peek() {
            Some('(') if self.cursor.looking_at("((") => match self.cursor.arithmetic(1) {
                Some(inside) => {
                    self.substitutions(&inside, pieces)?;
                    pieces.push(Piece::Number);
                }
                None => self.commands(pieces, quoted)?,
            },
            Some('(') => self.commands(pieces, quoted)?,
            Some('{') => {
                self.cursor.next();
                self.braced(pieces, quoted)?;
            }
            Some('\'') if !quoted => {
                self.cursor.next();
                let text = self.ansi()?;
                pieces.push(Piece::Text { text, quoted: true });
            }
            Some('"') if !quoted => {
                self.cursor.next();
                self.double_quoted(pieces)?;
            }
            Some(it) if it.is_ascii_alphabetic() || it == '_' => {
                let mut name = String::new();
                while let Some(it) =
                    self.cursor.peek().filter(|it| it.is_ascii_alphanumeric() || *it == '_')
                {
                    name.push(it);
                    self.cursor.next();
                }
                pieces.push(variable(name));
            }
            Some(it) if it.is_ascii_digit() || "@*#?$!-".contains(it) => {
                self.cursor.next();
                // `$$`, `$?`, `$#` and `$!` are numbers.
                pieces.push(if "#?$!".contains(it) {
                    Piece::Number
                } else {
                    variable(it.to_string())
                });
            }
            _ => push(pieces, '$', quoted),
        }
        Ok(())
    }

    fn commands(&mut self, pieces: &mut Vec<Piece>, quoted: bool) -> Result<(), Unparsable> {
        self.cursor.next();
        let tokens = self.nested()?;
        pieces.push(Piece::Commands { tokens, quoted });
        Ok(())
    }

    /// The rest of `${…}`.
    fn braced(&mut self, pieces: &mut Vec<Piece>, quoted: bool) -> Result<(), Unparsable> {
        let mut inside = String::new();
        let mut depth = 1_usize;
        let mut open_quote = None;
        loop {
            let it = self.cursor.next().ok_or_else(|| unclosed("${"))?;
            match (it, open_quote) {
                ('\\', _) => {
                    inside.push(it);
                    inside.extend(self.cursor.next());
                    continue;
                }
                ('\'' | '"', None) if !(quoted && it == '\'') => open_quote = Some(it),
                (_, Some(quote)) if it == quote => open_quote = None,
                ('{', None) => depth += 1,
                ('}', None) => depth -= 1,
                _ => (),
            }
            if depth == 0 {
                break;
            }
            inside.push(it);
        }
        // `@P` runs what the value says; `!` follows a name that is itself a value.
        if inside.contains("@P") {
            return Err(Unparsable::new("`${…@P}` runs a value that cannot be followed"));
        }
        let length = inside.strip_prefix('#').is_some_and(is_name);
        if length {
            pieces.push(Piece::Number);
            return Ok(());
        }
        let plain = is_name(&inside);
        if !plain {
            self.substitutions(&inside, pieces)?;
        }
        let name = inside
            .split(|it: char| !(it.is_ascii_alphanumeric() || it == '_'))
            .next()
            .unwrap_or_default()
            .to_owned();
        pieces.push(Piece::Variable { name, plain, quoted });
        Ok(())
    }

    /// Keeps the commands inside `text`, whose own value is a number or not known.
    pub(super) fn substitutions(
        &mut self,
        text: &str,
        pieces: &mut Vec<Piece>,
    ) -> Result<(), Unparsable> {
        if !text.contains(['$', '`']) {
            return Ok(());
        }
        self.deeper()?;
        let mut lexer =
            Self { cursor: super::Cursor::new(text), pending: Vec::new(), depth: self.depth };
        let mut found = Vec::new();
        lexer.quoted_until(None, &mut found)?;
        self.depth -= 1;
        pieces.extend(found.into_iter().filter(|it| matches!(it, Piece::Commands { .. })));
        Ok(())
    }

    /// The rest of a backquoted substitution.
    pub(super) fn backquoted(&mut self, quoted: bool) -> Result<Piece, Unparsable> {
        let mut inside = String::new();
        loop {
            match self.cursor.next().ok_or_else(|| unclosed("`"))? {
                '`' => break,
                '\\' => match self.cursor.next().ok_or_else(|| unclosed("`"))? {
                    it @ ('`' | '\\' | '$') => inside.push(it),
                    '"' if quoted => inside.push('"'),
                    it => inside.extend(['\\', it]),
                },
                it => inside.push(it),
            }
        }
        Ok(Piece::Commands { tokens: self.inner(&inside)?, quoted })
    }

    /// The rest of `$'…'`: C escapes.
    fn ansi(&mut self) -> Result<String, Unparsable> {
        let mut bytes: Vec<u8> = Vec::new();
        let put = |bytes: &mut Vec<u8>, it: char| {
            bytes.extend_from_slice(it.encode_utf8(&mut [0; 4]).as_bytes());
        };
        loop {
            let it = self.cursor.next().ok_or_else(|| unclosed("$'"))?;
            match it {
                '\'' => break,
                '\\' => match self.cursor.next().ok_or_else(|| unclosed("$'"))? {
                    'n' => bytes.push(b'\n'),
                    't' => bytes.push(b'\t'),
                    'r' => bytes.push(b'\r'),
                    'a' | 'b' | 'e' | 'E' | 'f' | 'v' => bytes.push(0x1b),
                    'c' => drop(self.cursor.next()),
                    'x' => bytes.extend(u8::try_from(self.digits(16, 2)).ok()),
                    it @ ('u' | 'U') => {
                        let code = self.digits(16, if it == 'u' { 4 } else { 8 });
                        put(&mut bytes, char::from_u32(code).unwrap_or('\u{fffd}'));
                    }
                    it @ '0'..='7' => {
                        let first = it.to_digit(8).unwrap_or_default();
                        let (rest, length) = self.digits_and_length(8, 2);
                        let value = first * 8_u32.pow(length) + rest;
                        bytes.extend(u8::try_from(value & 0xff).ok());
                    }
                    it => put(&mut bytes, it),
                },
                it => put(&mut bytes, it),
            }
        }
        if bytes.contains(&0) {
            return Err(Unparsable::new("the command holds a NUL"));
        }
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    fn digits(&mut self, radix: u32, most: u32) -> u32 {
        self.digits_and_length(radix, most).0
    }

    fn digits_and_length(&mut self, radix: u32, most: u32) -> (u32, u32) {
        let (mut value, mut length) = (0_u32, 0);
        while length < most
            && let Some(digit) = self.cursor.peek().and_then(|it| it.to_digit(radix))
        {
            value = value.wrapping_mul(radix).wrapping_add(digit);
            length += 1;
            self.cursor.next();
        }
        (value, length)
    }
}
