//! One crate: its manifest takes the workspace's lints, and what has code has a README.

use crate::{rust_source::RustSource, workspace::File};

pub(super) fn check(files: &[File]) -> Vec<String> {
    files.iter().filter_map(|it| Some((it, it.path.strip_suffix("/Cargo.toml")?))).fold(
        Vec::new(),
        |mut problems, (manifest, folder)| {
            if !takes_the_lints(&manifest.text) {
                problems
                    .push(format!("{}: needs `[lints]` with `workspace = true`", manifest.path));
            }
            if folder.starts_with("crates/")
                && has_code(files, folder)
                && !has_readme(files, folder)
            {
                problems.push(format!("{folder}: has code and needs a README.md"));
            }
            problems
        },
    )
}

fn takes_the_lints(manifest: &str) -> bool {
    let mut lines = manifest.lines().skip_while(|it| it.trim() != "[lints]").skip(1);
    lines.find(|it| !it.trim().is_empty()).is_some_and(|it| it.trim() == "workspace = true")
}

/// A crate that only reserves its name holds nothing but its crate doc.
fn has_code(files: &[File], folder: &str) -> bool {
    let source = format!("{folder}/src/");
    let mut sources = files.iter().filter(|it| it.is_rust() && it.path.starts_with(&source));
    sources.any(|it| !RustSource::read(&it.text).code.trim().is_empty())
}

fn has_readme(files: &[File], folder: &str) -> bool {
    let readme = format!("{folder}/README.md");
    files.iter().any(|it| it.path == readme)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MANIFEST: &str = "[package]\nname = \"gov-x\"\n\n[lints]\nworkspace = true\n";

    #[test]
    fn a_manifest_without_the_lints_is_found() {
        let manifest = File::new("crates/gov-x/Cargo.toml", "[package]\nname = \"gov-x\"\n");
        assert_eq!(check(&[manifest]).len(), 1);
        assert_eq!(check(&[File::new("crates/gov-x/Cargo.toml", MANIFEST)]), Vec::<String>::new());
    }

    #[test]
    fn code_needs_a_readme_and_a_reserved_name_does_not() {
        let manifest = || File::new("crates/gov-x/Cargo.toml", MANIFEST);
        let reserved = File::new("crates/gov-x/src/lib.rs", "//! Reserved.\n");
        assert_eq!(check(&[manifest(), reserved]), Vec::<String>::new());
        let code = || File::new("crates/gov-x/src/lib.rs", "//! X.\nmod a;\n");
        assert_eq!(check(&[manifest(), code()]), ["crates/gov-x: has code and needs a README.md"]);
        let readme = File::new("crates/gov-x/README.md", "# gov-x\n");
        assert_eq!(check(&[manifest(), code(), readme]), Vec::<String>::new());
    }
}
