//! SQL lives in `store/<backend>.rs`, in `store/<backend>/`, and in gov-store's own backends. A
//! store may have a first name: `event_store/<backend>.rs`.
//!
//! A heuristic: a string literal that begins like a statement. Tests and benches may hold SQL,
//! since they look at the tables from outside.

use crate::{rust_source::RustSource, workspace::File};

/// How a statement begins, and what else must be in it.
const STATEMENTS: &[(&str, &str)] = &[
    ("alter table ", ""),
    ("begin immediate", ""),
    ("create index ", ""),
    ("create table ", ""),
    ("create trigger ", ""),
    ("create unique index ", ""),
    ("delete from ", ""),
    ("drop table ", ""),
    ("insert into ", ""),
    ("insert or ", " into "),
    ("pragma ", ""),
    ("select ", " from "),
    ("update ", " set "),
    ("vacuum ", "into "),
    ("with ", " select "),
];

const BACKENDS: &[&str] = &["sqlite", "postgres"];

pub(super) fn check(files: &[File]) -> Vec<String> {
    files.iter().filter(|it| it.is_rust() && is_judged(&it.path)).flat_map(check_file).collect()
}

fn check_file(file: &File) -> Vec<String> {
    let source = RustSource::read(&file.text);
    let tests = source.tests_start().unwrap_or(usize::MAX);
    let found = source.strings.iter().filter(|(line, text)| *line < tests && is_statement(text));
    found
        .map(|(line, _)| format!("{}:{line}: SQL belongs into store/<backend>.rs", file.path))
        .collect()
}

fn is_judged(path: &str) -> bool {
    let Some((_, inside)) = path.strip_prefix("crates/").and_then(|it| it.split_once("/src/"))
    else {
        return false;
    };
    let inside_store = match inside.split_once('/') {
        _ if path.starts_with("crates/gov-store/") => inside,
        Some((store, rest)) if store == "store" || store.ends_with("_store") => rest,
        _ => "",
    };
    let is_room_of = |backend: &&str| {
        let rest = inside_store.strip_prefix(*backend);
        rest.is_some_and(|it| it == ".rs" || it.starts_with('/'))
    };
    // The conformance rules, the throw-away databases, and a file of tests beside its module.
    let is_for_tests =
        ["conformance.rs", "fresh_database.rs", "tests.rs"].iter().any(|it| inside.ends_with(it))
            || inside.contains("conformance/")
            || inside.contains("fresh_database/")
            || inside.contains("tests/");
    !BACKENDS.iter().any(is_room_of) && !is_for_tests
}

fn is_statement(text: &str) -> bool {
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase() + " ";
    STATEMENTS.iter().any(|(start, rest)| {
        text.strip_prefix(start).is_some_and(|it| format!(" {it}").contains(rest))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(path: &str, text: &str) -> usize {
        check(&[File::new(path, text)]).len()
    }

    const QUERY: &str = "//! A.\nconst A: &str = \"SELECT seq\\n FROM audit_log_entry\";\n";

    #[test]
    fn sql_outside_its_room_is_found() {
        assert_eq!(problems("crates/gov-ledger/src/sweeper.rs", QUERY), 1);
        assert_eq!(problems("crates/gov-store/src/lease.rs", QUERY), 1);
        assert_eq!(problems("crates/gov-ledger/src/sqlite.rs", QUERY), 1);
        assert_eq!(problems("crates/gov-ledger/src/store/sqlite_too.rs", QUERY), 1);
        assert_eq!(problems("crates/gov-ledger/src/event_store.rs", QUERY), 1);
    }

    #[test]
    fn sql_in_its_room_is_at_home() {
        assert_eq!(problems("crates/gov-ledger/src/store/sqlite.rs", QUERY), 0);
        assert_eq!(problems("crates/gov-ledger/src/store/postgres/sweep.rs", QUERY), 0);
        assert_eq!(problems("crates/gov-ledger/src/event_store/sqlite.rs", QUERY), 0);
        assert_eq!(problems("crates/gov-store/src/sqlite/writer.rs", QUERY), 0);
        assert_eq!(problems("crates/gov-ledger/tests/it/store.rs", QUERY), 0);
    }

    #[test]
    fn a_files_own_tests_may_look_at_the_tables() {
        let text = "//! A.\n#[cfg(test)]\nmod tests { const A: &str = \"delete from a\"; }\n";
        assert_eq!(problems("crates/gov-ledger/src/a.rs", text), 0);
    }

    #[test]
    fn prose_is_no_statement() {
        for it in ["select a policy", "update the settings file", "with care", "insert coin"] {
            assert!(!is_statement(it), "{it}");
        }
        for it in [
            "PRAGMA journal_mode",
            "update a set b = 1",
            "with a as (select 1) select b from a",
            "insert or ignore into a",
        ] {
            assert!(is_statement(it), "{it}");
        }
    }
}
