//! Collects facts while an action is read.

use super::{
    Protected, UNKNOWN, Unparsable,
    facts::Facts,
    host,
    path::{self, Base, Place},
};

/// The most paths, hosts and words that one action may name.
const MAX_NAMED: usize = 10_000;

/// The longest URL that is read.
const MAX_URL_BYTES: usize = 2048;

/// Facts in the making, and what paths are measured against.
#[derive(Debug)]
pub(super) struct Gather<'a> {
    pub(super) facts: Facts,
    pub(super) protected: &'a Protected,
    /// The working directory that deletions must stay in, and home.
    pub(super) base: Base,
    /// Where a command may stand now: one directory, or more where that is not sure.
    pub(super) dirs: Vec<Option<String>>,
    first_program: Option<String>,
}

impl<'a> Gather<'a> {
    pub(super) fn new(protected: &'a Protected, cwd: Option<&str>) -> Result<Self, Unparsable> {
        let home = cwd.and_then(path::home_of);
        let base = match cwd {
            None => Base { cwd: None, home },
            Some(cwd) => Base { cwd: Some(directory(cwd, None)?), home },
        };
        let dirs = vec![base.cwd.clone()];
        Ok(Self { facts: Facts::default(), protected, base, dirs, first_program: None })
    }

    /// Stands in `cwd` from now on; what counts as outside stays as it is.
    pub(super) fn start_in(&mut self, cwd: &str) -> Result<(), Unparsable> {
        self.dirs = vec![Some(directory(cwd, Some(&self.base))?)];
        Ok(())
    }

    /// The facts, unless there are too many.
    pub(super) fn finish(self) -> Result<Facts, Unparsable> {
        let facts = &self.facts;
        let named = facts.paths.len() + facts.hosts.len() + facts.argv.len();
        if named > MAX_NAMED {
            let problem = format!(
                "the action names {named} paths, hosts and words; the limit is {MAX_NAMED}"
            );
            return Err(Unparsable::new(problem));
        }
        Ok(self.facts)
    }

    /// Adds a line to `arg_text`.
    pub(super) fn say(&mut self, text: &str) {
        if !self.facts.arg_text.is_empty() {
            self.facts.arg_text.push('\n');
        }
        self.facts.arg_text.push_str(text);
    }

    /// Notes the program of a simple command.
    pub(super) fn program(&mut self, name: &str) {
        self.first_program.get_or_insert_with(|| name.to_owned());
        self.facts.argv0.insert(name.to_owned());
    }

    pub(super) fn first_program(&self) -> String {
        self.first_program.clone().unwrap_or_default()
    }

    /// All that `text` may be as a path, cleaned.
    fn cleaned(&self, text: &str) -> Vec<String> {
        let home = self.base.home.clone();
        self.dirs
            .iter()
            .map(|dir| path::clean(text, &Base { cwd: dir.clone(), home: home.clone() }))
            .collect()
    }

    /// Notes a path that is read, or only named.
    pub(super) fn read(&mut self, text: &str) {
        for cleaned in self.cleaned(text) {
            self.note(&cleaned);
        }
    }

    /// Notes a path that is surely only read: reading the settings changes nothing.
    pub(super) fn read_only(&mut self, text: &str) {
        let before = self.facts.flags.touches_harness;
        self.read(text);
        self.facts.flags.touches_harness = before;
    }

    /// Notes a path that is written; gives it back cleaned.
    pub(super) fn write(&mut self, text: &str) -> String {
        let all = self.cleaned(text);
        for cleaned in &all {
            self.note(cleaned);
            self.facts.flags.writes_system_path |= path::is_system(cleaned);
            self.facts.flags.unknown_path |= cleaned.contains(UNKNOWN);
            let (gov, harness) = self.protected.written(cleaned);
            self.facts.flags.touches_gov |= gov;
            self.facts.flags.touches_harness |= harness;
            self.facts.writes.insert(cleaned.clone());
        }
        all.into_iter().next().unwrap_or_default()
    }

    /// Notes a tree that is deleted. The working directory itself may only be `emptied`.
    pub(super) fn delete_tree(&mut self, text: &str, emptied: bool) {
        self.facts.flags.recursive_delete = true;
        self.write(text);
        let all = self.cleaned(text);
        let stays = |cleaned: &String| match path::place(cleaned, self.base.cwd.as_deref()) {
            Place::Inside => true,
            Place::Same => emptied,
            Place::Outside => false,
        };
        if text.is_empty() || !all.iter().all(stays) {
            self.facts.flags.deletes_outside_cwd = true;
        }
    }

    /// Whether `text` names a place inside the working directory, or the directory itself.
    pub(super) fn stays_inside(&self, text: &str) -> bool {
        let root = self.base.cwd.as_deref();
        self.cleaned(text).iter().all(|it| path::place(it, root) != Place::Outside)
    }

    /// Where one may stand after moving to `text`.
    pub(super) fn moved(&self, text: &str) -> Vec<Option<String>> {
        let mut dirs: Vec<_> = self.cleaned(text).into_iter().map(Some).collect();
        dirs.dedup();
        dirs
    }

    /// Whether `text` as a path names gov's own, or settings; it is not noted as a path.
    pub(super) fn protected_names(&self, text: &str) -> (bool, bool) {
        let all = self.cleaned(text).into_iter().map(|it| self.protected.named(&it));
        all.fold((false, false), |sum, it| (sum.0 || it.0, sum.1 || it.1))
    }

    /// Notes that a tree is deleted that cannot be known.
    pub(super) fn delete_unknown_tree(&mut self) {
        self.facts.flags.recursive_delete = true;
        self.facts.flags.deletes_outside_cwd = true;
    }

    fn note(&mut self, cleaned: &str) {
        let place = path::place(cleaned, self.base.cwd.as_deref());
        self.facts.flags.outside_cwd |= place == Place::Outside && !is_stream(cleaned);
        let (gov, harness) = self.protected.named(cleaned);
        self.facts.flags.touches_gov |= gov;
        self.facts.flags.touches_harness |= harness;
        self.facts.paths.insert(cleaned.to_owned());
    }

    /// Notes a host, with or without scheme, user and port; one that cannot be known is flagged.
    pub(super) fn host(&mut self, text: &str) {
        match host::split(text) {
            Ok(it) if !text.contains(UNKNOWN) => {
                self.facts.hosts.insert(it.host);
                if let Some(port) = it.port {
                    self.port(port);
                }
            }
            _ => self.facts.flags.unknown_host = true,
        }
    }

    /// Like [`Self::host`], for an action that is about nothing else.
    pub(super) fn required_host(&mut self, field: &str, text: &str) -> Result<String, Unparsable> {
        let it =
            host::split(text).map_err(|error| Unparsable::new(format!("`{field}`: {error}")))?;
        self.host(text);
        Ok(it.host)
    }

    /// Notes a port.
    pub(super) fn port(&mut self, port: u16) {
        self.facts.ports.insert(port);
        self.facts.flags.touches_gov |= port == self.protected.port;
    }

    /// Notes what `text` looks like: a URL, or a path.
    pub(super) fn look_like(&mut self, text: &str) {
        self.scan(text);
        if !text.contains("://") && looks_like_path(text) {
            self.read(text);
        }
    }

    /// Notes every URL in `text`, and names of what is protected.
    pub(super) fn scan(&mut self, text: &str) {
        let mut rest = text;
        while let Some(at) = rest.find("://") {
            let before = rest.get(..at).unwrap_or_default();
            let letter = |it: char| it.is_ascii_alphanumeric() || matches!(it, '+' | '-' | '.');
            let scheme = before.len() - before.trim_end_matches(letter).len();
            let url = head(rest.get(at - scheme..).unwrap_or_default());
            let end = url.find(|it: char| {
                it.is_whitespace()
                    || matches!(it, '"' | '\'' | '`' | '<' | '>' | ')' | '}' | ',' | ';')
            });
            let url = url.get(..end.unwrap_or(url.len())).unwrap_or_default();
            if scheme > 0 && !url.starts_with("file:") {
                self.host(url);
            }
            rest = rest.get(at + 3..).unwrap_or_default();
        }
        let (gov, harness) = self.protected.mentioned(text);
        self.facts.flags.touches_gov |= gov;
        self.facts.flags.touches_harness |= harness;
    }
}

/// As much of a text as a URL can be long.
fn head(text: &str) -> &str {
    let end = (0..=MAX_URL_BYTES.min(text.len())).rev().find(|it| text.is_char_boundary(*it));
    text.get(..end.unwrap_or(0)).unwrap_or_default()
}

/// Whether `text` is more a path than anything else.
pub(super) fn looks_like_path(text: &str) -> bool {
    let begins = ["/", "~", "./", "../"].iter().any(|it| text.starts_with(it))
        || matches!(text, "." | "..")
        || text.as_bytes().get(1..3).is_some_and(|it| it == b":\\" || it == b":/");
    let one_line = text.len() <= 4096 && !text.contains(['\n', '\0']);
    one_line && (begins || (text.contains('/') && !text.contains(char::is_whitespace)))
}

/// Streams are no place outside.
fn is_stream(cleaned: &str) -> bool {
    ["/dev/null", "/dev/stdin", "/dev/stdout", "/dev/stderr", "/dev/tty", "/dev/zero"]
        .contains(&cleaned)
        || cleaned.starts_with("/dev/fd/")
}

fn directory(text: &str, base: Option<&Base>) -> Result<String, Unparsable> {
    let base = base.cloned().unwrap_or(Base { cwd: None, home: None });
    let cleaned = path::clean(text, &base);
    let known = path::is_absolute(&cleaned) || cleaned.starts_with('~');
    if text.trim().is_empty() || text.contains(['\0', UNKNOWN]) || !known {
        return Err(Unparsable::new("`cwd` must be an absolute path"));
    }
    Ok(cleaned)
}
