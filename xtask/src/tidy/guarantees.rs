//! A promise names the tests that hold it, and those tests exist.
//!
//! Judged are `docs/guarantees.md` and each crate's README from its heading `## Guarantees` to the
//! next one. There a name in backquotes with at least two underscores is the name of a test,
//! bare or with its path (`store::sqlite::a_stale_lease_cannot_write`); a name that starts with
//! `gov_` is a metric. The tests are found in the sources and not by `cargo test -- --list`: the
//! list would build every test binary from inside of a test.

use std::collections::BTreeSet;

use crate::{rust_source::RustSource, workspace::File};

pub(super) fn check(files: &[File]) -> Vec<String> {
    let known: BTreeSet<String> =
        files.iter().filter(|it| it.is_rust()).flat_map(|it| tests_in(&it.text)).collect();
    let mut problems = Vec::new();
    for file in files.iter().filter(|it| it.has_extension("md")) {
        let all = file.path == "docs/guarantees.md";
        let readme = file.path.starts_with("crates/") && file.path.ends_with("/README.md");
        let mut inside = all;
        for (number, line) in file.text.lines().enumerate().filter(|_| all || readme) {
            if line.starts_with("## ") && !all {
                inside = line.trim() == "## Guarantees";
            }
            for name in names_in(line).filter(|_| inside) {
                if !known.contains(name) {
                    problems.push(format!(
                        "{}:{}: no test is named `{name}`",
                        file.path,
                        number + 1
                    ));
                }
            }
        }
    }
    problems
}

/// The names of tests that a line of text speaks of.
fn names_in(line: &str) -> impl Iterator<Item = &str> {
    let quoted = line.split('`').skip(1).step_by(2);
    quoted
        .map(|it| it.rsplit("::").next().unwrap_or(it))
        .filter(|it| is_sentence(it) && !it.starts_with("gov_"))
}

/// The names of the tests that a source declares: functions under an attribute that ends in
/// `test`, and names in the list of a macro, as in `rule!(a_stale_lease_cannot_write)`.
fn tests_in(text: &str) -> Vec<String> {
    let code = RustSource::read(text).code;
    let mut names = Vec::new();
    let mut under_test = false;
    for line in code.lines().map(str::trim) {
        if let Some(attribute) = line.strip_prefix("#[") {
            let path = attribute.split(['(', ']']).next().unwrap_or_default();
            under_test |= path == "test" || path.ends_with("::test");
        } else if let Some(name) = function_name(line) {
            if under_test {
                names.push(name.to_owned());
            }
            under_test = false;
        }
        names.extend(listed(line).map(str::to_owned));
    }
    names
}

fn function_name(line: &str) -> Option<&str> {
    let before_fn = ["fn ", "async fn ", "pub fn ", "pub async fn "];
    let rest = before_fn.iter().find_map(|it| line.strip_prefix(it))?;
    rest.split(['(', '<']).next().map(str::trim)
}

/// The sentences among the arguments of the macros called in a line.
fn listed(line: &str) -> impl Iterator<Item = &str> {
    let calls = line.split("!(").skip(1).filter_map(|it| it.split(')').next());
    calls.flat_map(|it| it.split(',')).map(str::trim).filter(|it| is_sentence(it))
}

fn is_sentence(name: &str) -> bool {
    name.chars().all(|it| it.is_ascii_lowercase() || it.is_ascii_digit() || it == '_')
        && name.matches('_').count() >= 2
}

#[cfg(test)]
mod tests {
    use super::*;

    const TESTS: &str = "//! A.
#[test]
fn one_is_not_two() {}
#[tokio::test(flavor = \"current_thread\")]
#[ignore = \"long\"]
async fn two_is_not_three() {}
fn this_is_no_test() {}
for_each_rule!(rule); rule!(three_is_not_four);
";

    fn problems(path: &str, text: &str) -> Vec<String> {
        check(&[File::new("crates/gov-x/src/a.rs", TESTS), File::new(path, text)])
    }

    #[test]
    fn a_promise_without_its_test_is_found() {
        let text = "| kept | `this_is_no_test`, `store::four_is_not_five` |\n";
        assert_eq!(
            problems("docs/guarantees.md", text),
            [
                "docs/guarantees.md:1: no test is named `this_is_no_test`",
                "docs/guarantees.md:1: no test is named `four_is_not_five`",
            ]
        );
    }

    #[test]
    fn tests_are_found_under_attributes_and_in_lists() {
        let text = "`one_is_not_two` `a::two_is_not_three` `three_is_not_four` `gov_records_possibly_missing`";
        assert_eq!(problems("docs/guarantees.md", text), Vec::<String>::new());
    }

    #[test]
    fn a_readme_is_judged_in_its_guarantees_alone() {
        let text = "`not_a_test`\n## Guarantees\n1. `a_b_c`\n## Else\n`d_e_f`\n";
        assert_eq!(problems("crates/gov-x/README.md", text).len(), 1);
    }
}
