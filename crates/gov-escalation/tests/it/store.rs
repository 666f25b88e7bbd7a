//! Every backend against the one contract, and who is kept from its tables.

use gov_core::Timestamp;
use gov_escalation::store::{postgres as pg, sqlite as lite};
use gov_store::{
    fresh_database,
    migrations::{Component, MigrateError},
    postgres::migrate,
    sqlite::{Database, DatabaseOptions, OpenError},
};

mod memory;
mod postgres;
mod sqlite;

/// The changes after which a program that does not know them would take one vote for the answer,
/// fire through a halt, or take a grant for the answer about one action.
const MISREAD: [usize; 3] = [4, 5, 6];

/// The component as the program knew it that had the first `known` of its migrations.
fn as_of(component: Component, known: usize) -> Component {
    Component { migrations: &component.migrations[..known], ..component }
}

fn is_for_newer(error: &MigrateError, version: usize) -> bool {
    let version = i64::try_from(version).unwrap();
    matches!(error, MigrateError::NewerSchema { needs, .. } if *needs == version)
}

#[test]
fn a_program_that_would_misread_a_file_of_approvals_does_not_open_it() {
    for version in MISREAD {
        let file = fresh_database::sqlite(&[&as_of(lite::COMPONENT, version)]);
        let (before, at) = (as_of(lite::COMPONENT, version - 1), Timestamp::UNIX_EPOCH);
        let options = DatabaseOptions::new("test");
        let error = Database::open(&file.path(), &options, &[&before], at).unwrap_err();
        let OpenError::Migrate(error) = error else { panic!("{error}") };
        assert!(is_for_newer(&error, version), "{error}");
    }
}

#[tokio::test]
async fn a_program_that_would_misread_a_database_of_approvals_does_not_open_it() {
    for version in MISREAD {
        let component = as_of(pg::COMPONENT, version);
        let Some(pool) = fresh_database::postgres(&[&component]).await else { return };
        let before = as_of(pg::COMPONENT, version - 1);
        let error = migrate(&pool, &before, Timestamp::UNIX_EPOCH).await.unwrap_err();
        assert!(is_for_newer(&error, version), "{error}");
    }
}
