//! What is sure in a list of commands joined by `&&` and `||`.

use super::super::{UNKNOWN, word::Known};

/// The most directories that a command may stand in before that counts as unknown.
const MAX_DIRS: usize = 8;

/// A list of commands, as far as it was read.
pub(super) struct List {
    /// Where the shell stood when the list began.
    dirs: Vec<Option<String>>,
    /// Variables set after an `&&`: they hold only inside the list.
    fresh: Vec<String>,
    has_or: bool,
    is_first: bool,
    last: &'static str,
    /// Inside `if`, `for`, `{`, …: what runs there may not run at all.
    blocks: usize,
}

impl List {
    pub(super) fn new(dirs: &[Option<String>]) -> Self {
        Self {
            dirs: dirs.to_vec(),
            fresh: Vec::new(),
            has_or: false,
            is_first: true,
            last: ";",
            blocks: 0,
        }
    }

    pub(super) fn enter_block(&mut self) {
        self.blocks += 1;
    }

    pub(super) fn leave_block(&mut self) {
        self.blocks = self.blocks.saturating_sub(1);
    }

    /// Whether a newline does not end the list.
    pub(super) fn continues(&self) -> bool {
        ["&&", "||", "|", "|&"].contains(&self.last)
    }

    pub(super) fn piped_in(&self) -> bool {
        ["|", "|&"].contains(&self.last)
    }

    /// Whether the command that ends with `op` has run, if what follows it in the list runs.
    pub(super) fn is_sure(&self, op: &str) -> bool {
        !self.has_or
            && self.blocks == 0
            && !self.piped_in()
            && !["|", "|&", "&", "||"].contains(&op)
    }

    /// Notes variables that the command set.
    pub(super) fn assigned(&mut self, names: Vec<String>) {
        if !self.is_first {
            self.fresh.extend(names);
        }
    }

    /// Goes on after `op`.
    pub(super) fn next(
        &mut self,
        op: &'static str,
        dirs: &mut Vec<Option<String>>,
        known: &mut Known,
    ) {
        if op != "&&" {
            unite(dirs, &self.dirs);
            for name in self.fresh.drain(..) {
                known.remove(&name);
            }
        }
        self.has_or |= op == "||";
        self.is_first = false;
        self.last = op;
        if !self.continues() {
            self.has_or = false;
            self.is_first = true;
            self.dirs.clone_from(dirs);
        }
    }
}

/// Adds the directories `more`, or gives up when there are too many.
pub(super) fn unite(dirs: &mut Vec<Option<String>>, more: &[Option<String>]) {
    for dir in more {
        if !dirs.contains(dir) {
            dirs.push(dir.clone());
        }
    }
    if dirs.len() > MAX_DIRS {
        *dirs = vec![Some(UNKNOWN.to_string())];
    }
}
