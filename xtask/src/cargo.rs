//! Cargo, called from a program that cargo itself has started.

use std::{
    env,
    ffi::OsString,
    path::{Path, PathBuf},
    process::{Command, ExitStatus, Stdio},
};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use crate::workspace;

/// Cargo at the root of the workspace, in an environment as if a person had called it.
pub(crate) fn command() -> Command {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
    let mut command = Command::new(cargo);
    command.current_dir(workspace::root());
    as_if_called_by_a_person(&mut command);
    command
}

/// `cargo run` tells this program about *this* package. Build scripts that watch those variables
/// (ring's does) would run again, and most of the tree after them, if cargo runs in `command`.
pub(crate) fn as_if_called_by_a_person(command: &mut Command) {
    for (name, _) in env::vars_os() {
        if name.to_str().is_some_and(is_about_this_package) {
            command.env_remove(name);
        }
    }
}

/// Builds the workspace with all features, and returns the path of the fresh `gov`.
///
/// Every chore builds this one selection: another would unify features differently, and build
/// most dependencies anew.
pub(crate) fn build_gov() -> Result<PathBuf> {
    let build = ["build", "--quiet", "--workspace", "--all-features"];
    let status = status(command().args(build))?;
    ensure!(status.success(), "cargo build ended with {status}");
    Ok(workspace::target().join("debug/gov"))
}

/// Builds the integration tests of the workspace, and returns the binary of one crate's.
pub(crate) fn build_tests_of(package: &str) -> Result<PathBuf> {
    let build = ["test", "--workspace", "--all-features", "--test=it", "--no-run"];
    let output = command()
        .args(build)
        .arg("--message-format=json-render-diagnostics")
        .stderr(Stdio::inherit())
        .output()
        .context("starting cargo test")?;
    ensure!(output.status.success(), "cargo test --no-run ended with {}", output.status);
    let folder = workspace::root().join("crates").join(package).join("Cargo.toml");
    let messages = String::from_utf8_lossy(&output.stdout);
    let found = messages.lines().find_map(|it| test_binary(it, &folder));
    found.with_context(|| format!("{package} has no tests in tests/it"))
}

/// The binary that a message of cargo's tells of, if it is the test of the crate.
fn test_binary(message: &str, manifest: &Path) -> Option<PathBuf> {
    let message: Value = serde_json::from_str(message).ok()?;
    let of_crate = Path::new(message.get("manifest_path")?.as_str()?) == manifest;
    let is_test = message.pointer("/target/name")? == "it";
    let binary = message.get("executable")?.as_str()?;
    (of_crate && is_test).then(|| binary.into())
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
    fn the_test_binary_of_a_crate_is_found_among_cargos_messages() {
        let message = r#"{"manifest_path": "/a/Cargo.toml", "target": {"name": "it"}, "executable": "/t/it-1"}"#;
        let found = |message: &str, manifest: &str| test_binary(message, Path::new(manifest));
        assert_eq!(found(message, "/a/Cargo.toml"), Some("/t/it-1".into()));
        assert_eq!(found(message, "/b/Cargo.toml"), None);
        assert_eq!(found(&message.replace("\"it\"", "\"e2e\""), "/a/Cargo.toml"), None);
        assert_eq!(found(r#"{"reason": "build-finished"}"#, "/a/Cargo.toml"), None);
    }

    #[test]
    fn what_cargo_run_says_of_xtask_is_not_handed_on() {
        assert!(is_about_this_package("CARGO_PKG_NAME"));
        assert!(is_about_this_package("CARGO_MANIFEST_DIR"));
        assert!(!is_about_this_package("CARGO_TARGET_DIR"));
        assert!(!is_about_this_package("CARGO_INCREMENTAL"));
    }
}
