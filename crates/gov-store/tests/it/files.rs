//! The settings in force, and the files on the disk.

use std::{fs, os::unix::fs::PermissionsExt as _};

use gov_core::Timestamp;
use gov_store::{
    fresh_database,
    sqlite::{
        Database, DatabaseOptions, OpenError, Sync,
        rusqlite::{self, Connection},
    },
};

use crate::notes::{NOTES, write};

const SETTINGS: [&str; 9] = [
    "journal_mode",
    "foreign_keys",
    "busy_timeout",
    "trusted_schema",
    "cell_size_check",
    "temp_store",
    "wal_autocheckpoint",
    "journal_size_limit",
    "query_only",
];

fn in_force(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    let read = |name| {
        connection.pragma_query_value(None, name, |row| {
            Ok(match row.get_ref(0)? {
                rusqlite::types::ValueRef::Integer(it) => it.to_string(),
                other => other.as_str()?.to_owned(),
            })
        })
    };
    SETTINGS.into_iter().map(read).collect()
}

#[tokio::test]
async fn the_settings_we_rely_on_are_in_force() {
    let file = fresh_database::sqlite(&[]);
    let writing = file.database.writer.write(Sync::Full, |tx| in_force(tx)).await.unwrap();
    assert_eq!(writing, ["wal", "1", "5000", "0", "1", "2", "0", "16777216", "0"]);
    let reading = file.database.readers.read(in_force).await.unwrap();
    assert_eq!(reading[..6], ["wal", "1", "5000", "0", "1", "2"]);
    assert_eq!(reading[8], "1");
}

#[tokio::test]
async fn every_file_is_its_owners_alone() {
    let file = fresh_database::sqlite(&[&NOTES]);
    write(&file.database.writer, Sync::Full, 1).await.unwrap();
    for entry in fs::read_dir(file.path().parent().unwrap()).unwrap() {
        let entry = entry.unwrap();
        let mode = entry.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{}", entry.path().display());
    }
}

#[tokio::test]
async fn a_file_that_others_can_read_is_closed_to_them() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("gov.db");
    fs::write(&path, "").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    let options = DatabaseOptions::new("test");
    let database = Database::open(&path, &options, &[], Timestamp::UNIX_EPOCH).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    database.close().await;
}

#[tokio::test]
async fn a_closed_database_is_one_file() {
    let file = fresh_database::sqlite(&[&NOTES]);
    let folder = file.path().parent().unwrap().to_owned();
    write(&file.database.writer, Sync::Spooled, 1).await.unwrap();
    let count = || fs::read_dir(&folder).unwrap().count();
    assert_eq!(count(), 3);
    let (database, _folder) = file.into_parts();
    database.close().await;
    assert_eq!(count(), 1);
}

#[test]
fn a_file_that_is_no_database_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("gov.db");
    fs::write(&path, "not a database, but long enough to have a header".repeat(20)).unwrap();
    let opened = Database::open(&path, &DatabaseOptions::new("test"), &[], Timestamp::UNIX_EPOCH);
    assert!(matches!(opened, Err(OpenError::Sqlite { .. })), "{opened:?}");
}
