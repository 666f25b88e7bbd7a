//! What every file has to look like.

mod dependencies;
mod guarantees;
mod machine;
mod manifests;
mod modules;
mod sql;

use anyhow::Result;

use crate::workspace;

/// Returns one line for each thing out of order.
pub(crate) fn check() -> Result<Vec<String>> {
    let files = workspace::files()?;
    let mut problems = modules::check(&files);
    problems.extend(manifests::check(&files));
    problems.extend(sql::check(&files));
    problems.extend(machine::check(&files, &machine::places()?));
    problems.extend(guarantees::check(&files));
    problems.extend(dependencies::check(&files));
    Ok(problems)
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_workspace_is_tidy() {
        assert_eq!(super::check().unwrap(), Vec::<String>::new());
    }
}
