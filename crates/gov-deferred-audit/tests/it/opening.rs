//! The log opens only if key, rows, checkpoint and name belong together.

use std::{fs, os::unix::fs::PermissionsExt as _};

use gov_deferred_audit::{OpenError, signer::KeyFileError, store::sqlite::COMPONENT};
use rusqlite::Connection;

use crate::fixture::Fixture;

#[tokio::test]
async fn the_first_start_makes_a_key_that_only_its_owner_can_read() {
    let it = Fixture::with_records(1).await;
    let path = it.config.keys.join("audit-log.e1.key");
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o600);
    assert_eq!(fs::metadata(&it.config.keys).unwrap().permissions().mode() & 0o7777, 0o700);
    assert!(fs::read_to_string(path).unwrap().starts_with("PRIVATE+KEY+example.com/gov/e1+"));
    assert_eq!(it.vkey(1).name(), "example.com/gov/e1");
}

#[tokio::test]
async fn a_key_that_others_may_read_is_refused_with_the_command_that_helps() {
    let it = Fixture::with_records(1).await;
    let path = it.config.keys.join("audit-log.e1.key");
    for mode in [0o640, 0o604, 0o666, 0o610] {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        let message = it.try_open().await.unwrap_err().to_string();
        assert!(message.contains(&format!("mode {mode:04o}, wider than 0600")), "{message}");
        assert!(message.contains(&format!("chmod 600 {}", path.display())), "{message}");
    }
}

#[tokio::test]
async fn a_lost_key_is_asked_for_and_never_replaced() {
    let it = Fixture::with_records(1).await;
    let path = it.config.keys.join("audit-log.e1.key");
    fs::remove_file(&path).unwrap();
    let error = it.try_open().await.unwrap_err();
    assert!(matches!(error, OpenError::Key(KeyFileError::Missing(missing)) if missing == path));
    assert!(!path.exists());
}

#[tokio::test]
async fn a_key_of_another_log_or_a_torn_one_is_refused() {
    let (it, other) = (Fixture::with_records(1).await, Fixture::with_records(1).await);
    let key = |it: &Fixture| it.config.keys.join("audit-log.e1.key");
    let own = fs::read_to_string(key(&it)).unwrap();
    fs::copy(key(&other), key(&it)).unwrap();
    let error = it.try_open().await.unwrap_err();
    assert!(matches!(error, OpenError::Key(KeyFileError::OtherLog { .. })), "{error}");
    fs::write(key(&it), &own[..own.len() / 2]).unwrap();
    let error = it.try_open().await.unwrap_err();
    assert!(matches!(error, OpenError::Key(KeyFileError::Malformed { .. })), "{error}");
    assert!(!format!("{error:?}").contains(&own[40..60]), "the secret shows");
}

#[tokio::test]
async fn the_domain_is_fixed_when_the_log_is_created() {
    let mut it = Fixture::with_records(1).await;
    it.config.domain = Some("elsewhere.example".to_owned());
    let error = it.try_open().await.unwrap_err();
    assert!(matches!(&error, OpenError::OtherDomain { stored, .. } if stored == "example.com"));
    it.config.domain = None;
    assert_eq!(it.open().await.key().name(), "example.com/gov/e1");
    for domain in ["a b", "a+b", "", "line\nfeed"] {
        it.config.domain = Some(domain.to_owned());
        assert!(matches!(it.try_open().await.unwrap_err(), OpenError::Domain(_)));
    }
}

#[tokio::test]
async fn without_a_domain_the_log_gets_a_name_of_its_own() {
    let [a, b] = [Fixture::new(), Fixture::new()].map(|mut it| {
        it.config.domain = None;
        it
    });
    let (a, b) = (a.open().await.key().clone(), b.open().await.key().clone());
    assert_ne!(a.name(), b.name());
    let (domain, epoch) = a.name().split_once("/gov/").unwrap();
    assert_eq!((domain.len(), epoch), ("localhost.invalid/".len() + 16, "e1"));
}

#[tokio::test]
async fn a_first_start_that_ended_after_the_key_goes_on_with_that_key() {
    let it = Fixture::with_records(0).await;
    let key = it.vkey(1);
    fs::remove_file(&it.config.database).unwrap();
    fs::remove_file(&it.config.outside_copy).unwrap();
    assert_eq!(*it.open().await.key(), key);
}

#[tokio::test]
async fn rows_that_do_not_make_the_signed_root_stop_the_start() {
    for sql in [
        "update audit_log_entry set entry = cast(entry || x'20' as blob) where seq = 300",
        "delete from audit_log_entry where seq = 300",
        "update audit_log_tile set hashes = zeroblob(8192)",
        "delete from audit_log_tile",
        "update audit_log_checkpoint set root = zeroblob(32)",
        "update audit_log_checkpoint set size = 299",
        "update audit_log_checkpoint set note = replace(note, '300', '299')",
        "update audit_log_checkpoint set vkey = 'nobody'",
    ] {
        let it = Fixture::with_records(300).await;
        it.tamper(sql);
        let error = it.try_open().await.unwrap_err();
        assert!(matches!(error, OpenError::Corrupt(_)), "{sql}: {error:?}");
    }
}

#[tokio::test]
async fn a_newer_schema_is_refused() {
    let it = Fixture::with_records(1).await;
    it.tamper(
        "insert into _audit_log_migrations (version, what, sha256, min_reader, applied_at)
         values (3, 'later', 'x', 3, 0)",
    );
    assert!(matches!(it.try_open().await.unwrap_err(), OpenError::NewerSchema(_)));
}

#[tokio::test]
async fn a_log_of_the_first_schema_is_carried_over_and_goes_on() {
    let it = Fixture::with_records(600).await;
    put_back_to_the_first_schema(&it);
    it.append(300).await;
    let report = it.verify_database();
    assert!(report.is_ok(), "{:?}", report.first_bad());
    assert_eq!((report.epochs[0].size, report.payloads.checked), (900, 900));
}

/// Writes the same log as the first build did.
fn put_back_to_the_first_schema(it: &Fixture) {
    let first = &COMPONENT.migrations[0];
    let path = it.folder.path().join("first.db");
    let connection = Connection::open(&path).unwrap();
    connection.pragma_update(None, "journal_mode", "wal").unwrap();
    connection.execute_batch(first.sql).unwrap();
    connection.execute("attach ?1 as later", [it.config.database.to_str().unwrap()]).unwrap();
    connection
        .execute_batch(
            "create table _audit_log_migrations (version integer primary key, what text not null,
                 sha256 text not null, min_reader integer not null, applied_at integer not null)
                 strict;
             insert into _audit_log_migrations
             select * from later._audit_log_migrations where version = 1;
             insert into audit_log_entry select epoch, seq, record_id, entry
             from later.audit_log_entry;
             insert into audit_log_payload select epoch, seq, salt, payload
             from later.audit_log_payload;
             insert into audit_log_tile select * from later.audit_log_tile;
             insert into audit_log_checkpoint select * from later.audit_log_checkpoint;
             detach later;",
        )
        .unwrap();
    connection.close().unwrap();
    it.restore_database(&fs::read(path).unwrap());
}
