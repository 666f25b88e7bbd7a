//! The naive way, from the design's words: an immediate transaction for each event.

use std::{
    io::Write as _,
    process::{Command, Stdio},
    time::Instant,
};

use ed25519_dalek::{Signer as _, SigningKey};
use rusqlite::{Connection, TransactionBehavior, params};
use sha2::{Digest as _, Sha256};

/// The first argument of a run that does only this, so that its system calls can be counted.
pub(crate) const CHILD: &str = "--naive";

/// Prints the settings and fsyncs of the baselines.
pub(crate) fn describe(records: u32) {
    for synchronous in ["full", "normal"] {
        let fsyncs = fsyncs(records, synchronous);
        let fsyncs = fsyncs.map_or_else(
            || "not counted: strace is missing".to_owned(),
            |it| format!("{it} fsyncs"),
        );
        let line = format!(
            "naive way: journal_mode=wal, synchronous={synchronous}, wal_autocheckpoint=1000, \
             page_size=4096; {records} records of 300 B, one caller: {fsyncs}\n"
        );
        std::io::stdout().write_all(line.as_bytes()).unwrap();
    }
}

/// How often a run of its own calls fsync or fdatasync.
fn fsyncs(records: u32, synchronous: &str) -> Option<usize> {
    let trace = tempfile::NamedTempFile::new().unwrap();
    let traced = Command::new("strace")
        .args(["-f", "-qq", "-e", "trace=fsync,fdatasync", "-o"])
        .arg(trace.path())
        .arg(std::env::current_exe().unwrap())
        .args([CHILD, &records.to_string(), synchronous])
        .stdout(Stdio::null())
        .status();
    traced.ok().filter(std::process::ExitStatus::success)?;
    Some(std::fs::read_to_string(trace.path()).unwrap().matches("sync(").count())
}

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
