//! What must be known about a whole script before its first command is read.

use std::collections::{HashMap, HashSet};

use super::super::{
    lexer::Token,
    word::{Known, Piece, Word, is_name},
};

/// The most values that a variable is tried with.
const MAX_CANDIDATES: usize = 16;

/// The most variables that are followed.
const MAX_VARIABLES: usize = 256;

/// Which variables change where, and whether the shell may stand anywhere.
#[derive(Debug, Default)]
pub(super) struct Scan {
    /// Values that are assigned somewhere, as far as they are plain text.
    candidates: HashMap<String, Vec<String>>,
    assignments: HashMap<String, usize>,
    /// Changed by `read`, `unset`, …
    tainted: HashSet<String>,
    /// `eval` or a sourced file may change all.
    all_tainted: bool,
    loops: bool,
    moves: bool,
}

const CHANGES_NAMES: [&str; 11] = [
    "read",
    "unset",
    "mapfile",
    "readarray",
    "getopts",
    "let",
    "printf",
    "declare",
    "typeset",
    "local",
    "nameref",
];

/// Words that are no program where a command begins.
pub(super) fn reserved(word: &str) -> bool {
    [
        "if", "then", "else", "elif", "fi", "do", "done", "while", "until", "for", "select",
        "case", "esac", "{", "}", "!", "[[", "function", "coproc",
    ]
    .contains(&word)
}

impl Scan {
    pub(super) fn of(tokens: &[Token]) -> Self {
        let mut scan = Self::default();
        scan.add(tokens);
        scan
    }

    /// A loop or a function moves: its commands may run in directories that come later.
    pub(super) fn moves_unsurely(&self) -> bool {
        self.loops && self.moves
    }

    pub(super) fn is_assigned(&self, name: &str) -> bool {
        self.all_tainted || self.tainted.contains(name) || self.assignments.contains_key(name)
    }

    /// Whether the one assignment that is seen is the only one.
    pub(super) fn is_assigned_once(&self, name: &str) -> bool {
        !self.all_tainted && !self.tainted.contains(name) && self.assignments.get(name) == Some(&1)
    }

    /// `known`, and for other variables all values that are assigned anywhere.
    pub(super) fn with_candidates(&self, known: &Known) -> Known {
        let mut all = self.candidates.clone();
        all.retain(|_, values| !values.is_empty());
        all.extend(known.iter().map(|(name, values)| (name.clone(), values.clone())));
        all
    }

    fn add(&mut self, tokens: &[Token]) {
        let mut changes = false;
        let mut begins = true;
        for (index, token) in tokens.iter().enumerate() {
            let word = match token {
                Token::Op(op) => {
                    // `name ()`: a function.
                    self.loops |= *op == "(" && !begins;
                    (changes, begins) = (false, true);
                    continue;
                }
                Token::Redirect(_) => continue,
                Token::Word(word) => word,
            };
            self.pieces(word);
            let text = word.bare().unwrap_or_default();
            if let Some((name, value)) = word.assignment() {
                self.assign(name, [value].iter());
            } else if changes && is_name(text) {
                self.tainted.insert(text.to_owned());
            }
            match text {
                "while" | "until" | "function" => self.loops = true,
                "for" | "select" if begins => {
                    self.loops = true;
                    self.for_each(tokens.get(index + 1..).unwrap_or_default());
                }
                "cd" | "pushd" | "popd" | "chdir" => self.moves = true,
                "eval" | "source" | "." if begins => self.all_tainted = true,
                _ => (),
            }
            changes |= begins && CHANGES_NAMES.contains(&text);
            begins = begins && (reserved(text) || word.assignment().is_some());
        }
    }

    fn for_each(&mut self, tokens: &[Token]) {
        let words: Vec<Word> = tokens
            .iter()
            .map_while(|it| if let Token::Word(word) = it { Some(word.clone()) } else { None })
            .collect();
        if let [name, _, values @ ..] = words.as_slice()
            && let Some(name) = name.bare()
        {
            self.assign(name, values.iter());
        }
    }

    fn assign<'w>(&mut self, name: &str, values: impl Iterator<Item = &'w Word>) {
        self.all_tainted |= self.assignments.len() > MAX_VARIABLES;
        *self.assignments.entry(name.to_owned()).or_default() += 1;
        if self.all_tainted {
            return;
        }
        let candidates = self.candidates.entry(name.to_owned()).or_default();
        let texts = values.filter_map(Word::literal).filter(|it| !it.is_empty());
        candidates.extend(texts);
        candidates.truncate(MAX_CANDIDATES);
    }

    fn pieces(&mut self, word: &Word) {
        for piece in &word.pieces {
            if let Piece::Commands { tokens, .. } | Piece::Array { tokens } = piece {
                self.add(tokens);
            }
        }
    }
}
