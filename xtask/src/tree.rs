//! What may be in the tree of dependencies.

use std::{collections::BTreeSet, fs};

use anyhow::{Context as _, Result, ensure};

use crate::{cargo, workspace};

/// Crates that stay out of the whole tree, and why.
const BANNED: &[(&str, &str)] = &[
    ("aws-lc-sys", "TLS runs on ring alone; find the feature that brought it"),
    ("native-tls", "TLS runs on rustls alone"),
    ("openssl-sys", "TLS runs on rustls alone"),
    ("sqlx-macros-core", "it compiles sqlx and SQLite a second time"),
];

/// The only place that packages come from.
const REGISTRY: &str = "registry+https://github.com/rust-lang/crates.io-index";

/// Returns one line for each package that must not be there, or is there twice.
pub(crate) fn check() -> Result<Vec<String>> {
    let lock = fs::read_to_string(workspace::root().join("Cargo.lock")).context("Cargo.lock")?;
    let mut problems = check_tree(&built()?);
    problems.extend(check_sources(&lock));
    Ok(problems)
}

/// One line a package that is really built, on whatever platform: `name v1.2.3`. Cargo.lock would
/// also name what no feature of ours turns on.
fn built() -> Result<String> {
    let tree = ["tree", "--workspace", "--all-features", "--target=all", "--prefix=none"];
    let output = cargo::command().args(tree).output().context("starting cargo tree")?;
    ensure!(output.status.success(), "cargo tree: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).context("cargo tree's output is not UTF-8")
}

fn check_tree(tree: &str) -> Vec<String> {
    let packages = tree.lines().filter_map(|it| {
        let mut words = it.split(' ');
        Some((words.next()?, words.next()?))
    });
    let packages: BTreeSet<(&str, &str)> = packages.collect();
    let mut problems = Vec::new();
    // Two copies of SQLite in one process drop each other's file locks.
    let copies = packages.iter().filter(|(name, _)| *name == "libsqlite3-sys").count();
    if copies != 1 {
        problems.push(format!("libsqlite3-sys must be in the tree once, and is {copies} times"));
    }
    for (name, reason) in BANNED {
        if packages.iter().any(|(it, _)| it == name) {
            problems.push(format!("{name} must not be in the tree: {reason}"));
        }
    }
    problems
}

fn check_sources(lock: &str) -> Vec<String> {
    let sources = lock.lines().filter_map(|it| it.strip_prefix("source = \"")?.strip_suffix('"'));
    let foreign = sources.filter(|it| *it != REGISTRY);
    foreign.map(|it| format!("Cargo.lock: `{it}` is not the public registry")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_sqlite_is_in_the_tree_and_no_other_tls() {
        assert_eq!(check().unwrap(), Vec::<String>::new());
    }

    #[test]
    fn a_second_sqlite_is_found() {
        let once = "libsqlite3-sys v0.37.0\nlibsqlite3-sys v0.37.0 (*)\n";
        assert_eq!(check_tree(once), Vec::<String>::new());
        assert_eq!(check_tree(&format!("{once}libsqlite3-sys v0.30.1\n")).len(), 1);
        assert_eq!(check_tree("").len(), 1, "none at all is a problem too");
    }

    #[test]
    fn a_banned_crate_is_found() {
        assert_eq!(check_tree("libsqlite3-sys v0.37.0\nopenssl-sys v0.9.1\n").len(), 1);
    }

    #[test]
    fn a_foreign_source_is_found() {
        let lock = format!("source = \"{REGISTRY}\"\nsource = \"git+https://example.org/x\"\n");
        assert_eq!(check_sources(&lock).len(), 1);
    }
}
