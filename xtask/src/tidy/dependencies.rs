//! Every dependency of the workspace has its reason in `docs/dependencies.md`, and no other has.

use std::collections::BTreeSet;

use crate::workspace::File;

const DOCUMENT: &str = "docs/dependencies.md";

pub(super) fn check(files: &[File]) -> Vec<String> {
    let text = |path: &str| files.iter().find(|it| it.path == path).map_or("", |it| &it.text);
    let declared = declared(text("Cargo.toml"));
    let explained = explained(text(DOCUMENT));
    let missing = declared
        .difference(&explained)
        .map(|it| format!("{DOCUMENT}: needs a row with the reason for {it}"));
    let stale = explained
        .difference(&declared)
        .map(|it| format!("{DOCUMENT}: {it} is no dependency of the workspace any more"));
    missing.chain(stale).collect()
}

/// The names under `[workspace.dependencies]` that come from outside.
fn declared(manifest: &str) -> BTreeSet<&str> {
    let table = manifest.lines().skip_while(|it| *it != "[workspace.dependencies]").skip(1);
    let entries = table.take_while(|it| !it.starts_with('[')).filter(|it| !it.contains("path = "));
    entries
        .filter_map(|it| it.split_once(" = "))
        .map(|(name, _)| name)
        .filter(|it| !it.starts_with('#'))
        .collect()
}

/// The names in the first column of the tables: `` | `name` | licence | reason | ``.
fn explained(document: &str) -> BTreeSet<&str> {
    let rows = document.lines().filter_map(|it| it.strip_prefix("| `")?.split_once("` |"));
    rows.filter(|(_, rest)| rest.split('|').filter(|it| !it.trim().is_empty()).count() >= 2)
        .map(|(name, _)| name)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dependency_without_reason_and_a_reason_without_dependency_are_found() {
        let manifest = "[workspace.dependencies]\ngov-core = { path = \"a\" }\n# why = \"x\"\nsha2 = \"0.11\"\nserde = \"1\"\n\n[profile.dev]\n";
        let document = "| `serde` | MIT | data |\n| `chrono` | MIT | dates |\n| `sha2` | MIT | |\n";
        let files = [File::new("Cargo.toml", manifest), File::new(DOCUMENT, document)];
        assert_eq!(
            check(&files),
            [
                "docs/dependencies.md: needs a row with the reason for sha2",
                "docs/dependencies.md: chrono is no dependency of the workspace any more",
            ]
        );
    }
}
