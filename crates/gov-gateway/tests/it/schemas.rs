//! What commands say to the schema of another build, and how `gov migrate` goes on from an older.

use rustix::process::Signal;
use sqlx::PgPool;

use crate::process::{Place, Ran, database};

/// How the first build kept the log.
const FIRST_LOG: &str = include_str!("../../../../migrations/audit_log/sqlite/0001_signed_log.sql");

/// A data directory after a server's first run.
fn served() -> Place {
    let place = Place::new();
    place.run(&["tokens", "create", "--scope", "agent", "--agent", "coder"]);
    assert_eq!(place.serve(&[]).end(Signal::TERM).0, Some(0));
    place
}

/// The commands that read each database at rest.
fn readers(place: &Place) -> [(&'static str, &'static str, Vec<Ran>); 2] {
    let to = place.path("export").to_str().unwrap().to_owned();
    let run = |arguments: &[&str]| place.run(arguments);
    [
        (
            "gov.db",
            "gateway",
            vec![run(&["tokens", "list"]), run(&["policies", "list"]), run(&["agents", "list"])],
        ),
        (
            "audit-log.db",
            "audit_log",
            vec![run(&["audit", "verify"]), run(&["audit", "export", &to])],
        ),
    ]
}

/// Puts the newest migration of each component in a state, has the commands run, and takes it back.
fn each_says(place: &Place, change: &str, back: &str, code: i32, message: &str) {
    for at in 0..2 {
        let (file, component, _) = &readers(place)[at];
        let apply = |sql: &str| {
            let sql = sql.replace("{table}", &format!("_{component}_migrations"));
            database(&place.data_dir(), file).execute_batch(&sql).unwrap();
        };
        apply(change);
        for ran in &readers(place)[at].2 {
            ran.failed(code, message);
        }
        apply(back);
    }
    for (_, _, ran) in readers(place) {
        assert!(ran.iter().all(|it| it.code == 0), "{ran:?}");
    }
}

#[test]
fn a_newer_schema_is_5_for_every_command_that_reads_at_rest() {
    let newer = "insert into {table} (version, what, sha256, min_reader, applied_at)
                 select max(version) + 1, 'newer', sha256, max(version) + 1, applied_at from {table}";
    each_says(&served(), newer, "delete from {table} where what = 'newer'", 5, "run the newer gov");
}

#[test]
fn an_older_schema_is_4_for_every_command_that_reads_at_rest_and_names_migrate() {
    let older = "create table kept as select * from {table};
                 delete from {table} where version = (select max(version) from {table})";
    let back = "insert or ignore into {table} select * from kept; drop table kept";
    each_says(&served(), older, back, 4, "run `gov migrate`");
}

/// The way out, on a log with records that the first build left.
#[test]
fn a_log_of_the_first_schema_verifies_once_it_is_migrated_and_only_its_component_is() {
    let place = served();
    let before = place.run(&["audit", "verify"]);
    assert_eq!(before.code, 0, "{before:?}");
    let log = database(&place.data_dir(), "audit-log.db");
    log.execute_batch(&format!(
        "create temp table entry as select epoch, seq, record_id, entry from audit_log_entry;
         create temp table payload as select epoch, seq, salt, payload from audit_log_payload;
         create temp table tile as select * from audit_log_tile;
         create temp table checkpoint as select * from audit_log_checkpoint;
         drop table main.audit_log_entry; drop table main.audit_log_payload;
         drop table main.audit_log_tile; drop table main.audit_log_checkpoint;
         drop table main.audit_log_dead_letter; drop table main.audit_log_pruned;
         drop table main.audit_log_pruned_record;
         {FIRST_LOG};
         insert into main.audit_log_entry select * from entry;
         insert into main.audit_log_payload select * from payload;
         insert into main.audit_log_tile select * from tile;
         insert into main.audit_log_checkpoint select * from checkpoint;
         delete from main._audit_log_migrations where version > 1;"
    ))
    .unwrap();
    drop(log);
    place.run(&["audit", "verify"]).failed(4, "`audit_log` is at version 1");

    let ran = place.run(&["migrate", "--component", "escalation"]);
    assert!(ran.code == 0 && ran.out.contains("the tables of escalation are at"), "{ran:?}");
    place.run(&["audit", "verify"]).failed(4, "run `gov migrate`");
    let ran = place.run(&["migrate", "--component", "audit_log"]);
    assert!(ran.code == 0 && ran.out.contains("the tables of audit_log are at"), "{ran:?}");
    assert_eq!(place.run(&["audit", "verify"]).out, before.out);
}

#[test]
fn migrate_refuses_a_component_that_it_does_not_know_and_files_in_use() {
    let place = served();
    let ran = place.run(&["migrate", "--component", "log"]);
    assert!(ran.code == 2 && ran.err.contains("audit_log"), "{ran:?}");
    let server = place.serve(&[]);
    place.run(&["migrate"]).failed(3, "a server runs on these files");
    drop(server);
}

#[tokio::test]
async fn a_database_without_tables_is_4_and_one_component_is_migrated_alone() {
    let Some(pool) = gov_store::fresh_database::postgres(&[]).await else { return };
    let name: String =
        sqlx::query_scalar("select current_database()").fetch_one(&pool).await.unwrap();
    let server = std::env::var("GOV_TEST_POSTGRES_URL").unwrap();
    let url = format!("{}/{name}", server.rsplit_once('/').unwrap().0);
    let place = Place::new();
    place.run(&["init"]);
    let verify = ["audit", "verify", "--database-url", &url];
    place.run(&verify).failed(4, "run `gov migrate`");
    let ran = place.run(&["migrate", "--component", "audit_log", "--database-url", &url]);
    assert_eq!(ran.code, 0, "{ran:?}");
    place.run(&verify).failed(3, "holds no log");
    assert_eq!(components(&pool).await, ["_audit_log_migrations"]);
    assert_eq!(place.run(&["migrate", "--database-url", &url]).code, 0);
    assert_eq!(components(&pool).await.len(), 4);
}

async fn components(pool: &PgPool) -> Vec<String> {
    let sql = "select tablename::text from pg_tables where tablename like '\\_%\\_migrations'
               order by tablename";
    sqlx::query_scalar(sql).fetch_all(pool).await.unwrap()
}
