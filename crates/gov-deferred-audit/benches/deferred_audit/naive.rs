//! The naive way, from the design's words: an immediate transaction for each event.

use std::time::Instant;

use ed25519_dalek::{Signer as _, SigningKey};
use rusqlite::{Connection, TransactionBehavior, params};
use sha2::{Digest as _, Sha256};

/// Records a second, one after the other, at `synchronous = <full|normal>`.
pub(crate) fn records_per_second(records: u32, synchronous: &str) -> f64 {
    let dir = tempfile::tempdir().unwrap();
    let mut connection = Connection::open(dir.path().join("naive.db")).unwrap();
    connection
        .execute_batch(&format!(
            "pragma journal_mode = wal; pragma synchronous = {synchronous};
             create table event (seq integer primary key, hash blob not null, previous blob not null,
                 signature blob not null, payload blob not null) strict;"
        ))
        .unwrap();
    let key = SigningKey::from_bytes(&[7; 32]);
    let work = super::parts::records(records);
    let started = Instant::now();
    for record in &work {
        let payload = record.payload.as_bytes();
        let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate).unwrap();
        let previous: Vec<u8> = tx
            .query_row("select hash from event order by seq desc limit 1", [], |row| row.get(0))
            .unwrap_or_else(|_| vec![0; 32]);
        let hash = Sha256::new().chain_update(&previous).chain_update(payload).finalize().to_vec();
        let signature = key.sign(&hash).to_bytes();
        tx.execute(
            "insert into event (hash, previous, signature, payload) values (?1, ?2, ?3, ?4)",
            params![hash, previous, signature, payload],
        )
        .unwrap();
        tx.commit().unwrap();
    }
    f64::from(records) / started.elapsed().as_secs_f64()
}
