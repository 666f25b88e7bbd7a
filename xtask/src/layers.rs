//! Which crate may depend on which.

use anyhow::{Context as _, Result};
use serde_json::Value;

use crate::{tree, workspace};

/// Lower layers first. A crate may depend only on crates of a lower layer.
const LAYERS: &[&[&str]] = &[
    // xtask stands down here because it may depend on no gov crate at all.
    &["gov-core", "xtask"],
    &["gov-store"],
    &["gov-escalation", "gov-retention", "gov-audit-buffer", "gov-deferred-audit", "gov-ledger"],
    &["gov-gateway"],
];

/// What gov-core must not get by name: it does no I/O.
const IO_CRATES: &[&str] = &[
    "async-nats",
    "axum",
    "gov-store",
    "hyper",
    "object_store",
    "reqwest",
    "rusqlite",
    "rustix",
    "rustls",
    "sqlx",
    "tempfile",
];

/// The parts of tokio that open files, sockets or processes.
const IO_FEATURES: &[&str] = &["fs", "full", "io-std", "net", "process", "signal"];

/// Returns one line for each forbidden dependency.
pub(crate) fn check() -> Result<Vec<String>> {
    let metadata = workspace::metadata()?;
    let mut problems = Vec::new();
    for package in list(&metadata, "packages")? {
        problems.extend(check_package(package)?);
    }
    problems.extend(tree::check()?);
    Ok(problems)
}

fn check_package(package: &Value) -> Result<Vec<String>> {
    let name = name_of(package)?;
    let Some(layer) = layer_of(name) else {
        return Ok(vec![format!("{name}: has no layer; add it to LAYERS in xtask/src/layers.rs")]);
    };
    let mut problems = Vec::new();
    for dependency in list(package, "dependencies")? {
        let depends_on = name_of(dependency)?;
        if depends_on != name && layer_of(depends_on).is_some_and(|it| layer <= it) {
            problems.push(format!(
                "{name}: must not depend on {depends_on}, of the same or a higher layer"
            ));
        }
        if name == "gov-core" && is_normal(dependency) {
            problems.extend(io_problem(dependency)?);
        }
    }
    Ok(problems)
}

fn io_problem(dependency: &Value) -> Result<Option<String>> {
    let name = name_of(dependency)?;
    if IO_CRATES.contains(&name) {
        return Ok(Some(format!("gov-core: does no I/O, and {name} is for I/O")));
    }
    let mut features = list(dependency, "features")?.iter().filter_map(Value::as_str);
    let io = features.find(|it| IO_FEATURES.contains(it)).filter(|_| name == "tokio");
    Ok(io.map(|it| format!("gov-core: does no I/O, and tokio's feature `{it}` is for I/O")))
}

/// Cargo writes `null` for what is neither a dev nor a build dependency.
fn is_normal(dependency: &Value) -> bool {
    dependency.get("kind").is_none_or(Value::is_null)
}

fn layer_of(name: &str) -> Option<usize> {
    LAYERS.iter().position(|layer| layer.contains(&name))
}

fn name_of(value: &Value) -> Result<&str> {
    value.get("name").and_then(Value::as_str).context("cargo metadata: a `name` is missing")
}

fn list<'a>(value: &'a Value, key: &str) -> Result<&'a Vec<Value>> {
    value
        .get(key)
        .and_then(Value::as_array)
        .with_context(|| format!("cargo metadata: `{key}` is not a list"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn layers_hold() {
        assert_eq!(check().unwrap(), Vec::<String>::new());
    }

    #[test]
    fn a_feature_crate_may_not_know_another() {
        let package = json!({
            "name": "gov-ledger",
            "dependencies": [{"name": "gov-core"}, {"name": "gov-escalation"}, {"name": "tokio"}],
        });
        assert_eq!(
            check_package(&package).unwrap(),
            ["gov-ledger: must not depend on gov-escalation, of the same or a higher layer"]
        );
    }

    #[test]
    fn a_crate_may_know_itself_for_its_tests() {
        let package = json!({"name": "gov-store", "dependencies": [{"name": "gov-store"}]});
        assert_eq!(check_package(&package).unwrap(), Vec::<String>::new());
    }

    #[test]
    fn xtask_may_know_no_crate_of_the_house() {
        let package =
            json!({"name": "xtask", "dependencies": [{"name": "gov-core", "features": []}]});
        assert_eq!(check_package(&package).unwrap().len(), 1);
    }

    #[test]
    fn a_new_crate_needs_a_layer() {
        let package = json!({"name": "gov-new", "dependencies": []});
        assert_eq!(check_package(&package).unwrap().len(), 1);
    }

    #[test]
    fn gov_core_does_no_io() {
        let package = json!({
            "name": "gov-core",
            "dependencies": [
                {"name": "rusqlite", "features": []},
                {"name": "tokio", "features": ["sync", "net"]},
                {"name": "tempfile", "kind": "dev", "features": []},
            ],
        });
        assert_eq!(
            check_package(&package).unwrap(),
            [
                "gov-core: does no I/O, and rusqlite is for I/O",
                "gov-core: does no I/O, and tokio's feature `net` is for I/O",
            ]
        );
    }
}
