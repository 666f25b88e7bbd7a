//! Cargo, called from a program that cargo itself has started.

use std::{
    env,
    ffi::OsString,
    process::{Command, ExitStatus},
};

use anyhow::{Context as _, Result};

use crate::workspace;

/// Cargo at the root of the workspace, in an environment as if a person had called it.
///
/// `cargo run` tells this program about *this* package. Build scripts that watch those variables
/// (ring's does) would run again, and most of the tree after them.
pub(crate) fn command() -> Command {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
    let mut command = Command::new(cargo);
    command.current_dir(workspace::root());
    for (name, _) in env::vars_os() {
        if name.to_str().is_some_and(is_about_this_package) {
            command.env_remove(name);
        }
    }
    command
}

/// Runs it with this program's own standard streams.
pub(crate) fn status(command: &mut Command) -> Result<ExitStatus> {
    let program = command.get_program().to_string_lossy().into_owned();
    command.status().with_context(|| format!("starting {program}"))
}

fn is_about_this_package(name: &str) -> bool {
    ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_", "CARGO_CRATE_"]
        .iter()
        .any(|it| name.starts_with(it))
        || matches!(name, "CARGO_PRIMARY_PACKAGE" | "OUT_DIR" | "LD_LIBRARY_PATH")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cargo_run_says_of_xtask_is_not_handed_on() {
        assert!(is_about_this_package("CARGO_PKG_NAME"));
        assert!(is_about_this_package("CARGO_MANIFEST_DIR"));
        assert!(!is_about_this_package("CARGO_TARGET_DIR"));
        assert!(!is_about_this_package("CARGO_INCREMENTAL"));
    }
}
