//! Where the workspace lies and what it holds.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use crate::cargo;

/// A file of the workspace that git knows, or would take.
#[derive(Debug)]
pub(crate) struct File {
    /// The path from the root, with `/`.
    pub(crate) path: String,
    /// The text; bytes that are not UTF-8 are replaced.
    pub(crate) text: String,
}

impl File {
    #[cfg(test)]
    pub(crate) fn new(path: &str, text: &str) -> Self {
        Self { path: path.to_owned(), text: text.to_owned() }
    }

    pub(crate) fn is_rust(&self) -> bool {
        self.has_extension("rs")
    }

    pub(crate) fn has_extension(&self, extension: &str) -> bool {
        Path::new(&self.path).extension().is_some_and(|it| it == extension)
    }
}

/// The root of the workspace.
///
/// Cargo tells it to what it starts. What was compiled in may be another clone's, where two share
/// a target directory.
pub(crate) fn root() -> PathBuf {
    let manifest = std::env::var_os("CARGO_MANIFEST_DIR")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
    manifest.parent().map_or_else(|| manifest.clone(), Path::to_path_buf)
}

/// Where cargo builds, as an absolute path.
pub(crate) fn target() -> PathBuf {
    // Cargo takes a relative one from where it runs, and `cargo::command` runs it at the root.
    root().join(std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into()))
}

/// Every file that is committed, or is new and not ignored, in the order of the paths.
/// Symbolic links are left out.
pub(crate) fn files() -> Result<Vec<File>> {
    let root = root();
    let output = Command::new("git")
        .current_dir(&root)
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .output()
        .context("starting git")?;
    ensure!(output.status.success(), "git ls-files: {}", String::from_utf8_lossy(&output.stderr));
    let mut files = Vec::new();
    for path in String::from_utf8_lossy(&output.stdout).split_terminator('\0') {
        let full = root.join(path);
        match fs::symlink_metadata(&full) {
            Ok(it) if it.is_file() => {
                let bytes = fs::read(&full).with_context(|| format!("reading {path}"))?;
                let text = String::from_utf8_lossy(&bytes).into_owned();
                files.push(File { path: path.to_owned(), text });
            }
            Ok(_) => (),
            // Deleted, and not committed yet.
            Err(error) if error.kind() == io::ErrorKind::NotFound => (),
            Err(error) => return Err(error).with_context(|| format!("reading {path}")),
        }
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    files.dedup_by(|a, b| a.path == b.path);
    Ok(files)
}

/// What `cargo metadata` says of the members.
pub(crate) fn metadata() -> Result<Value> {
    let output = cargo::command()
        .args(["metadata", "--no-deps", "--format-version=1"])
        .output()
        .context("starting cargo metadata")?;
    ensure!(output.status.success(), "cargo metadata: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).context("reading cargo metadata")
}
