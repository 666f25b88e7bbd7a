//! An empty, migrated database for each test.

#![expect(
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    reason = "a test that has no database fails by panicking"
)]

use gov_core::Timestamp;

use crate::migrations::Component;

/// A SQLite file in a folder that goes away with it.
#[cfg(feature = "sqlite")]
#[derive(Debug)]
pub struct SqliteFile {
    /// The open file.
    pub database: crate::sqlite::Database,
    folder: tempfile::TempDir,
}

#[cfg(feature = "sqlite")]
impl SqliteFile {
    /// Where the file lies. Inside this process only SQLite may open it.
    #[must_use]
    pub fn path(&self) -> std::path::PathBuf {
        self.folder.path().join("gov.db")
    }

    /// The database, for who closes it, and the folder, which goes away when it is dropped.
    #[must_use]
    pub fn into_parts(self) -> (crate::sqlite::Database, tempfile::TempDir) {
        (self.database, self.folder)
    }
}

/// Makes a SQLite file with the tables of `components`.
#[cfg(feature = "sqlite")]
#[must_use]
pub fn sqlite(components: &[&Component]) -> SqliteFile {
    sqlite_with(&crate::sqlite::DatabaseOptions::new("test"), components)
}

/// Like [`sqlite`], with options of the caller's choice.
#[cfg(feature = "sqlite")]
#[must_use]
pub fn sqlite_with(
    options: &crate::sqlite::DatabaseOptions,
    components: &[&Component],
) -> SqliteFile {
    let folder = tempfile::tempdir().unwrap();
    let options =
        crate::sqlite::DatabaseOptions { reverse_unordered_selects: true, ..options.clone() };
    let path = folder.path().join("gov.db");
    let database =
        crate::sqlite::Database::open(&path, &options, components, Timestamp::UNIX_EPOCH).unwrap();
    SqliteFile { database, folder }
}

/// Makes a database on the server that `GOV_TEST_POSTGRES_URL` names.
///
/// It stays behind: the server is meant to be thrown away. Without a server there is one line on
/// standard error and `None`, or, where `CI=true`, a panic: CI never skips.
#[cfg(feature = "postgres")]
pub async fn postgres(components: &[&Component]) -> Option<sqlx::PgPool> {
    use sqlx::{
        AssertSqlSafe, Connection as _, PgConnection,
        postgres::{PgConnectOptions, PgPoolOptions},
    };

    let Ok(url) = std::env::var("GOV_TEST_POSTGRES_URL") else {
        say_what_is_missing();
        return None;
    };
    // A forgotten `order by` must not pass by luck: without indexes the order is the heap's. Plans
    // without them look so dear that PostgreSQL would compile each, at 0.2 s a statement.
    let off = ["enable_indexscan", "enable_bitmapscan", "enable_nestloop", "jit"];
    let server: PgConnectOptions = url.parse().unwrap();
    let server = server.options(off.map(|setting| (setting, "off")));
    let name = format!("gov_test_{}", uuid::Uuid::new_v4().simple());
    let mut connection = PgConnection::connect_with(&server).await.unwrap();
    let create = format!("create database {name}");
    sqlx::query(AssertSqlSafe(create)).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    let pool =
        PgPoolOptions::new().max_connections(4).connect_with(server.database(&name)).await.unwrap();
    for component in components {
        crate::postgres::migrate(&pool, component, Timestamp::UNIX_EPOCH).await.unwrap();
    }
    Some(pool)
}

#[cfg(feature = "postgres")]
fn say_what_is_missing() {
    use std::{io::Write as _, sync::Once};

    static ONCE: Once = Once::new();
    let missing = "PostgreSQL tests need GOV_TEST_POSTGRES_URL, the URL of a throw-away server";
    assert!(std::env::var("CI").as_deref() != Ok("true"), "{missing}");
    // Not `eprintln!`: the test harness swallows it.
    ONCE.call_once(|| {
        std::io::stderr().write_all(format!("skipped: {missing}\n").as_bytes()).unwrap();
    });
}
