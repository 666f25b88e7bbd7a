//! Walks through a shell script, one simple command after the other.
//!
//! It follows what changes the meaning of later commands (the directory, plain variables) as long
//! as that is sure, and says that it is not known as soon as it is not.

mod control;
mod scan;
mod state;

use self::{
    scan::{Scan, reserved},
    state::List,
};
use super::{
    MAX_COMMAND_BYTES, UNKNOWN, Unparsable,
    command::{Command, Stdin},
    gather::Gather,
    lexer::{self, Redirect, Token},
    word::{Arg, Known, Piece, Word},
};

/// The deepest nesting of shells inside shells.
const MAX_DEPTH: usize = 6;

/// The most simple commands of one action.
const MAX_COMMANDS: usize = 2_000;

/// The most programs that run one another (`sudo env nice …`).
const MAX_PREFIXES: usize = 32;

/// One shell, reading one script.
pub(super) struct Shell<'g, 'a> {
    pub(super) gather: &'g mut Gather<'a>,
    pub(super) known: Known,
    scan: Scan,
    pub(super) depth: usize,
    commands: usize,
    prefixes: usize,
    /// What the command before a pipe makes: names of files inside the working directory.
    lists_inside: bool,
}

/// The words and redirections of one simple command.
#[derive(Default)]
struct Simple<'t> {
    words: Vec<&'t Word>,
    redirects: Vec<&'t Redirect>,
    negated: bool,
}

impl Simple<'_> {
    fn names_variables(&self) -> bool {
        let redirected = self.redirects.iter().filter_map(|it| it.word());
        self.words.iter().copied().chain(redirected).any(Word::names_variables)
    }
}

impl<'g, 'a> Shell<'g, 'a> {
    pub(super) fn new(gather: &'g mut Gather<'a>) -> Self {
        Self {
            gather,
            known: Known::new(),
            scan: Scan::default(),
            depth: 0,
            commands: 0,
            prefixes: 0,
            lists_inside: false,
        }
    }

    /// A program started without a shell: its words are what they are.
    pub(super) fn spawn(&mut self, binary: &str, args: &[String]) -> Result<(), Unparsable> {
        if binary.trim().is_empty() || binary.contains('\0') {
            return Err(Unparsable::new("`binary` must not be empty or hold a NUL"));
        }
        let words = std::iter::once(binary).chain(args.iter().map(String::as_str));
        let args: Vec<Arg> = words.map(Arg::plain).collect();
        Command::new(self, Stdin::Own).run(&args)
    }

    /// A whole script.
    pub(super) fn script(&mut self, text: &str) -> Result<(), Unparsable> {
        if text.len() > MAX_COMMAND_BYTES {
            let problem = format!(
                "a command must be at most {MAX_COMMAND_BYTES} bytes long; received {}",
                text.len()
            );
            return Err(Unparsable::new(problem));
        }
        let tokens = lexer::lex(text)?;
        self.scan = Scan::of(&tokens);
        if self.scan.moves_unsurely() {
            self.gather.dirs = vec![Some(UNKNOWN.to_string())];
        }
        self.walk(&tokens)
    }

    /// A script inside this one, in a shell of its own.
    pub(super) fn inner(&mut self, text: &str) -> Result<(), Unparsable> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            let problem = format!("shells must be at most {MAX_DEPTH} levels deep");
            return Err(Unparsable::new(problem));
        }
        self.gather.facts.flags.compound = true;
        let dirs = self.gather.dirs.clone();
        let known = std::mem::take(&mut self.known);
        let scan = std::mem::take(&mut self.scan);
        let result = self.script(text);
        (self.gather.dirs, self.known, self.scan) = (dirs, known, scan);
        self.depth -= 1;
        result
    }

    fn walk(&mut self, tokens: &[Token]) -> Result<(), Unparsable> {
        let mut list = List::new(&self.gather.dirs);
        let mut outer: Vec<(List, Vec<Option<String>>, Known)> = Vec::new();
        let mut simple = Simple::default();
        let mut rest = tokens;
        while let [token, after @ ..] = rest {
            rest = after;
            match token {
                Token::Redirect(redirect) => {
                    self.gather.facts.flags.compound = true;
                    simple.redirects.push(redirect);
                }
                Token::Op("(") if simple.words.is_empty() => {
                    outer.push((list, self.gather.dirs.clone(), self.known.clone()));
                    list = List::new(&self.gather.dirs);
                }
                Token::Op("(") => {
                    // `name ()` begins a function; its body is read where it stands.
                    let [Token::Op(")"), body @ ..] = rest else {
                        return Err(Unparsable::new("the command holds an unexpected `(`"));
                    };
                    rest = body;
                    simple = Simple::default();
                }
                Token::Op(op) => {
                    self.gather.facts.flags.compound |= *op != "\n" || !rest.is_empty();
                    self.end(&mut list, &std::mem::take(&mut simple), op)?;
                    if *op == ")"
                        && let Some((before, dirs, known)) = outer.pop()
                    {
                        (list, self.gather.dirs, self.known) = (before, dirs, known);
                    }
                    if op.starts_with(";;") || *op == ";&" {
                        rest = self.patterns(rest)?;
                    }
                }
                Token::Word(word) => {
                    let keyword = word.bare().filter(|_| simple.words.is_empty());
                    match keyword.filter(|it| reserved(it)) {
                        Some(keyword) => {
                            rest = self.keyword(keyword, &mut list, &mut simple, rest)?;
                        }
                        None => simple.words.push(word),
                    }
                }
            }
        }
        self.end(&mut list, &simple, "\n")
    }

    fn substitutions_in(&mut self, tokens: &[Token]) -> Result<(), Unparsable> {
        for token in tokens {
            match token {
                Token::Word(word) => self.substitutions(word)?,
                Token::Redirect(redirect) => {
                    redirect.word().map_or(Ok(()), |word| self.substitutions(word))?;
                }
                Token::Op(_) => (),
            }
        }
        Ok(())
    }

    /// Reads the commands that make a word.
    fn substitutions(&mut self, word: &Word) -> Result<(), Unparsable> {
        for piece in &word.pieces {
            match piece {
                Piece::Commands { tokens, .. } => {
                    self.gather.facts.flags.compound = true;
                    let (dirs, known) = (self.gather.dirs.clone(), self.known.clone());
                    self.walk(tokens)?;
                    (self.gather.dirs, self.known) = (dirs, known);
                }
                Piece::Array { tokens } => self.substitutions_in(tokens)?,
                _ => (),
            }
        }
        Ok(())
    }

    /// What variables hold now, with those that every shell has.
    fn variables(&self) -> Known {
        let mut known = self.known.clone();
        let mut set = |name: &str, values: Vec<String>| {
            if !self.scan.is_assigned(name) {
                known.insert(name.to_owned(), values);
            }
        };
        set("HOME", vec![self.gather.base.home.clone().unwrap_or_else(|| "~".to_owned())]);
        let here = |dir: &Option<String>| dir.clone().unwrap_or_else(|| ".".to_owned());
        set("PWD", self.gather.dirs.iter().map(here).collect());
        for number in ["RANDOM", "UID", "EUID", "PPID", "SECONDS", "LINENO", "COLUMNS", "LINES"] {
            set(number, vec!["0".to_owned()]);
        }
        known
    }

    /// Counts a simple command, so that no action can keep the judge busy.
    fn count(&mut self) -> Result<(), Unparsable> {
        self.commands += 1;
        if self.commands > MAX_COMMANDS {
            let problem = format!("an action must hold at most {MAX_COMMANDS} simple commands");
            return Err(Unparsable::new(problem));
        }
        Ok(())
    }

    /// Enters a program that may run another; [`Self::leave`] follows unless this fails.
    pub(super) fn enter(&mut self) -> Result<(), Unparsable> {
        self.count()?;
        self.prefixes += 1;
        if self.prefixes > MAX_PREFIXES {
            let problem = format!("at most {MAX_PREFIXES} programs may run one another");
            return Err(Unparsable::new(problem));
        }
        Ok(())
    }

    pub(super) fn leave(&mut self) {
        self.prefixes -= 1;
    }

    /// A simple command has ended with `op`.
    fn end(
        &mut self,
        list: &mut List,
        simple: &Simple<'_>,
        op: &'static str,
    ) -> Result<(), Unparsable> {
        let is_empty = simple.words.is_empty() && simple.redirects.is_empty();
        if is_empty && op == "\n" && list.continues() {
            return Ok(());
        }
        self.count()?;
        let before = self.gather.dirs.clone();
        let is_sure = list.is_sure(op) && !simple.negated;
        let lists_inside = std::mem::take(&mut self.lists_inside) && list.piped_in();
        let piped = if lists_inside { Stdin::NamesInside } else { Stdin::Pipe };
        let assigned =
            self.simple(simple, if list.piped_in() { piped } else { Stdin::Own }, is_sure)?;
        if !(is_sure && op == "&&") && self.gather.dirs != before {
            state::unite(&mut self.gather.dirs, &before);
        }
        list.assigned(assigned);
        list.next(op, &mut self.gather.dirs, &mut self.known);
        Ok(())
    }

    /// Reads one simple command; gives back the variables that it sets for the shell.
    fn simple(
        &mut self,
        simple: &Simple<'_>,
        mut stdin: Stdin,
        is_sure: bool,
    ) -> Result<Vec<String>, Unparsable> {
        // Most commands name no variable; then nobody needs to know what they hold.
        let named = simple.names_variables();
        let known = if named { self.variables() } else { Known::new() };
        for redirect in &simple.redirects {
            self.redirect(redirect, &known, &mut stdin)?;
        }
        for word in &simple.words {
            self.substitutions(word)?;
        }
        let leading = simple.words.iter().take_while(|it| it.assignment().is_some()).count();
        let (assignments, words) = simple.words.split_at(leading);
        let exports = words
            .first()
            .and_then(|it| it.bare())
            .is_some_and(|it| ["export", "readonly", "local", "declare", "typeset"].contains(&it));
        let set: Vec<&&Word> =
            if exports { words.iter().skip(1).collect() } else { assignments.iter().collect() };
        let mut assigned = Vec::new();
        for (name, value) in set.into_iter().filter_map(|it| it.assignment()) {
            let values: Vec<Arg> = value.expand(&known);
            self.environment(name, &values)?;
            let holds =
                is_sure && (words.is_empty() || exports) && self.scan.is_assigned_once(name);
            if holds && values.iter().all(|it| !it.is_unknown()) {
                let values = values.into_iter().map(|it| it.text).collect();
                self.known.insert(name.to_owned(), values);
                assigned.push(name.to_owned());
            }
        }
        if words.is_empty() {
            return Ok(assigned);
        }
        let expand =
            |known: &Known| -> Vec<Arg> { words.iter().flat_map(|it| it.expand(known)).collect() };
        let args = expand(&known);
        // What a variable might hold counts too, though nobody knows that it does.
        let maybe = named.then(|| expand(&self.scan.with_candidates(&known)));
        if let Some(maybe) = maybe.filter(|it| *it != args) {
            let (dirs, unknown) =
                (self.gather.dirs.clone(), self.gather.facts.flags.unknown_command);
            Command::new(self, stdin.clone()).run(&maybe)?;
            self.gather.dirs = dirs;
            self.gather.facts.flags.unknown_command = unknown;
        }
        self.lists_inside = Command::lists_inside(self, &args);
        Command::new(self, stdin).run(&args)?;
        Ok(assigned)
    }

    fn redirect(
        &mut self,
        redirect: &Redirect,
        known: &Known,
        stdin: &mut Stdin,
    ) -> Result<(), Unparsable> {
        match redirect {
            Redirect::Copy => (),
            Redirect::Here(word) => {
                self.substitutions(word)?;
                let text = word.expand(known).into_iter().map(|it| it.text).collect();
                *stdin = Stdin::Text(text);
            }
            Redirect::Read(word) | Redirect::Write(word) => {
                self.substitutions(word)?;
                let maybe = self.scan.with_candidates(known);
                let commands = |it: &Piece| matches!(it, Piece::Commands { .. });
                for arg in word.expand(known).into_iter().chain(word.expand(&maybe)) {
                    let socket =
                        ["/dev/tcp/", "/dev/udp/"].iter().find_map(|it| arg.text.strip_prefix(it));
                    match (socket, redirect) {
                        (Some(socket), _) => self.gather.host(&socket.replacen('/', ":", 1)),
                        // `< <(…)` and `> >(…)` are pipes.
                        (None, _) if matches!(word.pieces.as_slice(), [it] if commands(it)) => {
                            *stdin = Stdin::Pipe;
                        }
                        (None, Redirect::Write(_)) => drop(self.gather.write(&arg.text)),
                        (None, _) => self.gather.read(&arg.text),
                    }
                }
            }
        }
        Ok(())
    }

    /// Variables whose value programs run as a command, or load code from.
    fn environment(&mut self, name: &str, values: &[Arg]) -> Result<(), Unparsable> {
        let runs = [
            "GIT_SSH_COMMAND",
            "GIT_SSH",
            "GIT_EDITOR",
            "GIT_PAGER",
            "GIT_EXTERNAL_DIFF",
            "GIT_ASKPASS",
            "EDITOR",
            "VISUAL",
            "PAGER",
            "MANPAGER",
            "PROMPT_COMMAND",
            "GIT_SEQUENCE_EDITOR",
            "BROWSER",
            "SHELL",
            "RUSTC_WRAPPER",
        ];
        let redefines = name.starts_with("BASH_FUNC_");
        if name == "CDPATH" {
            self.gather.dirs = vec![Some(UNKNOWN.to_string())];
        }
        for value in values.iter().filter(|it| !it.text.is_empty()) {
            if runs.contains(&name) && !value.is_unknown() {
                self.inner(&value.text)?;
            } else if redefines {
                self.gather.facts.flags.unknown_command = true;
            } else {
                self.gather.look_like(&value.text);
            }
        }
        Ok(())
    }
}
