//! The words of a shell command, before expansion.

use std::collections::HashMap;

use super::{UNKNOWN, lexer::Token};

/// The most texts that one word may expand to; beyond it, the word cannot be known.
const MAX_TEXTS: usize = 64;

/// The most braces in one word; beyond it, the word cannot be known.
const MAX_BRACES: usize = 32;

/// One part of a word.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Piece {
    /// Text as it is.
    Text { text: String, quoted: bool },
    /// `$name`, `${name}`; not `plain` if it is changed on the way (`${name%x}`).
    Variable { name: String, plain: bool, quoted: bool },
    /// `$(…)`, backquotes, `<(…)`: commands that run to make the text.
    Commands { tokens: Vec<Token>, quoted: bool },
    /// `$((…))`: digits.
    Number,
    /// `(a b)` after `name=`.
    Array { tokens: Vec<Token> },
}

/// One word.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Word {
    pub(super) pieces: Vec<Piece>,
}

/// One argument, as far as it can be known; see [`UNKNOWN`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Arg {
    pub(super) text: String,
    /// The shell may make several words of it, or none.
    pub(super) splits: bool,
}

impl Arg {
    pub(super) fn plain(text: impl Into<String>) -> Self {
        Self { text: text.into(), splits: false }
    }

    pub(super) fn is_unknown(&self) -> bool {
        self.text.contains(UNKNOWN)
    }
}

/// What variables are known to hold, each with all values it can have.
pub(super) type Known = HashMap<String, Vec<String>>;

impl Word {
    /// The text, if every part is text; quotes are gone.
    pub(super) fn literal(&self) -> Option<String> {
        let mut whole = String::new();
        for piece in &self.pieces {
            let Piece::Text { text, .. } = piece else { return None };
            whole.push_str(text);
        }
        Some(whole)
    }

    /// The text, if nothing of it is quoted: reserved words and operators of `[[` must be bare.
    pub(super) fn bare(&self) -> Option<&str> {
        match self.pieces.as_slice() {
            [Piece::Text { text, quoted: false }] => Some(text),
            _ => None,
        }
    }

    /// The name and the rest of `name=rest` or `name+=rest`.
    pub(super) fn assignment(&self) -> Option<(&str, Self)> {
        let (Piece::Text { text, quoted: false }, rest) = self.pieces.split_first()? else {
            return None;
        };
        let (name, value) = text.split_once('=')?;
        let (name, appended) = name.strip_suffix('+').map_or((name, false), |it| (it, true));
        let name = name.split_once('[').map_or(name, |(name, _)| name);
        if !is_name(name) {
            return None;
        }
        let mut pieces = vec![Piece::Text { text: value.to_owned(), quoted: false }];
        if appended {
            // What was there before stays in front.
            pieces.insert(0, Piece::Variable { name: String::new(), plain: false, quoted: true });
        }
        pieces.extend_from_slice(rest);
        Some((name, Self { pieces }))
    }

    /// Whether what it expands to depends on what variables hold.
    pub(super) fn names_variables(&self) -> bool {
        self.pieces.iter().any(|it| matches!(it, Piece::Variable { plain: true, .. }))
    }

    /// The arguments that the shell makes of the word.
    pub(super) fn expand(&self, known: &Known) -> Vec<Arg> {
        let braced = braces(&self.pieces);
        let mut args = Vec::new();
        for pieces in braced {
            args.extend(texts(&pieces, known));
            if args.len() > MAX_TEXTS {
                return vec![Arg { text: UNKNOWN.to_string(), splits: true }];
            }
        }
        args
    }
}

pub(super) fn is_name(text: &str) -> bool {
    text.starts_with(|it: char| it.is_ascii_alphabetic() || it == '_')
        && text.chars().all(|it| it.is_ascii_alphanumeric() || it == '_')
}

/// All texts of pieces without braces.
fn texts(pieces: &[Piece], known: &Known) -> Vec<Arg> {
    // A word that is one unquoted variable is split; in longer ones a space makes it unknown.
    if let [Piece::Variable { name, plain: true, quoted: false }] = pieces
        && let Some(values) = known.get(name)
    {
        return values.iter().flat_map(|it| it.split_whitespace()).map(Arg::plain).collect();
    }
    let mut all = vec![Arg::plain(String::new())];
    for (index, piece) in pieces.iter().enumerate() {
        let (values, splits) = values(piece, index == 0, known);
        let mut next = Vec::new();
        for arg in &all {
            for value in &values {
                let text = format!("{}{value}", arg.text);
                next.push(Arg { text, splits: arg.splits || splits });
            }
        }
        if next.len() > MAX_TEXTS {
            return vec![Arg { text: UNKNOWN.to_string(), splits: true }];
        }
        all = next;
    }
    all
}

fn values(piece: &Piece, first: bool, known: &Known) -> (Vec<String>, bool) {
    match piece {
        // A quoted `~` is a name, not the home directory.
        Piece::Text { text, quoted: true } if first && text.starts_with('~') => {
            (vec![format!("./{text}")], false)
        }
        Piece::Text { text, .. } => (vec![text.clone()], false),
        Piece::Number => (vec!["0".to_owned()], false),
        Piece::Variable { name, plain: true, quoted } => match known.get(name) {
            Some(values)
                if *quoted || !values.iter().any(|it| it.contains(char::is_whitespace)) =>
            {
                (values.clone(), false)
            }
            _ => (vec![UNKNOWN.to_string()], !quoted),
        },
        Piece::Variable { quoted, .. } | Piece::Commands { quoted, .. } => {
            (vec![UNKNOWN.to_string()], !quoted)
        }
        Piece::Array { .. } => (vec![UNKNOWN.to_string()], true),
    }
}

/// `a{b,c}d` → `abd acd`; only unquoted braces with a comma are braces.
fn braces(pieces: &[Piece]) -> Vec<Vec<Piece>> {
    let chars = flat(pieces);
    let mut done = Vec::new();
    let mut open = vec![chars];
    while let Some(word) = open.pop() {
        if done.len() + open.len() > MAX_TEXTS {
            let unknown = Piece::Variable { name: String::new(), plain: false, quoted: false };
            return vec![vec![unknown]];
        }
        match first_brace(&word) {
            None => done.push(joined(word)),
            Some((start, end, commas)) => {
                let mut cuts = vec![start];
                cuts.extend(commas);
                cuts.push(end);
                // Last first, since `open` is a stack.
                for pair in cuts.windows(2).rev() {
                    let [from, to] = pair else { continue };
                    let mut next: Vec<Piece> = word.iter().take(start).cloned().collect();
                    next.extend(word.iter().take(*to).skip(from + 1).cloned());
                    next.extend(word.iter().skip(end + 1).cloned());
                    open.push(next);
                }
            }
        }
    }
    done
}

/// Unquoted text as one piece a character, so that braces can be found between other pieces.
fn flat(pieces: &[Piece]) -> Vec<Piece> {
    let has_brace =
        |it: &Piece| matches!(it, Piece::Text { text, quoted: false } if text.contains('{'));
    if !pieces.iter().any(has_brace) {
        return pieces.to_vec();
    }
    let count = |it: &Piece| match it {
        Piece::Text { text, quoted: false } => text.matches('{').count(),
        _ => 0,
    };
    if pieces.iter().map(count).sum::<usize>() > MAX_BRACES {
        return vec![Piece::Variable { name: String::new(), plain: false, quoted: false }];
    }
    let mut flat = Vec::new();
    for piece in pieces {
        match piece {
            Piece::Text { text, quoted: false } => flat
                .extend(text.chars().map(|it| Piece::Text { text: it.to_string(), quoted: false })),
            other => flat.push(other.clone()),
        }
    }
    flat
}

fn joined(pieces: Vec<Piece>) -> Vec<Piece> {
    let mut joined: Vec<Piece> = Vec::new();
    for piece in pieces {
        match (joined.last_mut(), piece) {
            (
                Some(Piece::Text { text, quoted: false }),
                Piece::Text { text: more, quoted: false },
            ) => text.push_str(&more),
            (_, piece) => joined.push(piece),
        }
    }
    joined
}

/// The first brace pair with a comma at its own level: start, end, commas.
fn first_brace(word: &[Piece]) -> Option<(usize, usize, Vec<usize>)> {
    let bare = |at: usize| match word.get(at) {
        Some(Piece::Text { text, quoted: false }) => text.as_str(),
        _ => "",
    };
    for start in (0..word.len()).filter(|at| bare(*at) == "{") {
        let (mut depth, mut commas) = (0_usize, Vec::new());
        for at in start..word.len() {
            match bare(at) {
                "{" => depth += 1,
                "," if depth == 1 => commas.push(at),
                "}" => {
                    depth -= 1;
                    if depth == 0 {
                        if commas.is_empty() {
                            break;
                        }
                        return Some((start, at, commas));
                    }
                }
                _ => (),
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::{super::lexer, *};

    fn expand(word: &str, known: &[(&str, &str)]) -> Vec<String> {
        let known = known
            .iter()
            .map(|(name, value)| ((*name).to_owned(), vec![(*value).to_owned()]))
            .collect();
        let Token::Word(word) = lexer::lex(word).unwrap().remove(0) else { panic!("a word") };
        word.expand(&known).into_iter().map(|it| it.text).collect()
    }

    #[test]
    fn a_word_expands_as_in_a_shell() {
        assert_eq!(expand("a{b,c{d,e}}f", &[]), ["abf", "acdf", "acef"]);
        assert_eq!(expand("'{a,b}'", &[]), ["{a,b}"]);
        assert_eq!(expand("{a}", &[]), ["{a}"]);
        assert_eq!(expand("r''m", &[]), ["rm"]);
        assert_eq!(expand("\\rm", &[]), ["rm"]);
        assert_eq!(expand("$'\\x72\\155'", &[]), ["rm"]);
        assert_eq!(expand("\"$D\"/x", &[("D", "a b")]), ["a b/x"]);
        assert_eq!(expand("$D", &[("D", "-rf /")]), ["-rf", "/"]);
        assert_eq!(expand("$D/x", &[]), ["\u{1a}/x"]);
        assert_eq!(expand("'~'", &[]), ["./~"]);
        assert_eq!(expand("$((1<<2))", &[]), ["0"]);
    }
}
