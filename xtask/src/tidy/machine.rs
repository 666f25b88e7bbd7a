//! Nothing that is committed names a place on the machine it was written on.
//!
//! The places are asked of the machine that runs the check, so none of them stands here.

use std::{
    collections::BTreeSet,
    env,
    path::{Path, PathBuf},
};

use anyhow::Result;

use crate::workspace::{self, File};

/// The folders of this machine that a text must not name.
pub(super) fn places() -> Result<Vec<String>> {
    let home = env::var_os("HOME").map(PathBuf::from);
    let under_home = |variable: &str, folder: &str| {
        env::var_os(variable).map(PathBuf::from).or_else(|| Some(home.as_deref()?.join(folder)))
    };
    let places: BTreeSet<PathBuf> = [
        Some(workspace::root()),
        Some(workspace::root().canonicalize()?),
        env::var_os("CARGO_TARGET_DIR").map(PathBuf::from),
        under_home("CARGO_HOME", ".cargo"),
        under_home("RUSTUP_HOME", ".rustup"),
    ]
    .into_iter()
    .flatten()
    .filter(|it| is_telling(it))
    .collect();
    Ok(places.iter().map(|it| it.display().to_string()).collect())
}

pub(super) fn check(files: &[File], places: &[String]) -> Vec<String> {
    let mut problems = Vec::new();
    for File { path, text } in files {
        for (number, line) in text.lines().enumerate() {
            if places.iter().any(|it| names(line, it)) {
                problems.push(format!("{path}:{}: names a folder of this machine", number + 1));
            }
        }
        if path.ends_with(".cargo/config.toml") && text.lines().any(is_registry_setting) {
            problems.push(format!("{path}: settings of registries belong into each one's home"));
        }
    }
    problems
}

/// `/gov` or `/app`, where a container may keep a clone, is a word of our documents too.
fn is_telling(path: &Path) -> bool {
    path.is_absolute() && path.components().count() > 2
}

fn names(line: &str, place: &str) -> bool {
    let mut after = line.split(place).skip(1);
    after.any(|it| !it.starts_with(|it: char| it.is_alphanumeric() || it == '-' || it == '_'))
}

fn is_registry_setting(line: &str) -> bool {
    ["[source", "[registr"].iter().any(|it| line.trim_start().starts_with(it))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_of_this_machine_is_found_where_its_name_ends() {
        let places = ["/srv/clone".to_owned()];
        let found = |text: &str| check(&[File::new("README.md", text)], &places).len();
        assert_eq!(found("cd /srv/clone && ls"), 1);
        assert_eq!(found("see /srv/clone/README.md"), 1);
        assert_eq!(found("see /srv/clones or /srv"), 0);
    }

    #[test]
    fn the_place_of_this_clone_is_known() {
        let root = workspace::root();
        let places = places().unwrap();
        assert!(!is_telling(&root) || places.contains(&root.display().to_string()), "{places:?}");
    }

    #[test]
    fn a_mirror_of_the_registry_is_not_committed() {
        let config = File::new(".cargo/config.toml", "[source.crates-io]\nreplace-with = \"a\"\n");
        assert_eq!(check(&[config], &[]).len(), 1);
    }
}
