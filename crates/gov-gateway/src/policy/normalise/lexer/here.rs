//! Here-documents.

use super::{
    super::{
        Unparsable,
        word::{Piece, Word},
    },
    Lexer, Redirect, Token,
};

/// A here-document whose body has not been read yet.
pub(super) struct Pending {
    delimiter: String,
    strips_tabs: bool,
    is_literal: bool,
}

impl Pending {
    pub(super) fn new(word: &Word, strips_tabs: bool) -> Result<Self, Unparsable> {
        let delimiter = word
            .literal()
            .filter(|it| !it.is_empty())
            .ok_or_else(|| Unparsable::new("a here-document has no plain delimiter"))?;
        let quoted = |it: &Piece| matches!(it, Piece::Text { quoted: true, .. });
        Ok(Self { delimiter, strips_tabs, is_literal: word.pieces.iter().any(quoted) })
    }
}

impl Lexer {
    /// Reads the bodies that are due, as [`Redirect::Here`] of the commands before.
    pub(super) fn here_bodies(&mut self, tokens: &mut Vec<Token>) -> Result<(), Unparsable> {
        for pending in std::mem::take(&mut self.pending) {
            let body = self.body(&pending)?;
            let word = if pending.is_literal {
                Word { pieces: vec![Piece::Text { text: body, quoted: true }] }
            } else {
                self.expanded(&body)?
            };
            // The newline that ended the command is behind us: put the body before it.
            let at = tokens.iter().rposition(|it| *it == Token::Op("\n")).unwrap_or(tokens.len());
            tokens.insert(at, Token::Redirect(Redirect::Here(word)));
        }
        Ok(())
    }

    fn body(&mut self, pending: &Pending) -> Result<String, Unparsable> {
        let mut body = String::new();
        while let Some(line) = self.cursor.line() {
            let line = if pending.strips_tabs { line.trim_start_matches('\t') } else { &line };
            if line == pending.delimiter {
                return Ok(body);
            }
            body.push_str(line);
            body.push('\n');
        }
        // Shells take the end of the text with a warning; what they read then is not sure.
        Err(Unparsable::new("a here-document does not end"))
    }

    /// Substitutions run in a body whose delimiter is not quoted; quotes mean nothing there.
    fn expanded(&mut self, body: &str) -> Result<Word, Unparsable> {
        let mut lexer =
            Self { cursor: super::Cursor::new(body), pending: Vec::new(), depth: self.depth };
        let mut pieces = Vec::new();
        lexer.quoted_until(None, &mut pieces)?;
        Ok(Word { pieces })
    }
}
