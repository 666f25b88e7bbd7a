//! What tests need beside cargo, and how it gets onto the machine.

pub(crate) mod node;
pub(crate) mod python;

use std::{env, path::Path, process::Command};

use anyhow::{Context as _, Result, bail, ensure};

use crate::services::{bin_dir, is_root, old_program};

/// A thing that tests start or read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Need {
    what: &'static str,
    /// What it is for, said when it is missing.
    reason: &'static str,
    /// Debian's package.
    package: &'static str,
    is_there: fn() -> bool,
}

pub(crate) const POSTGRES: Need = Need {
    what: "PostgreSQL 15 or newer",
    reason: "the stores are tested on a real server",
    package: "postgresql",
    is_there: || bin_dir().is_some(),
};

pub(crate) const NATS: Need = Need {
    what: "NATS",
    reason: "events are shipped to a real server, also to one without atomic batches",
    package: "nats-server",
    is_there: || old_program().is_some(),
};

pub(crate) const CURL: Need = Need {
    what: "curl",
    reason: "the tour asks over HTTP as a person would",
    package: "curl",
    is_there: || on_path("curl"),
};

pub(crate) const PYTHON_VENV: Need = Need {
    what: "Python's venv",
    reason: "Python packages bring a current NATS, and a second opinion on what we export",
    package: "python3-venv",
    is_there: || python::has_venv(),
};

pub(crate) const GO: Need = Need {
    what: "Go",
    reason: "its checksum database judges our exported log",
    package: "golang-go",
    is_there: || on_path("go"),
};

pub(crate) const GO_SUMDB: Need = Need {
    what: "golang.org/x/mod/sumdb",
    reason: "its checksum database judges our exported log",
    package: "golang-golang-x-mod-dev",
    is_there: || Path::new("/usr/share/gocode/src/golang.org/x/mod/sumdb").exists(),
};

pub(crate) const STRACE: Need = Need {
    what: "strace",
    reason: "faults are injected into system calls, and their order is proven",
    package: "strace",
    is_there: || on_path("strace"),
};

pub(crate) const NODE: Need = Need {
    what: "Node.js",
    reason: "it drives the browser in which the page is tried",
    package: "nodejs",
    is_there: || on_path("node"),
};

pub(crate) const NPM: Need = Need {
    what: "npm",
    reason: "the browser's driver is one of its packages",
    package: "npm",
    is_there: || on_path("npm"),
};

pub(crate) const CHROMIUM: Need = Need {
    what: "Chromium",
    reason: "the page is tried in a real browser",
    package: "chromium",
    is_there: || on_path("chromium"),
};

/// Installs what is missing; silent when nothing is.
///
/// # Errors
///
/// What is missing with its package, where this program can't install it.
pub(crate) fn ensure(needs: &[Need]) -> Result<()> {
    let missing = missing(needs);
    if missing.is_empty() {
        return Ok(());
    }
    let packages: Vec<&str> = missing.iter().map(|it| it.package).collect();
    for it in &missing {
        eprintln!("missing: {} ({}; Debian's package {})", it.what, it.reason, it.package);
    }
    let sudo = !is_root()?;
    if !on_path("apt-get") || (sudo && !on_path("sudo")) {
        bail!(
            "install what is missing, on Debian by `apt-get install {}` as root, and call again",
            packages.join(" ")
        );
    }
    apt(sudo, &["update", "-qq"])?;
    apt(
        sudo,
        &[&["install", "-qq", "-y", "--no-install-recommends"], packages.as_slice()].concat(),
    )?;
    let still = self::missing(&missing);
    ensure!(
        still.is_empty(),
        "apt-get installed {}, and still {} is not found",
        packages.join(" "),
        still.first().map_or("one", |it| it.what)
    );
    Ok(())
}

fn missing(needs: &[Need]) -> Vec<Need> {
    needs.iter().copied().filter(|it| !(it.is_there)()).collect()
}

fn apt(sudo: bool, arguments: &[&str]) -> Result<()> {
    let mut words = if sudo { vec!["sudo"] } else { Vec::new() };
    words.extend(["env", "DEBIAN_FRONTEND=noninteractive", "apt-get"]);
    words.extend(arguments);
    eprintln!("running: {}", words.join(" "));
    let (program, rest) = words.split_first().context("an empty command")?;
    // Standard output stays free for what the command itself prints.
    let status = Command::new(program)
        .args(rest)
        .stdout(std::io::stderr())
        .status()
        .with_context(|| format!("starting {program}"))?;
    ensure!(status.success(), "`{}` ended with {status}", words.join(" "));
    Ok(())
}

fn on_path(program: &str) -> bool {
    env::var_os("PATH").is_some_and(|it| env::split_paths(&it).any(|it| it.join(program).is_file()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_not_there_is_missing() {
        let there = Need { what: "sh", reason: "", package: "dash", is_there: || on_path("sh") };
        let not_there = Need { is_there: || on_path("no-such-program"), ..there };
        assert_eq!(missing(&[there, not_there, there]).len(), 1);
    }

    #[test]
    fn what_is_there_needs_no_installing() {
        let there = Need { what: "sh", reason: "", package: "dash", is_there: || on_path("sh") };
        ensure(&[there]).unwrap();
    }
}
