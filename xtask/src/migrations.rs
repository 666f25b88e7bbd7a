//! Migrations: numbered, paired, unchanged once landed, and packaged with their crate.
//!
//! `migrations/landed.lock` holds one line `<sha256>  <path>` a landed file and only grows. A file
//! that is not in it may still change; `cargo xtask migrations --land` freezes it.

mod landed;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    process::ExitCode,
};

use anyhow::{Result, bail};

use crate::workspace::{self, File};

/// Which crate owns a component's tables. `crates/<crate>/migrations` is a symbolic link to
/// `migrations/<component>`, so cargo packages the files with the crate.
const OWNERS: &[(&str, &str)] = &[
    ("audit_buffer", "gov-audit-buffer"),
    ("audit_log", "gov-deferred-audit"),
    ("escalation", "gov-escalation"),
    ("gateway", "gov-gateway"),
    ("retention", "gov-retention"),
];

const DIALECTS: &[&str] = &["postgres", "sqlite"];

/// Returns one line for each migration out of order.
pub(crate) fn check() -> Result<Vec<String>> {
    let files = migrations(&workspace::files()?);
    let mut problems = check_names(&files);
    problems.extend(check_links(&workspace::root(), &files));
    problems.extend(landed::check(&files)?);
    Ok(problems)
}

pub(crate) fn run(arguments: &[String]) -> Result<ExitCode> {
    match arguments {
        [] => Ok(crate::report(&check()?)),
        [it] if it == "--land" => {
            for path in landed::land(&migrations(&workspace::files()?))? {
                println!("landed {path}");
            }
            Ok(ExitCode::SUCCESS)
        }
        _ => bail!("`migrations` takes nothing or `--land`, and got `{}`", arguments.join(" ")),
    }
}

/// The SQL files under `migrations/`, each by `<component>/<dialect>/<name>`.
fn migrations(files: &[File]) -> BTreeMap<String, String> {
    let sql = files.iter().filter(|it| it.has_extension("sql"));
    sql.filter_map(|it| Some((it.path.strip_prefix("migrations/")?.to_owned(), it.text.clone())))
        .collect()
}

fn check_names(files: &BTreeMap<String, String>) -> Vec<String> {
    let mut problems = Vec::new();
    let mut numbers: BTreeMap<&str, BTreeMap<&str, BTreeSet<u32>>> = BTreeMap::new();
    for path in files.keys() {
        let parts: Vec<&str> = path.split('/').collect();
        let (&[component, dialect, name], true) = (parts.as_slice(), parts.len() == 3) else {
            problems.push(format!("migrations/{path}: must lie in <component>/<dialect>/"));
            continue;
        };
        if !OWNERS.iter().any(|(it, _)| *it == component) {
            problems.push(format!(
                "migrations/{component}: add its crate to OWNERS in xtask/src/migrations.rs"
            ));
        }
        if !DIALECTS.contains(&dialect) {
            problems
                .push(format!("migrations/{path}: `{dialect}` is none of {}", DIALECTS.join(", ")));
        }
        let Some(number) = number_of(name) else {
            problems.push(format!("migrations/{path}: must be named NNNN_what.sql"));
            continue;
        };
        if !numbers.entry(component).or_default().entry(dialect).or_default().insert(number) {
            problems.push(format!("migrations/{path}: number {number:04} is there twice"));
        }
    }
    for (component, dialects) in &numbers {
        let longest = dialects.values().max_by_key(|it| it.len());
        for (dialect, numbers) in dialects {
            if numbers.iter().zip(1..).any(|(have, want)| *have != want) {
                problems.push(format!(
                    "migrations/{component}/{dialect}: must be numbered from 0001 without a gap"
                ));
            } else if longest.is_some_and(|it| it != numbers) {
                problems.push(format!(
                    "migrations/{component}/{dialect}: lacks a number that another dialect has"
                ));
            }
        }
    }
    problems
}

fn number_of(name: &str) -> Option<u32> {
    let (number, what) = name.strip_suffix(".sql")?.split_once('_')?;
    let good = number.len() == 4
        && !what.is_empty()
        && what.chars().all(|it| it.is_ascii_lowercase() || it.is_ascii_digit() || it == '_');
    number.parse().ok().filter(|_| good)
}

fn check_links(root: &Path, files: &BTreeMap<String, String>) -> Vec<String> {
    let mut problems = Vec::new();
    for (component, owner) in OWNERS {
        if !files.keys().any(|it| it.starts_with(&format!("{component}/"))) {
            continue;
        }
        let want = format!("../../migrations/{component}");
        let link = format!("crates/{owner}/migrations");
        if !fs::read_link(root.join(&link)).is_ok_and(|it| it == Path::new(&want)) {
            problems.push(format!("{link}: must be a symbolic link to {want}"));
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(paths: &[&str]) -> Vec<String> {
        check_names(&paths.iter().map(|it| ((*it).to_owned(), String::new())).collect())
    }

    #[test]
    fn the_migrations_are_in_order() {
        assert_eq!(check().unwrap(), Vec::<String>::new());
    }

    #[test]
    fn a_gap_is_found() {
        assert_eq!(
            names(&["gateway/sqlite/0001_a.sql", "gateway/sqlite/0002_b.sql"]),
            Vec::<String>::new()
        );
        assert_eq!(names(&["gateway/sqlite/0001_a.sql", "gateway/sqlite/0003_b.sql"]).len(), 1);
        assert_eq!(names(&["gateway/sqlite/0002_a.sql"]).len(), 1);
    }

    #[test]
    fn a_number_twice_is_found() {
        assert_eq!(names(&["gateway/sqlite/0001_a.sql", "gateway/sqlite/0001_b.sql"]).len(), 1);
    }

    #[test]
    fn both_dialects_have_the_same_numbers() {
        assert_eq!(
            names(&[
                "gateway/postgres/0001_a.sql",
                "gateway/sqlite/0001_a.sql",
                "gateway/sqlite/0002_b.sql"
            ]),
            ["migrations/gateway/postgres: lacks a number that another dialect has"]
        );
    }

    #[test]
    fn a_bad_name_a_bad_dialect_and_a_component_without_owner_are_found() {
        for path in [
            "gateway/sqlite/1_a.sql",
            "gateway/oracle/0001_a.sql",
            "pets/sqlite/0001_a.sql",
            "0001_a.sql",
            "gateway/sqlite/0001_A.sql",
        ] {
            assert_eq!(names(&[path]).len(), 1, "{path}");
        }
    }

    #[test]
    fn a_missing_link_is_found() {
        let files = [("gateway/sqlite/0001_a.sql".to_owned(), String::new())].into();
        assert_eq!(
            check_links(Path::new("/nowhere"), &files),
            ["crates/gov-gateway/migrations: must be a symbolic link to ../../migrations/gateway"]
        );
    }
}
