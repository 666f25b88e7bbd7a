//! Single parts: a verify, the tree.

use std::{sync::Arc, time::Instant};

use gov_core::{ActionDigest, AuditEventKind, Clock as _, Payload, RecordId, SystemClock};
use gov_deferred_audit::{
    DeferredAuditSink as _, LogConfig, LogRecord, SignedLog, Verdict,
    verify::{VerifyOptions, verify_database},
};
use gov_store::{
    migrations::{Component, Migration},
    sqlite::{Database, DatabaseOptions, Sync},
};
use rusqlite::{Transaction, params};
use sha2::{Digest as _, Sha256};
use tokio::runtime::Runtime;

use super::Settings;
use gov_store::bench::{Goal, Line};

/// Made before the clock starts: what a record costs its maker is no part of any way to store it.
pub(crate) fn records(count: u32) -> Vec<LogRecord> {
    (0..count).map(|_| record(300)).collect()
}

/// A refusal whose payload has `bytes` bytes.
pub(crate) fn record(bytes: usize) -> LogRecord {
    let now = SystemClock.now();
    let content = serde_json::json!({"action": {"command": "x".repeat(bytes - 25)}});
    LogRecord {
        id: RecordId::at(now),
        at: now,
        kind: AuditEventKind::ActionRefused,
        agent_id: Some("agent-1".parse().unwrap()),
        session_id: None,
        policy_version: Some(7),
        verdict: Some(Verdict {
            action_kind: "bash".to_owned(),
            digest: ActionDigest::from_bytes([1; 32]),
            decision: "refuse".to_owned(),
            rule_id: Some("no-rm".parse().unwrap()),
            reason: Some("not this way".to_owned()),
        }),
        payload: Payload::seal(&content).unwrap(),
    }
}

/// The fastest of some runs, in milliseconds: the others measure what else the machine does.
fn fastest(run: impl Fn()) -> f64 {
    let spans = (0..5).map(|_| {
        let started = Instant::now();
        run();
        started.elapsed().as_secs_f64() * 1e3
    });
    spans.fold(f64::INFINITY, f64::min)
}

/// A whole log judged, beside SHA-256 over as many bytes.
pub(crate) fn full_verify(settings: &Settings, runtime: &Runtime) {
    let dir = tempfile::tempdir().unwrap();
    let config = LogConfig::in_dir(dir.path());
    let database = config.database.clone();
    let bytes = runtime.block_on(async {
        let log = SignedLog::open(config, Arc::new(SystemClock)).await.unwrap();
        let mut sink = log.sink();
        for _ in 0..settings.records / 256 {
            let batch = records(256);
            assert_eq!(sink.append(&batch).await.len(), 256);
        }
        let rows = log.records_after(0, u64::from(u32::MAX)).await.unwrap();
        drop(sink);
        log.close().await;
        rows.iter()
            .map(|row| {
                let payload = row.payload.as_ref().map_or(0, |it| it.as_bytes().len());
                (row.entry.len(), payload)
            })
            .fold((0, 0), |sum, row| (sum.0 + row.0, sum.1 + row.1))
    });
    for (payloads, limit) in [(false, 2.0), (true, 3.0)] {
        let options = VerifyOptions { payloads, ..VerifyOptions::default() };
        let ours = fastest(|| assert!(verify_database(&database, &options).unwrap().is_ok()));
        let hashed = vec![7; bytes.0 + if payloads { bytes.1 } else { 0 }];
        let baseline = fastest(|| assert_eq!(Sha256::digest(&hashed).len(), 32));
        let what = if payloads { "with payloads" } else { "tree only" };
        settings.bench.print(&Line {
            case: format!("full verify, {what}, beside SHA-256 of the same bytes"),
            ours,
            baseline,
            unit: "ms",
            goal: Goal::AtMost(limit),
        });
    }
}

const ROWS: Component = Component {
    name: "rows",
    migrations: &[Migration {
        version: 1,
        what: "the same rows without a tree",
        sql: "create table rows_entry (seq integer primary key, record_id blob not null unique,
                  entry blob not null) strict;
              create table rows_payload (seq integer primary key, salt blob not null,
                  payload blob not null) strict;",
        min_reader: 1,
    }],
};

/// The log beside the same writer that stores the rows only.
pub(crate) fn log_overhead(settings: &Settings, runtime: &Runtime) {
    let dir = tempfile::tempdir().unwrap();
    let batches: Vec<Vec<_>> = (0..settings.records / 256).map(|_| records(256)).collect();
    let count = f64::from(settings.records / 256 * 256);
    let (ours, baseline) = runtime.block_on(async {
        let config = LogConfig::in_dir(dir.path());
        let log = SignedLog::open(config, Arc::new(SystemClock)).await.unwrap();
        let mut sink = log.sink();
        let started = Instant::now();
        for batch in &batches {
            assert_eq!(sink.append(batch).await.len(), 256);
        }
        let ours = count / started.elapsed().as_secs_f64();
        let options = DatabaseOptions::new("rows");
        let now = SystemClock.now();
        let path = dir.path().join("rows.db");
        let database = Database::open(&path, &options, &[&ROWS], now).unwrap();
        let started = Instant::now();
        for batch in batches {
            database.writer.write(Sync::Full, move |tx| store_rows(tx, &batch)).await.unwrap();
        }
        (ours, count / started.elapsed().as_secs_f64())
    });
    settings.bench.print(&Line {
        case: "log with tree and checkpoint at batch 256, beside its rows only".to_owned(),
        ours,
        baseline,
        unit: "records/s",
        goal: Goal::AtLeast(0.85),
    });
}

fn store_rows(tx: &Transaction<'_>, batch: &[LogRecord]) -> rusqlite::Result<()> {
    let mut entries =
        tx.prepare_cached("insert into rows_entry (record_id, entry) values (?1, ?2)")?;
    let mut payloads = tx.prepare_cached("insert into rows_payload values (?1, ?2, ?3)")?;
    for record in batch {
        let entry = gov_deferred_audit::entry::encode(record, 1, "bench/gov/e1").unwrap();
        entries.execute(params![record.id.as_uuid().as_bytes(), entry])?;
        let payload = &record.payload;
        payloads.execute(params![tx.last_insert_rowid(), payload.salt(), payload.as_bytes()])?;
    }
    Ok(())
}
