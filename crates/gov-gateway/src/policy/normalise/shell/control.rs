//! Reserved words: what runs under them may not run, or may run more than once.

use super::{
    super::{Unparsable, lexer::Token, word::Arg},
    Shell, Simple,
    state::List,
};

impl Shell<'_, '_> {
    /// What a reserved word at the place of a command means; gives back what follows.
    pub(super) fn keyword<'t>(
        &mut self,
        keyword: &str,
        list: &mut List,
        simple: &mut Simple<'_>,
        rest: &'t [Token],
    ) -> Result<&'t [Token], Unparsable> {
        match keyword {
            "!" => simple.negated = true,
            "fi" | "done" | "}" | "esac" => list.leave_block(),
            "if" | "while" | "until" | "{" => list.enter_block(),
            "[[" => return self.test(rest),
            "function" => return Ok(rest.get(1..).unwrap_or_default()),
            "for" | "select" => {
                list.enter_block();
                return self.for_each(rest);
            }
            "case" => {
                list.enter_block();
                let at = rest
                    .iter()
                    .position(|it| matches!(it, Token::Word(word) if word.bare() == Some("in")));
                let at = at.ok_or_else(|| Unparsable::new("a `case` has no `in`"))?;
                self.substitutions_in(rest.get(..at).unwrap_or_default())?;
                return self.patterns(rest.get(at + 1..).unwrap_or_default());
            }
            // `then`, `do`, `else`, `elif`, `coproc`: a command follows.
            _ => (),
        }
        Ok(rest)
    }

    /// Skips the patterns of a `case` up to their `)`; `esac` is left to be read.
    pub(super) fn patterns<'t>(&mut self, tokens: &'t [Token]) -> Result<&'t [Token], Unparsable> {
        let skipped = tokens.iter().take_while(|it| **it == Token::Op("\n")).count();
        let tokens = tokens.get(skipped..).unwrap_or_default();
        if matches!(tokens.first(), Some(Token::Word(word)) if word.bare() == Some("esac")) {
            return Ok(tokens);
        }
        let end = tokens
            .iter()
            .position(|it| *it == Token::Op(")"))
            .ok_or_else(|| Unparsable::new("a pattern of a `case` does not end"))?;
        self.substitutions_in(tokens.get(..end).unwrap_or_default())?;
        Ok(tokens.get(end + 1..).unwrap_or_default())
    }

    /// `[[ … ]]`: operators in it are no operators.
    fn test<'t>(&mut self, tokens: &'t [Token]) -> Result<&'t [Token], Unparsable> {
        let end = tokens
            .iter()
            .position(|it| matches!(it, Token::Word(word) if word.bare() == Some("]]")))
            .ok_or_else(|| Unparsable::new("a `[[` does not close"))?;
        self.substitutions_in(tokens.get(..end).unwrap_or_default())?;
        self.gather.program("test");
        Ok(tokens.get(end + 1..).unwrap_or_default())
    }

    /// `for name in words`: the name holds each of the words.
    fn for_each<'t>(&mut self, tokens: &'t [Token]) -> Result<&'t [Token], Unparsable> {
        let end = tokens
            .iter()
            .position(|it| matches!(it, Token::Op(_)))
            .ok_or_else(|| Unparsable::new("a `for` has no body"))?;
        let head = tokens.get(..end).unwrap_or_default();
        self.substitutions_in(head)?;
        if let [Token::Word(name), Token::Word(_), words @ ..] = head
            && let Some(name) = name.bare()
        {
            let args = words.iter().filter_map(|it| match it {
                Token::Word(word) => Some(word.expand(&self.variables())),
                _ => None,
            });
            let args: Vec<Arg> = args.flatten().collect();
            if args.iter().all(|it| !it.is_unknown()) && self.scan.is_assigned_once(name) {
                let values = args.into_iter().map(|it| it.text).collect();
                self.known.insert(name.to_owned(), values);
            }
        }
        Ok(tokens.get(end..).unwrap_or_default())
    }
}
