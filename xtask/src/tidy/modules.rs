//! One Rust file: documented, short, finished, safe.

use crate::{rust_source::RustSource, workspace::File};

/// A file that outgrows this holds two nouns.
const MAX_LINES: usize = 400;

/// Marks of unfinished work. In two halves, or this file would hold them.
const MARKS: &[&str] = &[concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X:")];

pub(super) fn check(files: &[File]) -> Vec<String> {
    files.iter().filter(|it| it.is_rust()).flat_map(check_file).collect()
}

fn check_file(file: &File) -> Vec<String> {
    let File { path, text } = file;
    let mut problems = Vec::new();
    // A crate may have its README for a doc.
    if !text.starts_with("//! ") && !text.starts_with("#![doc = include_str!(") {
        problems.push(format!("{path}: must start with a `//!` line that says what it holds"));
    }
    if path.ends_with("/mod.rs") {
        problems.push(format!("{path}: must be `name.rs` beside `name/`, not `mod.rs`"));
    }
    let lines = text.lines().count();
    if lines > MAX_LINES {
        problems.push(format!(
            "{path}: has {lines} lines of at most {MAX_LINES}; give the second noun its own file"
        ));
    }
    for (number, line) in text.lines().enumerate() {
        if let Some(mark) = MARKS.iter().find(|it| has_open_mark(line, it)) {
            problems.push(format!(
                "{path}:{}: {mark} without the number of an issue, as in `{mark}(#12)`",
                number + 1
            ));
        }
    }
    for (number, line) in RustSource::read(text).code.lines().enumerate() {
        if has_word(line, "unsafe") {
            problems.push(format!("{path}:{}: no `unsafe` in this house", number + 1));
        }
    }
    problems
}

fn has_open_mark(line: &str, mark: &str) -> bool {
    line.split_once(mark).is_some_and(|(_, after)| !after.starts_with("(#"))
}

fn has_word(line: &str, word: &str) -> bool {
    line.split(|it: char| !it.is_alphanumeric() && it != '_').any(|it| it == word)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(text: &str) -> Vec<String> {
        check(&[File::new("crates/gov-x/src/a.rs", text)])
    }

    #[test]
    fn a_module_says_what_it_holds() {
        assert_eq!(problems("//! Holds a.\n"), Vec::<String>::new());
        assert_eq!(problems("use std::fmt;\n").len(), 1);
    }

    #[test]
    fn a_long_file_is_found() {
        let at_the_limit = format!("//! Long.\n{}", "fn a() {}\n".repeat(MAX_LINES - 1));
        assert_eq!(problems(&at_the_limit), Vec::<String>::new());
        assert_eq!(problems(&format!("{at_the_limit}fn b() {{}}\n")).len(), 1);
    }

    #[test]
    fn unfinished_work_needs_an_issue() {
        let mark = MARKS[0];
        assert_eq!(problems(&format!("//! A.\n// {mark}(#12): later\n")), Vec::<String>::new());
        let found = problems(&format!("//! A.\n// {mark}: later\n"));
        assert_eq!(found.len(), 1);
        assert!(found[0].starts_with("crates/gov-x/src/a.rs:2: "), "{found:?}");
    }

    #[test]
    fn unsafe_is_found_in_code_and_only_there() {
        assert_eq!(
            problems("//! Not unsafe.\nconst A: &str = \"unsafe\";\n"),
            Vec::<String>::new()
        );
        assert_eq!(problems("//! A.\nfn a() { unsafe { b() } }\n").len(), 1);
    }
}
