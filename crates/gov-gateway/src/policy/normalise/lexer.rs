//! From a shell script's text to words and operators (POSIX shell §2.3, and bash's additions).

mod cursor;
mod dollar;
mod here;

use self::cursor::Cursor;
use super::{
    Unparsable,
    word::{Piece, Word, is_name},
};

/// The deepest nesting of substitutions.
const MAX_DEPTH: usize = 8;

/// One token.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    Word(Word),
    /// `;`, `&`, `&&`, `||`, `|`, `|&`, `(`, `)`, `;;`, `;&`, `;;&`, or a newline.
    Op(&'static str),
    /// `>`, `<`, …; the target is a file, except for here-documents and here-strings.
    Redirect(Redirect),
}

/// A redirection.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Redirect {
    /// From a file.
    Read(Word),
    /// To a file, or to and from it.
    Write(Word),
    /// `<<` and `<<<`: the text that comes in.
    Here(Word),
    /// To another descriptor.
    Copy,
}

impl Redirect {
    /// What stands behind the operator, if it is read.
    pub(super) fn word(&self) -> Option<&Word> {
        match self {
            Self::Read(word) | Self::Write(word) | Self::Here(word) => Some(word),
            Self::Copy => None,
        }
    }
}

/// Reads a whole script.
pub(super) fn lex(text: &str) -> Result<Vec<Token>, Unparsable> {
    if text.contains('\0') {
        return Err(Unparsable::new("the command holds a NUL"));
    }
    let mut lexer = Lexer { cursor: Cursor::new(text), pending: Vec::new(), depth: 0 };
    let tokens = lexer.tokens(false)?;
    if lexer.cursor.peek().is_some() {
        return Err(Unparsable::new("the command closes a parenthesis that it did not open"));
    }
    Ok(tokens)
}

pub(super) struct Lexer {
    cursor: Cursor,
    pending: Vec<here::Pending>,
    depth: usize,
}

const OPERATORS: [&str; 11] = [";;&", ";;", ";&", ";", "&&", "&", "||", "|&", "|", "(", ")"];

impl Lexer {
    /// Tokens up to the end, or, `nested`, up to the parenthesis that closes.
    fn tokens(&mut self, nested: bool) -> Result<Vec<Token>, Unparsable> {
        let mut tokens = Vec::new();
        // A `case` has patterns that end in `)` and open nothing.
        let (mut open, mut cases) = (0_usize, 0_usize);
        loop {
            self.cursor.skip_blanks();
            let Some(it) = self.cursor.peek() else {
                self.here_bodies(&mut tokens)?;
                return if nested { Err(unclosed("(")) } else { Ok(tokens) };
            };
            match it {
                '\n' => {
                    self.cursor.next();
                    tokens.push(Token::Op("\n"));
                    self.here_bodies(&mut tokens)?;
                }
                '#' => self.cursor.skip_line(),
                ')' if cases > 0 => {
                    tokens.push(self.operator()?);
                }
                ')' if open == 0 => {
                    if nested && !self.pending.is_empty() {
                        return Err(Unparsable::new("a here-document has no body"));
                    }
                    return Ok(tokens);
                }
                '(' => {
                    let double = self.cursor.looking_at("((");
                    if let Some(inside) = double.then(|| self.cursor.arithmetic(1)).flatten() {
                        self.arithmetic(&inside, &mut tokens)?;
                    } else {
                        open += 1;
                        tokens.push(self.operator()?);
                    }
                }
                ')' => {
                    open -= 1;
                    tokens.push(self.operator()?);
                }
                '<' | '>' if self.cursor.looking_at("<(") || self.cursor.looking_at(">(") => {
                    tokens.push(Token::Word(self.word()?));
                }
                '<' | '>' => tokens.push(self.redirect()?),
                '&' if self.cursor.looking_at("&>") => {
                    self.cursor.next();
                    tokens.push(self.redirect()?);
                }
                ';' | '&' | '|' => tokens.push(self.operator()?),
                _ => {
                    let Some(word) = self.word_or_descriptor()? else { continue };
                    match word.bare() {
                        Some("case") if begins_command(&tokens) => {
                            // Its patterns would close the substitution too early.
                            if nested {
                                let problem = "`case` inside a substitution cannot be followed";
                                return Err(Unparsable::new(problem));
                            }
                            cases += 1;
                        }
                        Some("esac") => cases = cases.saturating_sub(1),
                        _ => (),
                    }
                    tokens.push(Token::Word(word));
                }
            }
        }
    }

    fn operator(&mut self) -> Result<Token, Unparsable> {
        for operator in OPERATORS {
            if self.cursor.eat(operator) {
                return Ok(Token::Op(operator));
            }
        }
        Err(Unparsable::new("an operator that is not known"))
    }

    /// `((…))`: a number, but in plain `sh` the same text may be commands.
    fn arithmetic(&mut self, inside: &str, tokens: &mut Vec<Token>) -> Result<(), Unparsable> {
        if looks_like_command(inside) {
            tokens.push(Token::Op("("));
            tokens.extend(self.inner(inside)?);
            tokens.push(Token::Op(")"));
        }
        let mut pieces = vec![Piece::Text { text: ":".to_owned(), quoted: true }];
        self.substitutions(inside, &mut pieces)?;
        tokens.push(Token::Word(Word { pieces }));
        Ok(())
    }

    /// A word; `None` for the digits or the `{name}` before a redirection.
    fn word_or_descriptor(&mut self) -> Result<Option<Word>, Unparsable> {
        let word = self.word()?;
        if matches!(self.cursor.peek(), Some('<' | '>'))
            && let Some(text) = word.bare()
        {
            let name = text.strip_prefix('{').and_then(|it| it.strip_suffix('}'));
            if text.bytes().all(|it| it.is_ascii_digit()) || name.is_some_and(is_name) {
                return Ok(None);
            }
        }
        Ok(Some(word))
    }

    fn redirect(&mut self) -> Result<Token, Unparsable> {
        let here = ["<<<", "<<-", "<<"].into_iter().find(|it| self.cursor.eat(it));
        if let Some(operator) = here {
            self.cursor.skip_blanks();
            let word = self.word()?;
            if operator == "<<<" {
                return Ok(Token::Redirect(Redirect::Here(word)));
            }
            self.pending.push(here::Pending::new(&word, operator == "<<-")?);
            return Ok(Token::Redirect(Redirect::Copy));
        }
        let writes = [">>", ">|", "<>", ">&", ">"].into_iter().find(|it| self.cursor.eat(it));
        if writes.is_none() && !self.cursor.eat("<&") && !self.cursor.eat("<") {
            return Err(Unparsable::new("a redirection that is not known"));
        }
        self.cursor.skip_blanks();
        let word = self.word()?;
        if word.pieces.is_empty() {
            return Err(Unparsable::new("a redirection has no target"));
        }
        let is_copy = |text: &str| {
            text == "-" || text.trim_end_matches('-').bytes().all(|it| it.is_ascii_digit())
        };
        Ok(Token::Redirect(match writes {
            Some(">&") if word.bare().is_some_and(is_copy) => Redirect::Copy,
            Some(_) => Redirect::Write(word),
            None => Redirect::Read(word),
        }))
    }

    /// Reads one word; empty if none begins here.
    fn word(&mut self) -> Result<Word, Unparsable> {
        let mut pieces = Vec::new();
        while let Some(it) = self.cursor.peek() {
            match it {
                '<' | '>' if self.cursor.peek_second() == Some('(') => {
                    self.cursor.next();
                    self.cursor.next();
                    let tokens = self.nested()?;
                    pieces.push(Piece::Commands { tokens, quoted: true });
                }
                '(' if ends_in_assignment(&pieces) => {
                    self.cursor.next();
                    pieces.push(Piece::Array { tokens: self.nested()? });
                }
                ' ' | '\t' | '\r' | '\n' | ';' | '&' | '|' | '<' | '>' | '(' | ')' => break,
                '\\' => {
                    self.cursor.next();
                    match self.cursor.next() {
                        None | Some('\n') => (),
                        Some(it) => push(&mut pieces, it, true),
                    }
                }
                '\'' => {
                    self.cursor.next();
                    let text = self.cursor.until('\'').ok_or_else(|| unclosed("'"))?;
                    pieces.push(Piece::Text { text, quoted: true });
                }
                '"' => {
                    self.cursor.next();
                    self.double_quoted(&mut pieces)?;
                }
                '$' => {
                    self.cursor.next();
                    self.dollar(&mut pieces, false)?;
                }
                '`' => {
                    self.cursor.next();
                    pieces.push(self.backquoted(false)?);
                }
                _ => {
                    self.cursor.next();
                    push(&mut pieces, it, false);
                }
            }
        }
        Ok(Word { pieces })
    }

    /// The rest of `"…"`.
    fn double_quoted(&mut self, pieces: &mut Vec<Piece>) -> Result<(), Unparsable> {
        self.quoted_until(Some('"'), pieces)
    }

    /// Text in which only substitutions mean something, up to `end` or the end of the text.
    fn quoted_until(
        &mut self,
        end: Option<char>,
        pieces: &mut Vec<Piece>,
    ) -> Result<(), Unparsable> {
        // Even `""` makes a word.
        pieces.push(Piece::Text { text: String::new(), quoted: true });
        loop {
            let Some(it) = self.cursor.next() else {
                return if end.is_none() { Ok(()) } else { Err(unclosed("\"")) };
            };
            match it {
                it if Some(it) == end => return Ok(()),
                '\\' => match self.cursor.next().unwrap_or('\n') {
                    '\n' => (),
                    it @ ('$' | '`' | '"' | '\\') => push(pieces, it, true),
                    it => {
                        push(pieces, '\\', true);
                        push(pieces, it, true);
                    }
                },
                '$' => self.dollar(pieces, true)?,
                '`' => pieces.push(self.backquoted(true)?),
                it => push(pieces, it, true),
            }
        }
    }

    /// The commands up to the parenthesis that closes, which is eaten.
    fn nested(&mut self) -> Result<Vec<Token>, Unparsable> {
        self.deeper()?;
        let outer = std::mem::take(&mut self.pending);
        let tokens = self.tokens(true)?;
        self.pending = outer;
        self.depth -= 1;
        if self.cursor.next() == Some(')') { Ok(tokens) } else { Err(unclosed("(")) }
    }

    /// The tokens of a text that was cut out of this one.
    fn inner(&mut self, text: &str) -> Result<Vec<Token>, Unparsable> {
        self.deeper()?;
        let mut lexer = Self { cursor: Cursor::new(text), pending: Vec::new(), depth: self.depth };
        let tokens = lexer.tokens(false)?;
        self.depth -= 1;
        match lexer.cursor.peek() {
            None => Ok(tokens),
            Some(_) => Err(Unparsable::new("a substitution closes what it did not open")),
        }
    }

    fn deeper(&mut self) -> Result<(), Unparsable> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            let problem = format!("substitutions must be at most {MAX_DEPTH} levels deep");
            return Err(Unparsable::new(problem));
        }
        Ok(())
    }
}

fn push(pieces: &mut Vec<Piece>, it: char, is_quoted: bool) {
    match pieces.last_mut() {
        Some(Piece::Text { text, quoted }) if *quoted == is_quoted => text.push(it),
        _ => pieces.push(Piece::Text { text: it.to_string(), quoted: is_quoted }),
    }
}

fn ends_in_assignment(pieces: &[Piece]) -> bool {
    matches!(pieces, [Piece::Text { text, quoted: false }]
        if text.strip_suffix('=').is_some_and(|it| is_name(it.strip_suffix('+').unwrap_or(it))))
}

/// Whether the next word is where a command begins.
fn begins_command(tokens: &[Token]) -> bool {
    match tokens.last() {
        None | Some(Token::Op(_)) => true,
        Some(Token::Word(word)) => word.bare().is_some_and(|it| {
            ["then", "do", "else", "elif", "if", "while", "until", "{", "!", "time"].contains(&it)
        }),
        Some(Token::Redirect(_)) => false,
    }
}

/// Whether the inside of `((…))` reads as `program argument` more than as a sum.
fn looks_like_command(inside: &str) -> bool {
    let mut words = inside.split_whitespace();
    let (Some(first), Some(second)) = (words.next(), words.next()) else { return false };
    let begins = |it: &str, legal: &str| {
        it.starts_with(|it: char| it.is_ascii_alphabetic() || legal.contains(it))
    };
    begins(first, "_/.") && begins(second.trim_start_matches('-'), "/~.$\"'")
}

fn unclosed(what: &str) -> Unparsable {
    Unparsable::new(format!("the command does not close a `{what}`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_close_is_refused() {
        for text in
            ["echo 'a", "echo \"a", "echo $(a", "echo `a", "a)", "echo ${a", "cat <<", "cat <<A\nx"]
        {
            assert!(lex(text).is_err(), "{text}");
        }
    }

    #[test]
    fn comments_and_here_documents_are_no_commands() {
        let words = |text: &str| {
            let count = |it: &Token| matches!(it, Token::Word(_));
            lex(text).unwrap().into_iter().filter(count).count()
        };
        assert_eq!(words("ls # rm -rf /"), 1);
        assert_eq!(words("echo a#b"), 2);
        assert_eq!(words("cat <<'EOF' > x\nrm -rf /\nEOF\nls"), 2);
        assert_eq!(words("cat <<-A <<B\n\tx\n\tA\ny\nB\nls"), 2);
    }
}
