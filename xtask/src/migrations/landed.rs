//! The lock file of landed migrations.

use std::{collections::BTreeMap, fmt::Write as _, fs, io, process::Command};

use anyhow::{Context as _, Result, bail, ensure};
use sha2::{Digest as _, Sha256};

use crate::workspace;

const LOCK: &str = "migrations/landed.lock";

/// One line for each landed file that changed or went, for each late comer before a landed one,
/// and for each line that a commit had and the lock has no more.
pub(super) fn check(files: &BTreeMap<String, String>) -> Result<Vec<String>> {
    let lock = read()?;
    let mut problems = check_against(&lock, files);
    problems.extend(check_history(&lock, &committed()?));
    Ok(problems)
}

/// Adds the files that are not in the lock, and returns their paths. A lock that does not hold
/// stays as it is.
pub(super) fn land(files: &BTreeMap<String, String>) -> Result<Vec<String>> {
    let mut lock = read()?;
    let problems = check_against(&lock, files);
    ensure!(problems.is_empty(), "{}", problems.join("\n"));
    let mut new = Vec::new();
    for (path, text) in files.iter().filter(|(path, _)| sha256_in(&lock, path).is_none()) {
        new.push((path.clone(), sha256(text)));
    }
    for (path, sha256) in &new {
        writeln!(lock, "{sha256}  {path}").context("appending a line")?;
    }
    fs::write(workspace::root().join(LOCK), lock).context(LOCK)?;
    Ok(new.into_iter().map(|(path, _)| path).collect())
}

fn check_against(lock: &str, files: &BTreeMap<String, String>) -> Vec<String> {
    let mut problems = Vec::new();
    for (landed, path) in entries(lock) {
        match files.get(path) {
            None => problems.push(format!("migrations/{path}: has landed and is gone")),
            Some(text) if sha256(text) != landed => {
                problems.push(format!(
                    "migrations/{path}: has landed and was changed; write a new one"
                ));
            }
            Some(_) => (),
        }
    }
    for path in files.keys().filter(|it| sha256_in(lock, it).is_none()) {
        // Numbers have four digits, so the names of one folder sort as their numbers do.
        if entries(lock).any(|(_, it)| folder(it) == folder(path) && it > path.as_str()) {
            problems.push(format!(
                "migrations/{path}: comes before one that has landed; give it the next number"
            ));
        }
    }
    problems
}

fn check_history(lock: &str, committed: &[String]) -> Vec<String> {
    let old = committed.iter().flat_map(|it| entries(it));
    let mut lost: Vec<String> = old
        .filter(|(sha256, path)| sha256_in(lock, path) != Some(sha256))
        .map(|(_, path)| {
            format!("{LOCK}: the line of {path} was changed or taken out; it only grows")
        })
        .collect();
    lost.sort();
    lost.dedup();
    lost
}

fn entries(lock: &str) -> impl Iterator<Item = (&str, &str)> {
    lock.lines().filter(|it| !it.starts_with('#')).filter_map(|it| it.split_once("  "))
}

fn sha256_in<'a>(lock: &'a str, path: &str) -> Option<&'a str> {
    entries(lock).find(|(_, it)| *it == path).map(|(sha256, _)| sha256)
}

fn folder(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

fn sha256(text: &str) -> String {
    Sha256::digest(text.as_bytes())
        .iter()
        .fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"))
}

fn read() -> Result<String> {
    match fs::read_to_string(workspace::root().join(LOCK)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
        other => other.context(LOCK),
    }
}

/// Every version of the lock that a commit in reach holds.
fn committed() -> Result<Vec<String>> {
    let commits = git(&["log", "--format=%H", "--", LOCK])?;
    // The commit that takes the whole file away has no version of it.
    let still = |commit: &&str| {
        git(&["ls-tree", "--name-only", commit, LOCK]).is_ok_and(|it| !it.is_empty())
    };
    commits.lines().filter(still).map(|it| git(&["show", &format!("{it}:{LOCK}")])).collect()
}

fn git(arguments: &[&str]) -> Result<String> {
    let mut git = Command::new("git");
    let output =
        git.current_dir(workspace::root()).args(arguments).output().context("starting git")?;
    if !output.status.success() {
        bail!("git {}: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr).trim());
    }
    String::from_utf8(output.stdout).context("git's output is not UTF-8")
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATH: &str = "gateway/sqlite/0001_a.sql";

    fn files(all: &[(&str, &str)]) -> BTreeMap<String, String> {
        all.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect()
    }

    fn lock() -> String {
        format!("# landed\n{}  {PATH}\n", sha256("one"))
    }

    #[test]
    fn a_landed_file_may_not_change_or_go() {
        assert_eq!(check_against(&lock(), &files(&[(PATH, "one")])), Vec::<String>::new());
        assert_eq!(check_against(&lock(), &files(&[(PATH, "two")])).len(), 1);
        assert_eq!(check_against(&lock(), &files(&[])).len(), 1);
    }

    #[test]
    fn a_new_file_may_change_until_it_lands_but_comes_last() {
        let later = files(&[(PATH, "one"), ("gateway/sqlite/0002_b.sql", "two")]);
        assert_eq!(check_against(&lock(), &later), Vec::<String>::new());
        let before = files(&[(PATH, "one"), ("gateway/sqlite/0000_b.sql", "two")]);
        assert_eq!(check_against(&lock(), &before).len(), 1);
    }

    #[test]
    fn a_line_that_was_committed_stays() {
        assert_eq!(check_history(&lock(), &[lock()]), Vec::<String>::new());
        assert_eq!(check_history("", &[lock(), lock()]).len(), 1);
        let changed = lock().replace(&sha256("one"), &sha256("two"));
        assert_eq!(check_history(&changed, &[lock()]).len(), 1);
    }
}
