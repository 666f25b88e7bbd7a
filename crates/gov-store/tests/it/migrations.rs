//! The same rules of migration on both backends.

use gov_store::migrations::{Component, MigrateError, Migration};

const ONE: Migration = Migration {
    version: 1,
    what: "room",
    sql: "create table room_thing (thing text not null); create index room_i on room_thing (thing)",
    min_reader: 1,
};
const TWO: Migration = Migration {
    version: 2,
    what: "size",
    sql: "alter table room_thing add column size integer",
    min_reader: 1,
};
const BREAKING: Migration = Migration { min_reader: 2, ..TWO };
const BROKEN: Migration = Migration {
    sql: "create table room_other (thing text); alter table nowhere add column size integer",
    ..TWO
};
const EDITED: Migration = Migration { sql: "create table room_thing (other text not null)", ..ONE };

const OLD: Component = Component { name: "room", migrations: &[ONE] };
const NEW: Component = Component { name: "room", migrations: &[ONE, TWO] };
const NEWER: Component = Component { name: "room", migrations: &[ONE, BREAKING] };
const FAILING: Component = Component { name: "room", migrations: &[ONE, BROKEN] };
const CHANGED: Component = Component { name: "room", migrations: &[EDITED] };

/// One list of rules; `migrate!(component)`, `readable!(component)` and `count!(sql)` are the
/// backend's.
macro_rules! rules {
    () => {
        #[tokio::test]
        async fn each_step_is_applied_once_and_remembered() {
            let db = fresh!();
            migrate!(db, OLD).unwrap();
            migrate!(db, NEW).unwrap();
            migrate!(db, NEW).unwrap();
            let hashes = "select count(*) from _room_migrations where length(sha256) = 64";
            assert_eq!(count!(db, hashes), 2);
            assert_eq!(count!(db, "select count(*) from room_thing where size is null"), 0);
        }

        #[tokio::test]
        async fn an_older_build_uses_a_newer_schema_that_allows_it() {
            let db = fresh!();
            migrate!(db, NEW).unwrap();
            migrate!(db, OLD).unwrap();
            assert_eq!(count!(db, "select count(*) from _room_migrations"), 2);
        }

        #[tokio::test]
        async fn an_older_build_refuses_a_newer_schema_that_does_not_and_says_the_way_out() {
            let db = fresh!();
            migrate!(db, NEWER).unwrap();
            let error = migrate!(db, OLD).unwrap_err();
            assert!(
                matches!(error, MigrateError::NewerSchema { needs: 2, have: 1, .. }),
                "{error}"
            );
            assert!(error.to_string().contains("run the newer gov"), "{error}");
        }

        #[tokio::test]
        async fn who_only_reads_refuses_an_older_schema_and_one_that_is_too_new() {
            let db = fresh!();
            let error = readable!(db, OLD).unwrap_err();
            assert!(matches!(error, MigrateError::OlderSchema { found: 0, .. }), "{error}");
            migrate!(db, OLD).unwrap();
            readable!(db, OLD).unwrap();
            let error = readable!(db, NEW).unwrap_err();
            assert!(matches!(error, MigrateError::OlderSchema { found: 1, .. }), "{error}");
            assert!(error.to_string().contains("run `gov migrate`"), "{error}");
            migrate!(db, NEWER).unwrap();
            readable!(db, NEWER).unwrap();
            let error = readable!(db, OLD).unwrap_err();
            assert!(matches!(error, MigrateError::NewerSchema { .. }), "{error}");
        }

        #[tokio::test]
        async fn a_changed_landed_migration_is_refused() {
            let db = fresh!();
            migrate!(db, OLD).unwrap();
            let error = migrate!(db, CHANGED).unwrap_err();
            assert!(matches!(error, MigrateError::Changed { version: 1, .. }), "{error}");
        }

        #[tokio::test]
        async fn a_failed_step_leaves_nothing_behind() {
            let db = fresh!();
            migrate!(db, OLD).unwrap();
            let error = migrate!(db, FAILING).unwrap_err();
            assert!(matches!(error, MigrateError::Failed { version: 2, .. }), "{error}");
            assert_eq!(count!(db, "select count(*) from _room_migrations"), 1);
            migrate!(db, NEW).unwrap();
            migrate!(db, Component { name: "room_other", migrations: &[] }).unwrap();
        }
    };
}

mod sqlite {
    use gov_core::Timestamp;
    use gov_store::sqlite::{OpenError, migrate, open_read_only, rusqlite::Connection};

    use super::*;

    /// An empty database in a folder of its own.
    struct File {
        path: std::path::PathBuf,
        _folder: tempfile::TempDir,
    }

    impl File {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let file = Self { path: folder.path().join("room.db"), _folder: folder };
            file.connection().execute_batch("pragma journal_mode = wal").unwrap();
            file
        }

        fn connection(&self) -> Connection {
            Connection::open(&self.path).unwrap()
        }

        fn readable(&self, component: &Component) -> Result<(), MigrateError> {
            match open_read_only(&self.path, &[component]) {
                Ok(_) => Ok(()),
                Err(OpenError::Migrate(error)) => Err(error),
                Err(error) => panic!("{error}"),
            }
        }
    }

    macro_rules! fresh {
        () => {
            File::new()
        };
    }
    macro_rules! migrate {
        ($db:ident, $component:expr) => {
            migrate(&mut $db.connection(), &$component, Timestamp::UNIX_EPOCH)
        };
    }
    macro_rules! readable {
        ($db:ident, $component:expr) => {
            $db.readable(&$component)
        };
    }
    macro_rules! count {
        ($db:ident, $sql:expr) => {
            $db.connection().query_row($sql, [], |row| row.get::<_, i64>(0)).unwrap()
        };
    }
    rules!();
}

mod postgres {
    use gov_core::Timestamp;
    use gov_store::{
        fresh_database,
        postgres::{check_readable, migrate},
    };

    use super::*;

    macro_rules! fresh {
        () => {
            match fresh_database::postgres(&[]).await {
                Some(pool) => pool,
                None => return,
            }
        };
    }
    macro_rules! migrate {
        ($db:ident, $component:expr) => {
            migrate(&$db, &$component, Timestamp::UNIX_EPOCH).await
        };
    }
    macro_rules! readable {
        ($db:ident, $component:expr) => {
            check_readable(&mut $db.acquire().await.unwrap(), &$component).await
        };
    }
    macro_rules! count {
        ($db:ident, $sql:expr) => {
            sqlx::query_scalar::<_, i64>($sql).fetch_one(&$db).await.unwrap()
        };
    }
    rules!();

    #[tokio::test]
    async fn processes_that_start_together_take_turns() {
        let db = fresh!();
        let mut starts = tokio::task::JoinSet::new();
        for _ in 0..4 {
            let db = db.clone();
            starts.spawn(async move { migrate(&db, &NEW, Timestamp::UNIX_EPOCH).await });
        }
        for started in starts.join_all().await {
            started.unwrap();
        }
        assert_eq!(count!(db, "select count(*) from _room_migrations"), 2);
    }
}
