//! What the page is tried with in a browser: npm's packages, below the target directory.

use std::{path::PathBuf, process::Command};

use anyhow::{Context as _, Result, ensure};

use crate::workspace;

/// Package and version: the browser's driver, and the judge of accessibility.
const PACKAGES: &[(&str, &str)] = &[("axe-core", "4.14.1"), ("playwright-core", "1.65.1")];

/// The folder that has the packages; it is filled on first use.
pub(crate) fn modules() -> Result<PathBuf> {
    let folder = workspace::target().join("xtask-node");
    let modules = folder.join("node_modules");
    if PACKAGES.iter().all(|(package, version)| installed(&modules, package, version)) {
        return Ok(modules);
    }
    eprintln!("installing node's packages in {}", folder.display());
    std::fs::create_dir_all(&folder).context("the folder of node's packages")?;
    let wanted = PACKAGES.iter().map(|(package, version)| format!("{package}@{version}"));
    let npm = ["install", "--no-audit", "--no-fund", "--no-save", "--ignore-scripts", "--prefix"];
    // Standard output belongs to what the tests print.
    let status = Command::new("npm")
        .args(npm)
        .arg(&folder)
        .args(wanted)
        .stdout(std::io::stderr())
        .status()
        .context("starting npm")?;
    ensure!(status.success(), "npm ended with {status}");
    let missing = PACKAGES.iter().find(|(name, version)| !installed(&modules, name, version));
    ensure!(missing.is_none(), "npm has installed the packages, and {missing:?} is not there");
    Ok(modules)
}

fn installed(modules: &std::path::Path, package: &str, version: &str) -> bool {
    // What cannot be read is not there.
    std::fs::read_to_string(modules.join(package).join("package.json"))
        .is_ok_and(|it| it.contains(&format!("\"version\": \"{version}\"")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_version_is_not_the_one_that_is_wanted() {
        let folder = std::env::temp_dir().join(format!("xtask-node-{}", std::process::id()));
        std::fs::create_dir_all(folder.join("a")).unwrap();
        std::fs::write(folder.join("a/package.json"), "{\n  \"version\": \"1.2.3\"\n}").unwrap();
        assert!(installed(&folder, "a", "1.2.3"));
        assert!(!installed(&folder, "a", "1.2.30") && !installed(&folder, "b", "1.2.3"));
        std::fs::remove_dir_all(folder).unwrap();
    }
}
