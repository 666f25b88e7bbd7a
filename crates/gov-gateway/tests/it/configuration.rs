//! The documentation of the configuration.

use gov_gateway::config::keys::{Documented, documented, variable};

const DOC: &str = include_str!("../../../../docs/configuration.md");

#[test]
fn the_document_lists_every_key_with_its_type_default_and_effect() {
    let keys = documented();
    for Documented { path, kind, default, effect } in &keys {
        let default = match *default {
            "" => "not set".to_owned(),
            default => format!("`{default}`"),
        };
        let row = format!("| `{path}` | {} | {default} | {effect} |", kind.replace('|', "\\|"));
        assert!(DOC.contains(&row), "docs/configuration.md must hold\n{row}");
    }
    let rows = DOC.lines().filter(|it| it.starts_with("| `") && it.contains('.')).count();
    assert_eq!(rows, keys.len(), "docs/configuration.md lists a key that does not exist");
}

#[test]
fn the_document_shows_how_a_variable_is_spelt() {
    assert!(DOC.contains(&variable("server.listen")));
}
