//! What would change, shown before it is written.

use std::path::Path;

use gov_core::text;
use similar::TextDiff;

/// A unified diff; what could deceive a terminal is escaped. Empty where nothing changes.
pub(super) fn unified(path: &Path, before: &str, after: &str) -> String {
    let name = path.to_string_lossy();
    let diff = TextDiff::from_lines(before, after);
    let unified = diff.unified_diff().context_radius(3).header(&name, &name).to_string();
    // Tabs indent, and lines end.
    let shown = |line: &str| line.split('\t').map(text::escape).collect::<Vec<_>>().join("\t");
    unified.lines().map(|line| shown(line) + "\n").collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_diff_names_the_file_and_cannot_steer_the_terminal() {
        let shown =
            unified(Path::new("/a/s.json"), "{\n\t\"a\": 1\n}\n", "{\n\t\"\u{1b}\": 1\n}\n");
        let expected = "--- /a/s.json\n+++ /a/s.json\n@@ -1,3 +1,3 @@\n {\n-\t\"a\": 1\n\
                        +\t\"\\u{1b}\": 1\n }\n";
        assert_eq!(shown, expected);
        assert_eq!(unified(Path::new("/a"), "x", "x"), "");
    }
}
